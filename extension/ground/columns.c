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

static const IntakeColumn call_request_columns[] = {
	COLUMN(call_request, job_id, INT8OID),
	COLUMN(call_request, call_id, INT8OID),
	COLUMN(call_request, workflow_id, INT4OID),
	COLUMN(call_request, line_id, INT8OID),
	COLUMN(call_request, n, INT4OID),
	COLUMN(call_request, step, TEXTOID),
	NULLABLE(call_request, failed, TEXTOID),
	COLUMN(call_request, single, BOOLOID),
	COLUMN(call_request, method, TEXTOID),
	COLUMN(call_request, scheme, TEXTOID),
	COLUMN(call_request, host, TEXTOID),
	COLUMN(call_request, port, INT4OID),
	COLUMN(call_request, target, TEXTOID),
	NULLABLE(call_request, headers, JSONBOID),
	NULLABLE(call_request, body, BYTEAOID),
	NULLABLE(call_request, auth, TEXTOID),
	NULLABLE(call_request, secret_id, INT4OID),
	COLUMN(call_request, milliseconds, INT8OID),
	COLUMN(call_request, idempotency_key, UUIDOID),
	NULLABLE(call_request, options, JSONBOID),
	NULLABLE(call_request, traceparent, TEXTOID),
	COLUMN(call_request, created_at, TIMESTAMPTZOID),
};

static const IntakeColumn call_response_columns[] = {
	COLUMN(call_response, job_id, INT8OID),         COLUMN(call_response, call_id, INT8OID),
	NULLABLE(call_response, status, INT4OID),       NULLABLE(call_response, headers, JSONBOID),
	NULLABLE(call_response, body, BYTEAOID),        NULLABLE(call_response, error, TEXTOID),
	NULLABLE(call_response, duration, INTERVALOID), COLUMN(call_response, ended_at, TIMESTAMPTZOID),
};

static const IntakeColumn line_columns[] = {
	COLUMN(line, id, INT8OID),
	COLUMN(line, workflow_id, INT4OID),
	COLUMN(line, host, TEXTOID),
	NULLABLE(line, secret_id, INT4OID),
	NULLABLE(line, held_until, TIMESTAMPTZOID),
	NULLABLE(line, suspended_at, TIMESTAMPTZOID),
	NULLABLE(line, probe_at, TIMESTAMPTZOID),
	COLUMN(line, probes, INT4OID),
	NULLABLE(line, kind, TEXTOID),
	NULLABLE(line, error, TEXTOID),
	COLUMN(line, jobs, INT8ARRAYOID),
	COLUMN(line, calls, INT8ARRAYOID),
};

static const IntakeColumn call_queue_columns[] = {
	COLUMN(call_queue, line_id, INT8OID),     COLUMN(call_queue, due_at, TIMESTAMPTZOID),
	COLUMN(call_queue, call_id, INT8OID),     COLUMN(call_queue, job_id, INT8OID),
	COLUMN(call_queue, workflow_id, INT4OID), COLUMN(call_queue, attempts, INT4OID),
	COLUMN(call_queue, options, BOOLOID),
};

static const IntakeColumn call_held_columns[] = {
	COLUMN(call_held, call_id, INT8OID),      COLUMN(call_held, job_id, INT8OID),
	COLUMN(call_held, line_id, INT8OID),      COLUMN(call_held, workflow_id, INT4OID),
	COLUMN(call_held, courier, INT8OID),      COLUMN(call_held, taken_at, TIMESTAMPTZOID),
	COLUMN(call_held, until, TIMESTAMPTZOID), COLUMN(call_held, attempts, INT4OID),
	COLUMN(call_held, options, BOOLOID),
};

static const IntakeColumn calling_columns[] = {
	COLUMN(calling, job_id, INT8OID),         COLUMN(calling, event_id, INT8OID),
	COLUMN(calling, lane, INT4OID),           COLUMN(calling, attempts, INT4OID),
	COLUMN(calling, calls, INT4OID),          COLUMN(calling, first_call, INT8OID),
	NULLABLE(calling, until, TIMESTAMPTZOID),
};

static const IntakeColumn courier_columns[] = {
	COLUMN(courier, token, INT8OID),          COLUMN(courier, name, TEXTOID),
	COLUMN(courier, role, TEXTOID),           COLUMN(courier, entered_at, TIMESTAMPTZOID),
	COLUMN(courier, seen_at, TIMESTAMPTZOID), COLUMN(courier, until, TIMESTAMPTZOID),
};

static const IntakeColumn call_cancel_columns[] = {
	COLUMN(call_cancel, courier, INT8OID),
	COLUMN(call_cancel, call_id, INT8OID),
	COLUMN(call_cancel, job_id, INT8OID),
};

static const IntakeColumn awaiting_columns[] = {
	COLUMN(awaiting, job_id, INT8OID), COLUMN(awaiting, event_id, INT8OID),
	COLUMN(awaiting, lane, INT4OID),   COLUMN(awaiting, attempts, INT4OID),
	COLUMN(awaiting, key, TEXTOID),    NULLABLE(awaiting, until, TIMESTAMPTZOID),
};

static const IntakeColumn signal_columns[] = {
	COLUMN(signal, key, TEXTOID),
	NULLABLE(signal, job_id, INT8OID),
	NULLABLE(signal, signalled_at, TIMESTAMPTZOID),
	NULLABLE(signal, payload, JSONBOID),
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
	TABLE(call_request, Anum_call_request_job_id, Anum_call_request_call_id),
	TABLE(call_response, Anum_call_response_job_id, Anum_call_response_call_id),
	TABLE(line, Anum_line_id),
	TABLE(call_queue, Anum_call_queue_line_id, Anum_call_queue_due_at, Anum_call_queue_call_id),
	TABLE(call_held, Anum_call_held_call_id),
	TABLE(calling, Anum_calling_job_id),
	TABLE(courier, Anum_courier_token),
	TABLE(call_cancel, Anum_call_cancel_courier, Anum_call_cancel_call_id),
	TABLE(awaiting, Anum_awaiting_job_id),
	TABLE(signal, Anum_signal_key),
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
