/*
 * progress.c
 *		How far a job has come that goes on by steps.
 *
 * The row stands apart from the room, which stays slim: a room changes with each move, this changes
 * when a step commits. A job whose lane is below 0 has one. To be called in a transaction with an
 * active snapshot; who changes the row has the job in hands, so nobody else does.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "ground/intake.h"
#include "ground/table.h"
#include "queue/progress.h"

static Jsonb *
read_jsonb(Datum value, bool null)
{
	return null ? NULL : DatumGetJsonbPCopy(value);
}

#define READ_JSONB(row, nulls, column)                                                             \
	read_jsonb(INTAKE_COLUMN(row, column), INTAKE_COLUMN(nulls, column))

static void
read_row(const TupleTableSlot *slot, IntakeProgress *progress)
{
	Datum *row = slot->tts_values;
	bool *nulls = slot->tts_isnull;

	*progress = (IntakeProgress){0};
	progress->step = TextDatumGetCString(INTAKE_COLUMN(row, progress_step));
	progress->steps = DatumGetInt32(INTAKE_COLUMN(row, progress_steps));
	progress->visits = READ_JSONB(row, nulls, progress_visits);
	progress->state = READ_JSONB(row, nulls, progress_state);
	progress->input = READ_JSONB(row, nulls, progress_input);
	if (!INTAKE_COLUMN(nulls, progress_first_call))
		progress->first_call = DatumGetInt64(INTAKE_COLUMN(row, progress_first_call));
	progress->calls = DatumGetInt32(INTAKE_COLUMN(row, progress_calls));
	progress->single = DatumGetBool(INTAKE_COLUMN(row, progress_single));
	if (!INTAKE_COLUMN(nulls, progress_failed))
		progress->failed = TextDatumGetCString(INTAKE_COLUMN(row, progress_failed));
	progress->started_at = DatumGetTimestampTz(INTAKE_COLUMN(row, progress_started_at));
}

/* Reads how far a job has come, all of it palloc'ed. Returns false where it has no row. */
bool
intake_progress_read(int64 job_id, IntakeProgress *progress)
{
	IntakeScan scan;
	ScanKeyData key;
	bool found;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(job_id));
	PushActiveSnapshot(GetLatestSnapshot());
	intake_table_scan_begin(&scan, intake_table_oid("progress"), NULL, &key, 1);
	found = intake_table_scan_next(&scan);
	if (found)
		read_row(scan.slot, progress);
	intake_table_scan_end(&scan);
	PopActiveSnapshot();
	return found;
}

static void
insert_row(IntakeTable *table, const IntakeJob *job, const IntakeProgress *progress)
{
	Datum values[Natts_progress];
	bool nulls[Natts_progress] = {0};

	INTAKE_COLUMN(values, progress_job_id) = Int64GetDatum(job->job_id);
	INTAKE_COLUMN(values, progress_workflow_id) = Int32GetDatum(job->workflow_id);
	INTAKE_COLUMN(values, progress_event_id) = Int64GetDatum(job->event_id);
	INTAKE_COLUMN(values, progress_step) = CStringGetTextDatum(progress->step);
	INTAKE_COLUMN(values, progress_steps) = Int32GetDatum(progress->steps);
	INTAKE_COLUMN(values, progress_visits) = JsonbPGetDatum(progress->visits);
	INTAKE_COLUMN(values, progress_state) = JsonbPGetDatum(progress->state);
	INTAKE_COLUMN(nulls, progress_state) = progress->state == NULL;
	INTAKE_COLUMN(values, progress_input) = JsonbPGetDatum(progress->input);
	INTAKE_COLUMN(nulls, progress_input) = progress->input == NULL;
	INTAKE_COLUMN(values, progress_first_call) = Int64GetDatum(progress->first_call);
	INTAKE_COLUMN(nulls, progress_first_call) = progress->first_call == 0;
	INTAKE_COLUMN(values, progress_calls) = Int32GetDatum(progress->calls);
	INTAKE_COLUMN(values, progress_single) = BoolGetDatum(progress->single);
	INTAKE_COLUMN(nulls, progress_failed) = progress->failed == NULL;
	if (progress->failed != NULL)
		INTAKE_COLUMN(values, progress_failed) = CStringGetTextDatum(progress->failed);
	INTAKE_COLUMN(values, progress_started_at) = TimestampTzGetDatum(progress->started_at);
	intake_table_insert(table, values, nulls);
}

/* Deletes the row of a job, if it has one. */
static void
remove_row(IntakeTable *table, int64 job_id)
{
	while (intake_table_look_up(table, job_id) && !intake_table_remove(table, true))
		CHECK_FOR_INTERRUPTS();
}

/* Writes how far a job has come, in place of what was there, if it has come somewhere BEFORE. */
void
intake_progress_write(const IntakeJob *job, const IntakeProgress *progress, bool before)
{
	IntakeTable table;

	intake_table_open(&table, intake_table_oid("progress"));
	if (before)
		remove_row(&table, job->job_id);
	insert_row(&table, job, progress);
	intake_table_close(&table);
}

/*
 * Has a job that had ended begin again, and returns the lane that it is to be put into. Where it AGES,
 * as its workflow expires, the time of this is kept: its event may be old.
 */
int32
intake_progress_restart(const IntakeJob *job, bool ages)
{
	IntakeProgress progress = {.step = INTAKE_FIRST_STEP, .started_at = GetCurrentTimestamp()};
	IntakeTable table;

	intake_table_open(&table, intake_table_oid("progress"));
	remove_row(&table, job->job_id);
	if (ages)
	{
		progress.visits = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
		insert_row(&table, job, &progress);
	}
	intake_table_close(&table);
	return ages ? -job->workflow_id : job->workflow_id;
}
