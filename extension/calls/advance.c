/*
 * advance.c
 *		Jobs whose calls have all ended go on.
 *
 * Whoever writes an answer looks whether it was the last one of its job. Two that write the last two
 * answers at a time see nothing of each other, so a job of several calls is counted under a lock on its
 * row in calling. He who finds that lock taken does not wait, for he may hold others; he leaves the job
 * to the supervisor, and tells it behind his commit. It tries again as long as the row is locked: the
 * other one may have counted without seeing the last answer.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "calls/advance.h"
#include "calls/desk.h"
#include "calls/left.h"
#include "config/workflows.h"
#include "ground/bgworker.h"
#include "ground/database.h"
#include "ground/intake.h"
#include "queue/lane.h"
#include "queue/room.h"

#define TRY_AGAIN 100 /* milliseconds */
#define MOST_EXPIRED 1000

/* What was done about a job. */
typedef enum Step
{
	STEP_NONE, /* it waits for calls, or is not there */
	STEP_MADE,
	STEP_BUSY /* somebody has its row locked */
} Step;

/* ---- a job ---- */

/* How many calls of a job have ended, from FIRST on, as far as this transaction can see; MOST at most. */
static int
count_ended(int64 job_id, int64 first, int most)
{
	IntakeScan scan;
	ScanKeyData keys[2];
	int count = 0;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(job_id));
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(first));
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	intake_table_scan_begin(&scan, intake_table_oid("call_response"), NULL, keys, 2);
	while (count < most && intake_table_scan_next(&scan))
		count++;
	intake_table_scan_end(&scan);
	PopActiveSnapshot();
	return count;
}

/* Puts a job, whose row in calling was taken out, into its lane. */
static void
enqueue(IntakeDesk *desk, const Datum *row)
{
	int32 lane = DatumGetInt32(INTAKE_COLUMN(row, calling_lane));
	Oid role = intake_workflow_role(intake_workflows_get(intake_lane_workflow(lane)));

	(void) intake_room_enqueue(intake_desk_table(desk, INTAKE_DESK_JOBS), lane, role,
							   DatumGetInt64(INTAKE_COLUMN(row, calling_job_id)),
							   DatumGetInt64(INTAKE_COLUMN(row, calling_event_id)), 0);
}

/*
 * Lets the job whose row in calling was looked at go on, if all its calls have ended, or if it need not
 * wait for them. ENDED is its newest call that has ended, or 0: that of a job that was cancelled, and
 * replayed since, may be none that it waits for.
 */
static Step
advance_found(IntakeDesk *desk, int64 ended, bool anyhow)
{
	IntakeTable *calling = intake_desk_table(desk, INTAKE_DESK_CALLING);
	Datum *row = calling->slot->tts_values;
	int calls = DatumGetInt32(INTAKE_COLUMN(row, calling_calls));
	int64 first = DatumGetInt64(INTAKE_COLUMN(row, calling_first_call));
	bool locked = false;

	if (!anyhow && (calls > 1 || ended != first))
	{
		int64 job_id = DatumGetInt64(INTAKE_COLUMN(row, calling_job_id));

		locked = intake_table_hold(calling, false);
		if (!locked)
			return STEP_BUSY;
		if (count_ended(job_id, first, calls) < calls)
			return STEP_NONE;
	}
	/* To the server, a row that we have locked ourselves is one to wait for. */
	if (!intake_table_remove(calling, locked))
		return STEP_BUSY;
	enqueue(desk, calling->slot->tts_values);
	return STEP_MADE;
}

static Step
advance(IntakeDesk *desk, int64 job_id)
{
	if (!intake_table_look_up(intake_desk_table(desk, INTAKE_DESK_CALLING), job_id))
		return STEP_NONE;
	return advance_found(desk, 0, false);
}

/*
 * Lets the job whose row in calling a scan has come to go on, whatever it waits for. Where the row has
 * changed since, the job may wait for other calls by now, and nothing is done.
 */
static Step
advance_scanned(IntakeDesk *desk, IntakeScan *scan)
{
	if (!intake_table_look(intake_desk_table(desk, INTAKE_DESK_CALLING), &scan->slot->tts_tid))
		return STEP_NONE;
	return advance_found(desk, 0, true);
}

/* By job, its newest call first. */
static int
compare(const void *a, const void *b)
{
	const IntakeCallOfJob *l = a;
	const IntakeCallOfJob *r = b;

	if (l->job_id != r->job_id)
		return l->job_id < r->job_id ? -1 : 1;
	return l->call_id > r->call_id ? -1 : l->call_id < r->call_id;
}

/*
 * Lets the jobs of COUNT calls that have ended go on, if all have. There is one at least, and each job is
 * there once.
 */
static void
advance_each(IntakeDesk *desk, const IntakeCallOfJob *ended, int count)
{
	IntakeTable *calling = intake_desk_table(desk, INTAKE_DESK_CALLING);
	IntakeScan scan;
	ScanKeyData key;

	PushActiveSnapshot(GetLatestSnapshot());
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(ended[0].job_id));
	intake_table_scan_begin(&scan, intake_table_oid("calling"), NULL, &key, 1);
	for (int i = 0; i < count; i++)
	{
		key.sk_argument = Int64GetDatum(ended[i].job_id);
		if (i > 0)
			intake_table_scan_again(&scan, &key, 1);
		/* What has changed since the snapshot was taken is there no more. */
		if (intake_table_scan_next(&scan) && intake_table_look(calling, &scan.slot->tts_tid) &&
			advance_found(desk, ended[i].call_id, false) == STEP_BUSY)
			intake_left_leave(ended[i].job_id);
	}
	intake_table_scan_end(&scan);
	PopActiveSnapshot();
}

/* Lets those of the jobs of a desk go on whose calls have ended. */
static void
advance_jobs(IntakeDesk *desk)
{
	int count = 0;

	if (desk->n_ended == 0)
		return;
	if (!intake_table_flush(intake_desk_table(desk, INTAKE_DESK_RESPONSE)))
		ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION), errmsg("a call has ended twice")));
	qsort(desk->ended, desk->n_ended, sizeof(IntakeCallOfJob), compare);
	for (int i = 0; i < desk->n_ended; i++)
		if (count == 0 || desk->ended[i].job_id != desk->ended[count - 1].job_id)
			desk->ended[count++] = desk->ended[i];
	advance_each(desk, desk->ended, count);
	desk->n_ended = 0;
}

/*
 * Closes a desk, and lets those of its jobs go on whose calls have ended. The workflows are fresh. Raises
 * an error where a call has ended twice.
 */
void
intake_advance_close(IntakeDesk *desk)
{
	advance_jobs(desk);
	intake_desk_close(desk);
}

/* ---- for the supervisor ---- */

/* Looks at all jobs that wait for calls. */
void
intake_advance_search(void)
{
	IntakeDesk desk;
	IntakeScan scan;
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(0));
	intake_desk_open(&desk);
	intake_table_scan_begin(&scan, intake_table_oid("calling"), NULL, &key, 1);
	while (intake_table_scan_next(&scan))
	{
		Datum *row = scan.slot->tts_values;
		int64 job_id = DatumGetInt64(INTAKE_COLUMN(row, calling_job_id));
		int calls = DatumGetInt32(INTAKE_COLUMN(row, calling_calls));

		if (count_ended(job_id, DatumGetInt64(INTAKE_COLUMN(row, calling_first_call)), calls) ==
				calls &&
			advance_scanned(&desk, &scan) == STEP_BUSY)
			intake_left_put(job_id);
	}
	intake_table_scan_end(&scan);
	intake_advance_close(&desk);
}

/* Looks at the jobs of this database that were left. */
static void
advance_left(void)
{
	IntakeDesk desk;
	List *busy = NIL;
	ListCell *cell;
	int64 job_id;

	intake_desk_open(&desk);
	while ((job_id = intake_left_take()) != 0)
		if (advance(&desk, job_id) == STEP_BUSY)
		{
			int64 *copy = palloc(sizeof(int64));

			*copy = job_id;
			busy = lappend(busy, copy);
		}
	intake_advance_close(&desk);
	foreach (cell, busy)
		intake_left_put(*(int64 *) lfirst(cell));
}

/* The same, and at all, if there was no room. To be called in a transaction with an active snapshot. */
void
intake_advance_do(void)
{
	static bool unfinished = false;
	bool all = intake_left_overflowed() || unfinished;

	if (!all && !intake_left_any())
		return;
	unfinished = true;
	intake_workflows_refresh();
	if (all)
		intake_advance_search();
	advance_left();
	unfinished = false;
}

/* ---- jobs that are too old to wait ---- */

/* Takes the calls of a job that wait out of the queue. Those that are made are only recorded. */
static void
end_calls(IntakeDesk *desk, int64 job_id)
{
	IntakeTable *queue = intake_desk_table(desk, INTAKE_DESK_QUEUE);
	IntakeScan scan;
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(job_id));
	intake_table_scan_begin(&scan, intake_table_oid("call_queue"), "call_queue_job", &key, 1);
	while (intake_table_scan_next(&scan))
	{
		IntakeCall call;
		IntakeCallEnd end = {.error = "the job has expired", .duration = -1};

		intake_desk_read_queue(&scan, &call);
		if (intake_table_delete(queue, &scan.slot->tts_tid))
			intake_desk_end(desk, &call, &end);
	}
	intake_table_scan_end(&scan);
}

/*
 * Lets up to MOST_EXPIRED jobs go on that are too old to wait for their calls, for an executor to bury
 * them, and notes when the next one is. To be called in a transaction with an active snapshot.
 */
void
intake_advance_expire(void)
{
	IntakeDesk desk;
	IntakeScan scan;
	ScanKeyData key;
	int moved = 0;
	bool more = true;

	intake_workflows_refresh();
	ScanKeyInit(&key, 1, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE,
				TimestampTzGetDatum(DT_NOBEGIN));
	intake_desk_open(&desk);
	intake_table_scan_begin(&scan, intake_table_oid("calling"), "calling_until", &key, 1);
	while (more && intake_table_scan_next(&scan))
	{
		Datum *row = scan.slot->tts_values;
		int64 job_id = DatumGetInt64(INTAKE_COLUMN(row, calling_job_id));
		TimestampTz until = DatumGetTimestampTz(INTAKE_COLUMN(row, calling_until));

		more = until <= desk.now && moved < MOST_EXPIRED;
		if (!more)
			(void) intake_database_note_due(until);
		else if (advance_scanned(&desk, &scan) == STEP_MADE)
		{
			end_calls(&desk, job_id);
			moved++;
		}
		else
			intake_database_look_soon();
	}
	intake_table_scan_end(&scan);
	intake_advance_close(&desk);
}

/* Milliseconds until jobs that were left are to be looked at by itself. */
long
intake_advance_due(void)
{
	return intake_left_any() ? TRY_AGAIN : INTAKE_NO_WAIT;
}
