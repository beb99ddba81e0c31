/*
 * holder.c
 *		Jobs in the hands of a process.
 *
 * A batch of them is claimed durably, under the lease of the process, and then started one by one.
 * What the process holds when it ends, it gives back on its way out: jobs that did not start go
 * back to their lane; the one that was running is charged an attempt, unless the process was asked
 * to stop. After a crash nobody gives anything back, and the supervisor finds the rows in running
 * (suspect.c).
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "storage/pmsignal.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "ground/bgworker.h"
#include "ground/database.h"
#include "ground/slot.h"
#include "ground/table.h"
#include "ground/txn.h"
#include "jobs/death.h"
#include "jobs/failure.h"
#include "jobs/holder.h"
#include "jobs/suspect.h"

/* ---- giving back ---- */

/*
 * Puts a job back to where it was in its lane. If another session has locked its row, waits for that
 * if WAIT. Returns false when it had to be left where it is.
 */
static bool
requeue(const IntakeJob *job, bool wait)
{
	IntakeTable queue;
	IntakeLeave left =
		job->suspect ? intake_suspect_unmark(job, wait) : intake_room_leave(job, wait);

	if (left != INTAKE_LEFT)
		intake_failure_lost(job, left, NULL);
	if (left != INTAKE_LEFT || job->suspect)
		return left != INTAKE_BUSY;
	intake_table_open(&queue, intake_table_oid("queue"));
	intake_room_put_back(&queue, job, intake_slot_self->role);
	intake_table_close(&queue);
	return true;
}

/*
 * Locks the tables that are needed to give jobs back. Returns false if another session has locked
 * one: a process that is ending cannot be cancelled, and so must not wait.
 */
static bool
lock_rooms(void)
{
	static const char *const rooms[] = {"running", "suspect",     "queue",     "delayed",
										"attempt", "dead_letter", "event_key", "progress"};

	for (int i = 0; i < lengthof(rooms); i++)
		if (!ConditionalLockRelationOid(intake_table_oid(rooms[i]), RowExclusiveLock))
			return false;
	/* It is read to decide what becomes of a job that is charged. */
	return ConditionalLockRelationOid(intake_table_oid("workflow"), AccessShareLock);
}

/*
 * Charges a job for the end of its process, in a transaction of its own, after the others were
 * given back. An error here cuts the exit short and leaves the job in running, where the supervisor
 * finds it; so does a lock, and then it returns false.
 */
static bool
charge(const IntakeJob *job)
{
	IntakeFailure failure = {0};
	bool locked;

	failure.sqlerrcode = ERRCODE_ADMIN_SHUTDOWN;
	failure.error = "the executor was terminated while the job ran";
	failure.hurried = true;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	locked = lock_rooms();
	if (locked)
		intake_failure_record(job, &failure);
	PopActiveSnapshot();
	CommitTransactionCommand();
	intake_death_notify();
	return locked;
}

/*
 * Gives back what is not committed, in a transaction. If CHARGED, the job that was running is the
 * CULPRIT instead. Returns false where something had to be left.
 */
static bool
requeue_all(IntakeHolder *holder, bool charged, const IntakeJob **culprit)
{
	bool all = true;

	if (!lock_rooms())
	{
		ereport(LOG, (errmsg("pg_intake: %d jobs could not be given back: a table is locked",
							 holder->count - holder->uncommitted)));
		return false;
	}
	for (int i = holder->uncommitted; i < holder->count; i++)
	{
		if (charged && holder->running && i == holder->next - 1)
			*culprit = &holder->jobs[i];
		else
			all &= requeue(&holder->jobs[i], false);
	}
	return all;
}

/*
 * Exit callback: gives back what this process holds. What it cannot give back, the supervisor
 * finds: rows whose lease nobody holds.
 */
static void
give_back(int code, Datum arg)
{
	IntakeHolder *holder = (IntakeHolder *) DatumGetPointer(arg);
	bool charged = !intake_slot_self->stop && !intake_bgworker_server_stopping();
	const IntakeJob *culprit = NULL;
	bool all;

	/* The end of the postmaster is a crash: nobody is to blame, and the next server recovers. */
	if (!PostmasterIsAlive())
		return;
	AbortOutOfAnyTransaction();
	/* Whoever is woken by this finds the rows free: they have not been claimed. */
	for (int i = 0; i < holder->n_readings; i++)
		intake_lane_tell(holder->readings[i].lane, intake_slot_self->role,
						 holder->readings[i].start);
	if (holder->uncommitted >= holder->count)
		return;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	all = requeue_all(holder, charged, &culprit);
	holder->uncommitted = holder->count;
	PopActiveSnapshot();
	CommitTransactionCommand();
	if (culprit != NULL)
		all &= charge(culprit);
	if (all)
		intake_slot_self->holding = 0;
}

/*
 * Exit callback, behind that: rows that may be left are looked for, and so are suspects, whose turn
 * this process may have waited for.
 */
static void
report(int code, Datum arg)
{
	if (!PostmasterIsAlive())
		return;
	if (intake_slot_self->holding > 0)
		intake_database_call(INTAKE_CALL_RECOVER);
	if (intake_database_has_suspects())
		intake_database_call(INTAKE_CALL_SEARCH);
}

/*
 * Gives back what this process holds and has not started, since others wait for it. An error here
 * ends the process, which then gives it back on its way out.
 */
void
intake_holder_give_back(IntakeHolder *holder)
{
	if (!intake_txn_begin(INTAKE_GATE_JOB))
		proc_exit(0);
	PushActiveSnapshot(GetTransactionSnapshot());
	for (int i = holder->next; i < holder->count; i++)
		requeue(&holder->jobs[i], true);
	PopActiveSnapshot();
	CommitTransactionCommand();
	holder->count = holder->next;
	intake_slot_self->holding = 0;
}

/* ---- claiming ---- */

/*
 * Takes a lease for this process, which has a slot, and promises to give back what it will hold.
 * To be called once, in a transaction.
 */
void
intake_holder_open(IntakeHolder *holder)
{
	memset(holder, 0, sizeof(*holder));
	holder->lease = intake_table_next_id("lease_seq");
	intake_slot_self->lease = holder->lease;
	holder->memory =
		AllocSetContextCreate(TopMemoryContext, "pg_intake holder", ALLOCSET_DEFAULT_SIZES);
	before_shmem_exit(report, (Datum) 0);
	before_shmem_exit(give_back, PointerGetDatum(holder));
}

/* Begins a claim, in a transaction; nothing is held. */
void
intake_holder_claim_begin(IntakeHolder *holder)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	holder->next = holder->uncommitted = holder->count = 0;
}

/*
 * Adds up to MOST jobs of the lane that was taken to the claim, and returns how many were found. So
 * many TOGETHER may share a transaction.
 */
int
intake_holder_claim(IntakeHolder *holder, const IntakeReading *reading, int most, int together)
{
	IntakeJob *jobs = holder->jobs + holder->found;
	int found;

	holder->readings[holder->n_readings++] = *reading;
	found = intake_room_read(reading, holder->lease, Min(most, INTAKE_HOLDER_MOST - holder->found),
							 jobs);
	for (int i = 0; i < found; i++)
	{
		jobs[i].again = reading->again;
		jobs[i].turn = jobs[i - i % together].position;
	}
	holder->found += found;
	return found;
}

/* Whether the claim has no room for another lane. */
bool
intake_holder_is_full(const IntakeHolder *holder)
{
	return holder->n_readings == INTAKE_HOLDER_LANES || holder->found == INTAKE_HOLDER_MOST;
}

/*
 * Jobs of lanes that have become ready come before those of lanes that have more, and then each in
 * its turn: those of a lane in their order, and among lanes as the jobs came.
 */
static int
compare_turns(const void *a, const void *b)
{
	const IntakeJob *left = a;
	const IntakeJob *right = b;

	if (left->again != right->again)
		return left->again ? 1 : -1;
	if (left->turn != right->turn)
		return left->turn < right->turn ? -1 : 1;
	return left->position < right->position ? -1 : left->position > right->position;
}

/* Makes a claim of COUNT jobs durable. They are held only when it is. */
static void
commit_claim(IntakeHolder *holder, int count)
{
	intake_slot_self->holding = count;
	if (count > 0)
		ForceSyncCommit();
	CommitTransactionCommand();
	holder->next = holder->uncommitted = 0;
	holder->count = count;
}

/*
 * Ends a claim, and commits the transaction that it was made in. Jobs that came one behind the other
 * run so, whatever their lanes: their events and their rows are neighbours, in tables and indexes, and
 * it would cost as much again to go from one end of these to the other for each.
 */
void
intake_holder_claim_end(IntakeHolder *holder)
{
	int count = 0;

	if (holder->n_readings > 1)
		qsort(holder->jobs, holder->found, sizeof(IntakeJob), compare_turns);
	if (holder->found > 0)
		count = intake_room_claim(holder->jobs, holder->found);
	PopActiveSnapshot();
	commit_claim(holder, count);
	holder->n_readings = holder->found = 0;
}

/* Likewise takes a suspect of a workflow. The caller has kept all other jobs away. */
int
intake_holder_claim_suspect(IntakeHolder *holder, int32 workflow_id)
{
	int count;

	PushActiveSnapshot(GetTransactionSnapshot());
	count = intake_suspect_take(workflow_id, holder->lease, &holder->jobs[0]) ? 1 : 0;
	PopActiveSnapshot();
	commit_claim(holder, count);
	return count;
}

/* ---- running ---- */

/* Whether jobs of other workflows are left than that of the last one that was started. */
bool
intake_holder_has_others(const IntakeHolder *holder)
{
	for (int i = holder->next; i < holder->count; i++)
		if (holder->jobs[i].workflow_id != holder->jobs[holder->next - 1].workflow_id)
			return true;
	return false;
}

/* The next job is about to run. */
const IntakeJob *
intake_holder_start(IntakeHolder *holder)
{
	IntakeJob *job = &holder->jobs[holder->next++];

	job->more = holder->next < holder->count && job[1].event_id == job->event_id;
	intake_slot_self->job_id = job->job_id;
	holder->running = true;
	return job;
}

/* It has ended, in a transaction that others may share. */
void
intake_holder_ended(IntakeHolder *holder)
{
	holder->running = false;
}

/* What was started is committed. */
void
intake_holder_committed(IntakeHolder *holder)
{
	holder->running = false;
	intake_slot_self->jobs += holder->next - holder->uncommitted;
	holder->uncommitted = holder->next;
	intake_slot_self->holding = holder->count - holder->uncommitted;
	intake_slot_self->job_id = 0;
}

/* Nothing of what was started is committed: it starts again. */
void
intake_holder_aborted(IntakeHolder *holder)
{
	holder->running = false;
	holder->next = holder->uncommitted;
}
