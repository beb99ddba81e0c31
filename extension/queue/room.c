/*
 * room.c
 *		The rooms of a job and the moves between them.
 *
 * A job is in exactly one table, and the table is its state. Each function here is to be
 * called inside a transaction with an active snapshot; a move is a delete and an insert in
 * that transaction, so a crash leaves the job in one room or in the other.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "ground/database.h"
#include "ground/intake.h"
#include "ground/partition.h"
#include "ground/shape.h"
#include "ground/table.h"
#include "queue/announce.h"
#include "queue/room.h"

PG_FUNCTION_INFO_V1(intake_sql_job_discard);

static void
insert_row(const char *table_name, const Datum *values, const bool *nulls)
{
	IntakeTable table;

	intake_table_open(&table, intake_table_oid(table_name));
	intake_table_insert(&table, values, nulls);
	intake_table_close(&table);
}

/*
 * Puts a job into its lane in QUEUE, the open table (the row is inserted when that is closed), and
 * tells the lane when the transaction commits, if executors of ROLE serve it.
 */
void
intake_room_put_back(IntakeTable *queue, const IntakeJob *job, Oid role)
{
	Datum values[Natts_queue];
	bool nulls[Natts_queue] = {0};

	INTAKE_COLUMN(values, queue_position) = Int64GetDatum(job->position);
	INTAKE_COLUMN(values, queue_job_id) = Int64GetDatum(job->job_id);
	INTAKE_COLUMN(values, queue_event_id) = Int64GetDatum(job->event_id);
	INTAKE_COLUMN(values, queue_lane) = Int32GetDatum(job->lane);
	INTAKE_COLUMN(values, queue_attempts) = Int32GetDatum(job->attempts);
	intake_table_add(queue, values, nulls, NULL);
	intake_announce_job(job->lane, role, job->position);
}

/* The same, at the end of the lane. JOB_ID 0 makes a new job, whose id is its position. Returns the
 * id. */
int64
intake_room_enqueue(IntakeTable *queue, int32 lane, Oid role, int64 job_id, int64 event_id,
					int32 attempts)
{
	IntakeJob job = {.job_id = job_id,
					 .event_id = event_id,
					 .workflow_id = intake_lane_workflow(lane),
					 .lane = lane,
					 .attempts = attempts,
					 .position = intake_table_next_id("job_id_seq")};

	if (job_id == 0)
		job.job_id = job.position;
	intake_room_put_back(queue, &job, role);
	return job.job_id;
}

/* Puts a job aside until RUN_AT. */
void
intake_room_delay(int32 lane, int64 job_id, int64 event_id, int32 attempts, TimestampTz run_at)
{
	Datum values[Natts_delayed];
	bool nulls[Natts_delayed] = {0};

	INTAKE_COLUMN(values, delayed_run_at) = TimestampTzGetDatum(run_at);
	INTAKE_COLUMN(values, delayed_job_id) = Int64GetDatum(job_id);
	INTAKE_COLUMN(values, delayed_event_id) = Int64GetDatum(event_id);
	INTAKE_COLUMN(values, delayed_lane) = Int32GetDatum(lane);
	INTAKE_COLUMN(values, delayed_attempts) = Int32GetDatum(attempts);
	insert_row("delayed", values, nulls);
	intake_announce_delay(run_at);
}

/*
 * Reads up to MOST ready jobs of the lane that was taken into JOBS, to be held under LEASE, and their
 * places in the queue into tid. Returns how many. Puts the lane back with the cursor behind them, so
 * that no other executor reads them. The caller claims them in this transaction, and keeps a snapshot
 * active until then, so that no other row can take their places.
 */
int
intake_room_read(const IntakeReading *reading, int64 lease, int most, IntakeJob *jobs)
{
	int64 cursor = reading->start;
	IntakeScan scan;
	ScanKeyData keys[2];
	int count = 0;

	PushActiveSnapshot(GetTransactionSnapshot());
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(reading->lane));
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(cursor));
	intake_table_scan_begin(&scan, intake_table_oid("queue"), "queue_pkey", keys, 2);
	while (count < most && intake_table_scan_next(&scan))
	{
		Datum *row = scan.slot->tts_values;
		IntakeJob *job = &jobs[count++];

		job->job_id = DatumGetInt64(INTAKE_COLUMN(row, queue_job_id));
		job->event_id = DatumGetInt64(INTAKE_COLUMN(row, queue_event_id));
		job->workflow_id = intake_lane_workflow(reading->lane);
		job->lane = reading->lane;
		job->attempts = DatumGetInt32(INTAKE_COLUMN(row, queue_attempts));
		job->suspect = false;
		job->lease = lease;
		job->tid = scan.slot->tts_tid;
		job->position = DatumGetInt64(INTAKE_COLUMN(row, queue_position));
		cursor = job->position + 1;
	}
	intake_table_scan_end(&scan);
	PopActiveSnapshot();
	intake_lane_put(cursor, count == most);
	return count;
}

/* Whether PARTITION, which may be none yet, has row ID. */
static bool
has(const IntakePartition *partition, int64 id)
{
	return id >= partition->low && id < partition->end;
}

/*
 * Raises an error if a table that these jobs will need cannot be used, before any of them is
 * charged with it. Costs nothing while tables and partitions are the same as the last time.
 */
static void
check_the_way(const IntakeJob *jobs, int count)
{
	static const char *const rooms[] = {"delayed",  "dead_letter", "attempt",
										"progress", "awaiting",    "signal"};
	static uint64 known = 0;
	static IntakePartition event;
	static IntakePartition done;

	if (known != intake_shape_changes())
	{
		event = done = (IntakePartition){InvalidOid};
		for (int i = 0; i < lengthof(rooms); i++)
			intake_table_check(intake_table_oid(rooms[i]), true);
	}
	for (int i = 0; i < count; i++)
	{
		if (!has(&done, jobs[i].job_id))
		{
			intake_partition_need(INTAKE_PARTITIONED_DONE, jobs[i].job_id, &done);
			intake_table_check(done.oid, true);
		}
		if (!has(&event, jobs[i].event_id) &&
			intake_partition_find(INTAKE_PARTITIONED_EVENT, jobs[i].event_id, AccessShareLock,
								  &event))
			intake_table_check(event.oid, false);
	}
	known = intake_shape_changes();
}

/* Adds a job to RUNNING, whose place there tid receives. */
static void
add_running(IntakeTable *running, IntakeJob *job)
{
	Datum values[Natts_running];
	bool nulls[Natts_running] = {0};

	INTAKE_COLUMN(values, running_job_id) = Int64GetDatum(job->job_id);
	INTAKE_COLUMN(values, running_event_id) = Int64GetDatum(job->event_id);
	INTAKE_COLUMN(values, running_lease) = Int64GetDatum(job->lease);
	INTAKE_COLUMN(values, running_claimed_at) =
		TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	INTAKE_COLUMN(values, running_lane) = Int32GetDatum(job->lane);
	INTAKE_COLUMN(values, running_attempts) = Int32GetDatum(job->attempts);
	intake_table_add(running, values, nulls, &job->tid);
}

/*
 * Moves COUNT jobs that were read from queue to running, and returns how many: the others go out of
 * JOBS. The caller starts none of them before the transaction has committed, and on an error tells
 * their lanes again. A job that somebody else is changing is left to the supervisor's next search.
 */
int
intake_room_claim(IntakeJob *jobs, int count)
{
	IntakeTable queue;
	IntakeTable running;
	int claimed = 0;

	check_the_way(jobs, count);
	intake_table_open(&queue, intake_table_oid("queue"));
	intake_table_open(&running, intake_table_oid("running"));
	for (int i = 0; i < count; i++)
		if (intake_table_delete(&queue, &jobs[i].tid))
		{
			jobs[claimed] = jobs[i];
			add_running(&running, &jobs[claimed++]);
		}
	if (!intake_table_flush(&running))
		ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION),
						errmsg("a job of the queue is in table \"running\" already")));
	intake_table_close(&running);
	intake_table_close(&queue);
	if (claimed < count)
		intake_database_look_soon();
	return claimed;
}

/* Whether what was read from running or suspect is the row of JOB, under its lease. */
static bool
is_held(const IntakeTable *table, const IntakeJob *job)
{
	Datum *row = table->slot->tts_values;
	bool *nulls = table->slot->tts_isnull;
	int64 lease =
		INTAKE_COLUMN(nulls, running_lease) ? 0 : DatumGetInt64(INTAKE_COLUMN(row, running_lease));

	StaticAssertStmt((int) Anum_running_job_id == (int) Anum_suspect_job_id &&
						 (int) Anum_running_lease == (int) Anum_suspect_lease,
					 "running and suspect begin alike");
	return DatumGetInt64(INTAKE_COLUMN(row, running_job_id)) == job->job_id && lease == job->lease;
}

/*
 * Deletes the row of a job from the open TABLE, its room. If another transaction has locked the
 * row, waits for its end if WAIT.
 *
 * The place of the row was read by a transaction that has ended, so it is a hint, which a rewrite
 * of the table (VACUUM FULL, CLUSTER) makes useless. What stands there must be the job's row, with
 * its lease; if it is not, the row is looked up by its key.
 */
IntakeLeave
intake_room_take(IntakeTable *table, const IntakeJob *job, bool wait)
{
	ItemPointerData tid = job->tid;

	if (intake_table_look(table, &tid) && is_held(table, job) && intake_table_remove(table, wait))
		return INTAKE_LEFT;
	while (intake_table_look_up(table, job->job_id) && is_held(table, job))
	{
		if (intake_table_remove(table, wait))
			return INTAKE_LEFT;
		if (!wait)
			return INTAKE_BUSY;
		CHECK_FOR_INTERRUPTS();
	}
	return INTAKE_LOST;
}

/* Takes a job out of the room where its holder has it. */
IntakeLeave
intake_room_leave(const IntakeJob *job, bool wait)
{
	IntakeTable table;
	IntakeLeave left;

	intake_table_open(&table, intake_table_oid(job->suspect ? "suspect" : "running"));
	left = intake_room_take(&table, job, wait);
	intake_table_close(&table);
	return left;
}

/* The same. Raises an error when the holder has lost the job: what the handler did must not commit. */
void
intake_room_leave_surely(const IntakeJob *job)
{
	if (intake_room_leave(job, true) != INTAKE_LEFT)
		ereport(ERROR, (errcode(ERRCODE_INTAKE_STALE_LEASE),
						errmsg("the lease of job " INT64_FORMAT " is lost", job->job_id)));
}

/* Inserts a job that has left its room into done. */
static void
finish(const IntakeJob *job, const Jsonb *result)
{
	IntakePartition partition;
	IntakeTable done;
	Datum values[Natts_done];
	bool nulls[Natts_done] = {0};

	INTAKE_COLUMN(values, done_job_id) = Int64GetDatum(job->job_id);
	INTAKE_COLUMN(values, done_event_id) = Int64GetDatum(job->event_id);
	INTAKE_COLUMN(values, done_finished_at) = TimestampTzGetDatum(GetCurrentTimestamp());
	INTAKE_COLUMN(values, done_workflow_id) = Int32GetDatum(job->workflow_id);
	INTAKE_COLUMN(values, done_attempts) = Int32GetDatum(job->attempts + 1);
	INTAKE_COLUMN(values, done_result) = JsonbPGetDatum(result);
	INTAKE_COLUMN(nulls, done_result) = result == NULL;
	intake_partition_need(INTAKE_PARTITIONED_DONE, job->job_id, &partition);
	intake_table_open(&done, partition.oid);
	intake_table_insert(&done, values, nulls);
	intake_table_close(&done);
}

/* Moves a job to done, with what its handler has returned, or NULL. */
void
intake_room_complete(const IntakeJob *job, const Jsonb *result)
{
	intake_room_leave_surely(job);
	finish(job, result);
}

/* Keeps the record of an attempt, which has just ended. */
void
intake_room_attempt(const IntakeAttempt *attempt)
{
	const char *step = attempt->step;
	Interval duration = {.time = attempt->duration};
	Datum values[Natts_attempt];
	bool nulls[Natts_attempt] = {0};

	INTAKE_COLUMN(values, attempt_job_id) = Int64GetDatum(attempt->job_id);
	INTAKE_COLUMN(values, attempt_started_at) = TimestampTzGetDatum(attempt->started_at);
	INTAKE_COLUMN(nulls, attempt_started_at) = attempt->started_at == 0;
	INTAKE_COLUMN(values, attempt_finished_at) = TimestampTzGetDatum(GetCurrentTimestamp());
	INTAKE_COLUMN(values, attempt_workflow_id) = Int32GetDatum(attempt->workflow_id);
	INTAKE_COLUMN(values, attempt_attempt) = Int32GetDatum(attempt->attempt);
	INTAKE_COLUMN(values, attempt_sqlstate) = CStringGetTextDatum(attempt->sqlstate);
	INTAKE_COLUMN(values, attempt_error) = CStringGetTextDatum(attempt->error);
	INTAKE_COLUMN(values, attempt_step) = step ? CStringGetTextDatum(step) : (Datum) 0;
	INTAKE_COLUMN(nulls, attempt_step) = step == NULL;
	INTAKE_COLUMN(values, attempt_call_id) = Int64GetDatum(attempt->call_id);
	INTAKE_COLUMN(nulls, attempt_call_id) = attempt->call_id == 0;
	INTAKE_COLUMN(values, attempt_status) = Int32GetDatum(attempt->status);
	INTAKE_COLUMN(nulls, attempt_status) = attempt->status == 0;
	INTAKE_COLUMN(values, attempt_duration) = IntervalPGetDatum(&duration);
	INTAKE_COLUMN(nulls, attempt_duration) = attempt->duration == 0;
	insert_row("attempt", values, nulls);
}

/*
 * Inserts a job that has left its room into dead_letter; this attempt was its last. The name of its
 * WORKFLOW is kept with it (NULL: the workflow is gone), so that an index finds the newest of a name.
 * STEP is NULL where it has not come beyond its first.
 */
void
intake_room_bury(const IntakeJob *job, const char *workflow, const char *step, const char *sqlstate,
				 const char *error)
{
	Datum values[Natts_dead_letter];
	bool nulls[Natts_dead_letter] = {0};

	INTAKE_COLUMN(values, dead_letter_job_id) = Int64GetDatum(job->job_id);
	INTAKE_COLUMN(values, dead_letter_event_id) = Int64GetDatum(job->event_id);
	INTAKE_COLUMN(values, dead_letter_died_at) = TimestampTzGetDatum(GetCurrentTimestamp());
	INTAKE_COLUMN(values, dead_letter_workflow_id) = Int32GetDatum(job->workflow_id);
	INTAKE_COLUMN(values, dead_letter_attempts) = Int32GetDatum(job->attempts + 1);
	INTAKE_COLUMN(values, dead_letter_sqlstate) = CStringGetTextDatum(sqlstate);
	INTAKE_COLUMN(values, dead_letter_error) = CStringGetTextDatum(error);
	INTAKE_COLUMN(nulls, dead_letter_workflow) = workflow == NULL;
	if (workflow != NULL)
		INTAKE_COLUMN(values, dead_letter_workflow) = CStringGetTextDatum(workflow);
	INTAKE_COLUMN(nulls, dead_letter_step) = step == NULL;
	if (step != NULL)
		INTAKE_COLUMN(values, dead_letter_step) = CStringGetTextDatum(step);
	insert_row("dead_letter", values, nulls);
}

/* ---- moves that SQL functions ask for (sql/60_repair.sql) ---- */

/* SQL: puts a job that the caller took out of its room into discarded, with a reason. */
Datum
intake_sql_job_discard(PG_FUNCTION_ARGS)
{
	Datum values[Natts_discarded];
	bool nulls[Natts_discarded] = {0};

	INTAKE_COLUMN(values, discarded_job_id) = PG_GETARG_DATUM(0);
	INTAKE_COLUMN(values, discarded_event_id) = PG_GETARG_DATUM(1);
	INTAKE_COLUMN(values, discarded_discarded_at) = TimestampTzGetDatum(GetCurrentTimestamp());
	INTAKE_COLUMN(values, discarded_workflow_id) = PG_GETARG_DATUM(2);
	INTAKE_COLUMN(values, discarded_attempts) = PG_GETARG_DATUM(3);
	INTAKE_COLUMN(values, discarded_reason) = PointerGetDatum(PG_GETARG_TEXT_PP(4));
	insert_row("discarded", values, nulls);
	PG_RETURN_VOID();
}
