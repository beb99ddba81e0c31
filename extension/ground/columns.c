/*
 * columns.c
 *		The columns of the extension's tables, as the code knows them: one line for each, in the
 *		order of the numbers in intake.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "ground/columns.h"
#include "ground/intake.h"

#define COLUMN(table, column, type) [Anum_##table##_##column - 1] = {#column, type, false}
#define NULLABLE(table, column, type) [Anum_##table##_##column - 1] = {#column, type, true}

static const IntakeColumn event_columns[] = {
	COLUMN(event, id, INT8OID),         COLUMN(event, received_at, TIMESTAMPTZOID),
	COLUMN(event, source_id, INT4OID),  NULLABLE(event, secret_id, INT4OID),
	COLUMN(event, verified, CHAROID),   COLUMN(event, key, TEXTOID),
	NULLABLE(event, type, TEXTOID),     COLUMN(event, headers, JSONBOID),
	COLUMN(event, body, BYTEAOID),      NULLABLE(event, delivery_id, INT8OID),
	NULLABLE(event, position, INT4OID),
};

static const IntakeColumn event_key_columns[] = {
	COLUMN(event_key, event_id, INT8OID),
	COLUMN(event_key, head, INT8OID),
	COLUMN(event_key, digest, UUIDOID),
};

static const IntakeColumn queue_columns[] = {
	COLUMN(queue, position, INT8OID), COLUMN(queue, job_id, INT8OID),
	COLUMN(queue, event_id, INT8OID), COLUMN(queue, lane, INT4OID),
	COLUMN(queue, attempts, INT4OID),
};

static const IntakeColumn delayed_columns[] = {
	COLUMN(delayed, run_at, TIMESTAMPTZOID), COLUMN(delayed, job_id, INT8OID),
	COLUMN(delayed, event_id, INT8OID),      COLUMN(delayed, lane, INT4OID),
	COLUMN(delayed, attempts, INT4OID),
};

static const IntakeColumn running_columns[] = {
	COLUMN(running, job_id, INT8OID), COLUMN(running, event_id, INT8OID),
	COLUMN(running, lease, INT8OID),  COLUMN(running, claimed_at, TIMESTAMPTZOID),
	COLUMN(running, lane, INT4OID),   COLUMN(running, attempts, INT4OID),
};

static const IntakeColumn suspect_columns[] = {
	COLUMN(suspect, job_id, INT8OID),  COLUMN(suspect, event_id, INT8OID),
	NULLABLE(suspect, lease, INT8OID), NULLABLE(suspect, started_at, TIMESTAMPTZOID),
	COLUMN(suspect, lane, INT4OID),    COLUMN(suspect, attempts, INT4OID),
	COLUMN(suspect, crashes, INT4OID),
};

static const IntakeColumn done_columns[] = {
	COLUMN(done, job_id, INT8OID),
	COLUMN(done, event_id, INT8OID),
	COLUMN(done, finished_at, TIMESTAMPTZOID),
	COLUMN(done, workflow_id, INT4OID),
	COLUMN(done, attempts, INT4OID),
	NULLABLE(done, result, JSONBOID),
};

static const IntakeColumn discarded_columns[] = {
	COLUMN(discarded, job_id, INT8OID),
	COLUMN(discarded, event_id, INT8OID),
	COLUMN(discarded, discarded_at, TIMESTAMPTZOID),
	COLUMN(discarded, workflow_id, INT4OID),
	COLUMN(discarded, attempts, INT4OID),
	COLUMN(discarded, reason, TEXTOID),
};

static const IntakeColumn dead_letter_columns[] = {
	COLUMN(dead_letter, job_id, INT8OID),         COLUMN(dead_letter, event_id, INT8OID),
	COLUMN(dead_letter, died_at, TIMESTAMPTZOID), COLUMN(dead_letter, workflow_id, INT4OID),
	COLUMN(dead_letter, attempts, INT4OID),       COLUMN(dead_letter, sqlstate, TEXTOID),
	COLUMN(dead_letter, error, TEXTOID),          NULLABLE(dead_letter, workflow, TEXTOID),
	NULLABLE(dead_letter, step, TEXTOID),
};

static const IntakeColumn attempt_columns[] = {
	COLUMN(attempt, job_id, INT8OID),
	NULLABLE(attempt, started_at, TIMESTAMPTZOID),
	COLUMN(attempt, finished_at, TIMESTAMPTZOID),
	COLUMN(attempt, workflow_id, INT4OID),
	COLUMN(attempt, attempt, INT4OID),
	COLUMN(attempt, sqlstate, TEXTOID),
	COLUMN(attempt, error, TEXTOID),
	NULLABLE(attempt, step, TEXTOID),
	NULLABLE(attempt, call_id, INT8OID),
	NULLABLE(attempt, status, INT4OID),
	NULLABLE(attempt, duration, INTERVALOID),
};

static const IntakeColumn progress_columns[] = {
	COLUMN(progress, job_id, INT8OID),
	COLUMN(progress, workflow_id, INT4OID),
	COLUMN(progress, event_id, INT8OID),
	COLUMN(progress, step, TEXTOID),
	COLUMN(progress, steps, INT4OID),
	COLUMN(progress, visits, JSONBOID),
	NULLABLE(progress, state, JSONBOID),
	NULLABLE(progress, input, JSONBOID),
	NULLABLE(progress, first_call, INT8OID),
	COLUMN(progress, calls, INT4OID),
	COLUMN(progress, single, BOOLOID),
	NULLABLE(progress, failed, TEXTOID),
	COLUMN(progress, started_at, TIMESTAMPTZOID),
};

/* Only what is read without SQL. */
static const IntakeColumn source_columns[] = {
	COLUMN(source, id, INT4OID),
	COLUMN(source, name, TEXTOID),
};

#define TABLE(table, ...)                                                                          \
	{                                                                                              \
#table, table##_columns, lengthof(table##_columns),                                        \
		{                                                                                          \
			__VA_ARGS__                                                                            \
		}                                                                                          \
	}

static const IntakeColumns tables[] = {
	TABLE(event, Anum_event_id),
	TABLE(event_key, Anum_event_key_head, Anum_event_key_digest),
	TABLE(queue, Anum_queue_lane, Anum_queue_position),
	TABLE(delayed, Anum_delayed_job_id),
	TABLE(running, Anum_running_job_id),
	TABLE(suspect, Anum_suspect_job_id),
	TABLE(done, Anum_done_job_id),
	TABLE(discarded, Anum_discarded_job_id),
	TABLE(dead_letter, Anum_dead_letter_job_id),
	TABLE(attempt, 0),
	TABLE(progress, Anum_progress_job_id),
	{"source", source_columns, lengthof(source_columns), {Anum_source_id}, .read_only = true},
};

/* The columns of a table, or NULL. */
const IntakeColumns *
intake_columns_of(const char *table)
{
	for (int i = 0; i < lengthof(tables); i++)
		if (strcmp(tables[i].name, table) == 0)
			return &tables[i];
	return NULL;
}
