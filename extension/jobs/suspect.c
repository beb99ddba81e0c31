/*
 * suspect.c
 *		Jobs that may have crashed the server.
 *
 * After a crash every job in running is a suspect, since any of them may be the culprit; so is a
 * job that an executor has left there, because it ended without giving it back. No attempt is
 * charged. Suspects run alone, one at a time in the database, and the start of each is marked
 * durably (started_at). A mark that is still there after a crash counts against the job, and the
 * second one makes it a dead letter. So a culprit costs three crashes at most, and an innocent job
 * that was running when somebody killed the server, once in a batch and once more alone, is not
 * blamed.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "config/workflows.h"
#include "ground/database.h"
#include "ground/intake.h"
#include "ground/slot.h"
#include "ground/table.h"
#include "jobs/failure.h"
#include "jobs/suspect.h"
#include "queue/lane.h"

#define MOST_CRASHES 2

static bool left_any = false;

/* Begins a scan of a whole room in the order of job ids. */
static void
scan_room(IntakeScan *scan, const char *room)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(0));
	intake_table_scan_begin(scan, intake_table_oid(room), NULL, &key, 1);
}

static void
read_job(const IntakeScan *scan, IntakeJob *job)
{
	Datum *row = scan->slot->tts_values;
	bool runs = !INTAKE_COLUMN(scan->slot->tts_isnull, suspect_lease);

	job->job_id = DatumGetInt64(INTAKE_COLUMN(row, suspect_job_id));
	job->event_id = DatumGetInt64(INTAKE_COLUMN(row, suspect_event_id));
	job->lane = DatumGetInt32(INTAKE_COLUMN(row, suspect_lane));
	job->workflow_id = intake_lane_workflow(job->lane);
	job->attempts = DatumGetInt32(INTAKE_COLUMN(row, suspect_attempts));
	job->suspect = true;
	job->crashes = DatumGetInt32(INTAKE_COLUMN(row, suspect_crashes));
	job->lease = runs ? DatumGetInt64(INTAKE_COLUMN(row, suspect_lease)) : 0;
	job->tid = scan->slot->tts_tid;
}

static bool
find_suspect(int32 workflow_id, IntakeJob *job)
{
	IntakeScan scan;
	bool found = false;

	scan_room(&scan, "suspect");
	while (!found && intake_table_scan_next(&scan))
	{
		read_job(&scan, job);
		found = job->workflow_id == workflow_id && job->lease == 0;
	}
	intake_table_scan_end(&scan);
	return found;
}

/*
 * A workflow, run by executors of ROLE, that has a suspect which does not run; 0: there is none. The
 * workflows are fresh.
 */
int32
intake_suspect_find(Oid role)
{
	IntakeScan scan;
	int32 found = 0;

	scan_room(&scan, "suspect");
	while (found == 0 && intake_table_scan_next(&scan))
	{
		IntakeJob job;

		read_job(&scan, &job);
		if (job.lease == 0 && intake_workflow_role(intake_workflows_get(job.workflow_id)) == role)
			found = job.workflow_id;
	}
	intake_table_scan_end(&scan);
	return found;
}

/*
 * Tells the lanes of suspects that do not run, and notes whether there are any suspects. To be called
 * by the supervisor, in a transaction with an active snapshot. The workflows are fresh.
 */
void
intake_suspect_tell(void)
{
	IntakeScan scan;
	bool any = false;

	intake_database_set_suspects(true);
	scan_room(&scan, "suspect");
	while (intake_table_scan_next(&scan))
	{
		IntakeJob job;
		Oid role;

		any = true;
		read_job(&scan, &job);
		role = intake_workflow_role(intake_workflows_get(job.workflow_id));
		if (job.lease == 0 && OidIsValid(role))
			intake_lane_tell(job.lane, role, INTAKE_LANE_NOWHERE);
	}
	intake_table_scan_end(&scan);
	intake_database_set_suspects(any);
}

/*
 * Writes the row of a suspect anew: as started under LEASE, or, where that is 0, as not running. If
 * another transaction has locked it, waits for its end if WAIT.
 */
static IntakeLeave
rewrite(IntakeJob *job, int64 lease, bool wait)
{
	IntakeTable table;
	Datum values[Natts_suspect];
	bool nulls[Natts_suspect] = {0};
	IntakeLeave left;

	INTAKE_COLUMN(values, suspect_job_id) = Int64GetDatum(job->job_id);
	INTAKE_COLUMN(values, suspect_event_id) = Int64GetDatum(job->event_id);
	INTAKE_COLUMN(values, suspect_started_at) = TimestampTzGetDatum(GetCurrentTimestamp());
	INTAKE_COLUMN(nulls, suspect_started_at) = lease == 0;
	INTAKE_COLUMN(values, suspect_lease) = Int64GetDatum(lease);
	INTAKE_COLUMN(nulls, suspect_lease) = lease == 0;
	INTAKE_COLUMN(values, suspect_lane) = Int32GetDatum(job->lane);
	INTAKE_COLUMN(values, suspect_attempts) = Int32GetDatum(job->attempts);
	INTAKE_COLUMN(values, suspect_crashes) = Int32GetDatum(job->crashes);
	intake_table_open(&table, intake_table_oid("suspect"));
	left = intake_room_take(&table, job, wait);
	if (left == INTAKE_LEFT)
	{
		intake_table_insert(&table, values, nulls);
		job->tid = table.slot->tts_tid;
		job->lease = lease;
	}
	intake_table_close(&table);
	return left;
}

/*
 * Takes a suspect of a workflow and marks it as started under LEASE. The caller has closed the
 * gate, commits durably, and then runs the job.
 */
bool
intake_suspect_take(int32 workflow_id, int64 lease, IntakeJob *job)
{
	return find_suspect(workflow_id, job) && rewrite(job, lease, false) == INTAKE_LEFT;
}

/*
 * Takes the mark of a suspect away: it was stopped before it could do harm. If another transaction
 * has locked its row, waits for its end if WAIT.
 */
IntakeLeave
intake_suspect_unmark(const IntakeJob *job, bool wait)
{
	IntakeJob copy = *job;

	return rewrite(&copy, 0, wait);
}

/* A running row whose holder lives is left alone; any other becomes a suspect. */
static int
suspect_lost_jobs(void)
{
	IntakeTable running;
	IntakeTable suspect;
	IntakeScan scan;
	int count = 0;

	intake_table_open(&running, intake_table_oid("running"));
	intake_table_open(&suspect, intake_table_oid("suspect"));
	scan_room(&scan, "running");
	while (intake_table_scan_next(&scan))
	{
		Datum *row = scan.slot->tts_values;
		Datum values[Natts_suspect];
		bool nulls[Natts_suspect] = {0};

		if (intake_slot_lease_held(DatumGetInt64(INTAKE_COLUMN(row, running_lease))))
			continue;
		if (!intake_table_delete(&running, &scan.slot->tts_tid))
		{
			left_any = true;
			continue;
		}
		INTAKE_COLUMN(values, suspect_job_id) = INTAKE_COLUMN(row, running_job_id);
		INTAKE_COLUMN(values, suspect_event_id) = INTAKE_COLUMN(row, running_event_id);
		INTAKE_COLUMN(nulls, suspect_lease) = true;
		INTAKE_COLUMN(nulls, suspect_started_at) = true;
		INTAKE_COLUMN(values, suspect_lane) = INTAKE_COLUMN(row, running_lane);
		INTAKE_COLUMN(values, suspect_attempts) = INTAKE_COLUMN(row, running_attempts);
		INTAKE_COLUMN(values, suspect_crashes) = Int32GetDatum(0);
		intake_table_insert(&suspect, values, nulls);
		count++;
	}
	intake_table_scan_end(&scan);
	intake_table_close(&suspect);
	intake_table_close(&running);
	return count;
}

/* Counts a crash against a job that ran alone. */
static void
blame(IntakeJob *job)
{
	IntakeFailure failure = {0};

	if (++job->crashes < MOST_CRASHES)
	{
		(void) rewrite(job, 0, false);
		return;
	}
	failure.sqlerrcode = ERRCODE_CRASH_SHUTDOWN;
	failure.error = psprintf("the server crashed %d times while the job ran alone", job->crashes);
	failure.permanent = true;
	failure.hurried = true;
	intake_failure_record(job, &failure);
}

static void
blame_crashed_jobs(void)
{
	IntakeScan scan;

	scan_room(&scan, "suspect");
	while (intake_table_scan_next(&scan))
	{
		IntakeJob job;

		read_job(&scan, &job);
		if (job.lease != 0 && !intake_slot_lease_held(job.lease))
			blame(&job);
	}
	intake_table_scan_end(&scan);
}

/*
 * Finds the jobs that have no holder any more: their lease is not one of a living executor. To be
 * called in a transaction with an active snapshot, by the supervisor. What somebody has locked is
 * left to the next call.
 */
void
intake_suspect_recover(void)
{
	int count;

	left_any = false;
	blame_crashed_jobs();
	count = suspect_lost_jobs();
	if (count > 0)
		ereport(LOG, (errmsg("pg_intake: %d jobs were left without a holder, by a crash or an "
							 "executor that could not give them back; each will run alone once",
							 count)));
}

/* Whether the last call left something that somebody had locked. */
bool
intake_suspect_left_any(void)
{
	return left_any;
}
