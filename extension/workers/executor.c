/*
 * executor.c
 *		A process that claims and runs the jobs of one role's workflows in one database.
 *
 * It is connected as that role. A round claims a batch from each lane that has work, commits
 * the claim durably, and then runs each job of the batch in a transaction of its own, or
 * several in one where their workflow says so. A job's transaction may commit without waiting
 * for the disk: after a crash its effects and its completion are either both there or both not.
 *
 * What the process holds when it ends, it gives back on its way out: jobs that did not start
 * go back to their lane; the one that was running is charged an attempt, unless the process
 * was asked to stop. After a crash nobody gives anything back, and the supervisor finds the
 * rows in running (see supervisor.c).
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/pmsignal.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "config/registry.h"
#include "ground/bgworker.h"
#include "ground/clock.h"
#include "ground/intake.h"
#include "ground/owner.h"
#include "ground/settings.h"
#include "ground/shmem.h"
#include "ground/slot.h"
#include "ground/table.h"
#include "ground/txn.h"
#include "jobs/alone.h"
#include "jobs/attempt.h"
#include "jobs/failure.h"
#include "jobs/handler.h"
#include "jobs/session.h"
#include "jobs/suspect.h"
#include "queue/lane.h"
#include "queue/room.h"
#include "workers/make_way.h"

#define MOST_JOBS 256          /* in a batch */
#define BATCH_TIME 50000       /* microseconds of work that a batch should be */
#define TOGETHER_TIME 10000    /* microseconds, after which jobs that share a transaction commit */
#define LIFETIME_JOBS 10000000 /* after which the process makes room for a new one */

/* A lane that this process serves. */
typedef struct Served
{
	IntakeLane *lane;
	int32 workflow_id;
	int64 job_time; /* microseconds, a moving average; 0: not known */
} Served;

/* The batch in the hands of this process. */
static struct
{
	IntakeJob jobs[MOST_JOBS];
	int count;
	int next;             /* the first one not started */
	int uncommitted;      /* the first one whose end is not committed */
	bool running;         /* the one before next is running */
	IntakeLane *claiming; /* a claim is in progress on that lane */
} batch;

static Served *served = NULL;
static int n_served = 0;
static uint64 listed = 0;   /* the version of the workflows that they were listed from */
static bool halted = false; /* jobs cannot run now; they wait */
static MemoryContext round_context;

/* ---- giving back ---- */

static void
requeue(const IntakeJob *job)
{
	IntakeTable queue;
	IntakeLeave left = job->suspect ? intake_suspect_unmark(job) : intake_room_leave(job, false);

	if (left != INTAKE_LEFT)
		intake_failure_lost(job, left, NULL);
	if (left != INTAKE_LEFT || job->suspect)
		return;
	intake_table_open(&queue, intake_table_oid("queue"));
	intake_room_enqueue(&queue, job->workflow_id, job->job_id, job->event_id, job->attempts);
	intake_table_close(&queue);
}

/*
 * Locks the tables that giving back writes to, or reads. Returns false where somebody else has locked one:
 * a process that ends cannot be cancelled, and so must not wait.
 */
static bool
lock_rooms(void)
{
	static const char *const rooms[] = {"running", "suspect",     "queue",    "delayed",
										"attempt", "dead_letter", "event_key"};

	for (int i = 0; i < lengthof(rooms); i++)
		if (!ConditionalLockRelationOid(intake_table_oid(rooms[i]), RowExclusiveLock))
			return false;
	/* Read, for what becomes of a job that is charged. */
	return ConditionalLockRelationOid(intake_table_oid("workflow"), AccessShareLock);
}

/*
 * Charges a job for the end of its executor; after the others, and apart. An error here ends the
 * exit, and leaves the job in running, where the supervisor finds it.
 */
static void
charge(const IntakeJob *job)
{
	IntakeFailure failure = {0};

	failure.sqlerrcode = ERRCODE_ADMIN_SHUTDOWN;
	failure.error = "the executor was terminated while the job ran";
	failure.hurried = true;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (lock_rooms())
		intake_failure_record(job, &failure);
	PopActiveSnapshot();
	CommitTransactionCommand();
	intake_failure_notify();
}

/*
 * Exit callback: gives back what this process holds. What it cannot give back, the supervisor
 * finds: rows whose lease nobody holds.
 */
static void
give_back(int code, Datum arg)
{
	bool charged = !intake_slot_self->stop && !intake_bgworker_server_stopping();
	IntakeJob *culprit = NULL;

	if (batch.claiming != NULL)
		intake_lane_rewind(batch.claiming, 0);
	/* The end of the postmaster is a crash: nobody is to blame, and the next server recovers. */
	if (batch.uncommitted >= batch.count || !PostmasterIsAlive())
		return;
	AbortOutOfAnyTransaction();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (!lock_rooms())
	{
		ereport(LOG, (errmsg("pg_intake: %d jobs could not be given back: a table is locked",
							 batch.count - batch.uncommitted)));
		batch.uncommitted = batch.count;
	}
	while (batch.uncommitted < batch.count)
	{
		int i = batch.uncommitted++;

		if (charged && batch.running && i == batch.next - 1)
			culprit = &batch.jobs[i];
		else
			requeue(&batch.jobs[i]);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	if (culprit != NULL)
		charge(culprit);
}

/* ---- the lanes ---- */

static void
serve(const IntakeWorkflow *workflow)
{
	Served *entry = &served[n_served++];

	entry->workflow_id = workflow->id;
	entry->lane = intake_lane_find(workflow->id, workflow->served_by, workflow->owner);
	entry->job_time = 0;
}

/* Makes the list of served lanes anew when the workflows changed. In a transaction. */
static void
refresh_lanes(void)
{
	List *workflows;
	ListCell *cell;

	intake_registry_refresh_workflows();
	if (listed == intake_registry_version())
		return;
	listed = intake_registry_version();
	workflows = intake_registry_workflows();
	intake_handler_forget();
	if (served != NULL)
		pfree(served);
	served = MemoryContextAlloc(TopMemoryContext, (list_length(workflows) + 1) * sizeof(Served));
	n_served = 0;
	foreach (cell, workflows)
	{
		IntakeWorkflow *workflow = lfirst(cell);

		if (workflow->active && workflow->served_by == intake_slot_self->kind &&
			workflow->owner == GetSessionUserId())
			serve(workflow);
	}
}

static bool
any_ready(void)
{
	for (int i = 0; i < n_served && !halted; i++)
		if (intake_lane_ready(served[i].lane))
			return true;
	return false;
}

/* How many jobs of a lane make a batch: about BATCH_TIME of work. */
static int
batch_size(const Served *entry)
{
	int64 size = entry->job_time > 0 ? BATCH_TIME / entry->job_time : 8;

	return Max(1, Min(size, MOST_JOBS));
}

/* Empties the batch. */
static void
clear_batch(void)
{
	batch.next = batch.uncommitted = batch.count = 0;
}

/* Whether the workflows have changed since the lanes were listed: a round may take long. */
static bool
is_list_old(void)
{
	intake_registry_refresh_workflows();
	return listed != intake_registry_version();
}

/* Claims a batch from a lane, durably. Returns whether there is one. */
static bool
claim(const Served *entry)
{
	int count;

	clear_batch();
	if (!intake_txn_begin(INTAKE_GATE_JOB))
		proc_exit(0);
	if (is_list_old())
	{
		CommitTransactionCommand();
		return false;
	}
	batch.claiming = entry->lane;
	count = intake_room_claim(entry->lane, entry->workflow_id, intake_slot_self->lease,
							  batch_size(entry), batch.jobs);
	if (count > 0)
		ForceSyncCommit();
	CommitTransactionCommand();
	batch.count = count;
	batch.claiming = NULL;
	return batch.count > 0;
}

/* The next job of the batch is about to run. */
static const IntakeJob *
start_next(void)
{
	const IntakeJob *job = &batch.jobs[batch.next++];

	intake_slot_self->job_id = job->job_id;
	batch.running = true;
	return job;
}

/* What was started is committed. */
static void
note_end(void)
{
	batch.running = false;
	intake_slot_self->jobs += batch.next - batch.uncommitted;
	batch.uncommitted = batch.next;
	intake_slot_self->job_id = 0;
	MemoryContextReset(round_context);
}

/*
 * The workflow of the next job, or NULL where this process may not run it any more. It is looked
 * up anew, since it may have changed: a paused one runs what is claimed, one that was dropped,
 * given to another role or that cannot run does not.
 */
static const IntakeWorkflow *
find_next_workflow(void)
{
	IntakeWorkflow *workflow = intake_registry_workflow(batch.jobs[batch.next].workflow_id);

	if (workflow == NULL || workflow->problem != NULL || workflow->owner != GetSessionUserId())
		return NULL;
	return workflow;
}

/* The same; what is left of a batch that has none is given back when the process ends. */
static const IntakeWorkflow *
next_workflow(void)
{
	const IntakeWorkflow *workflow = find_next_workflow();

	if (workflow == NULL)
		proc_exit(0);
	return workflow;
}

static void
run_next(void)
{
	const IntakeWorkflow *workflow = next_workflow();

	intake_attempt_run(start_next(), workflow, intake_slot_self->lease);
	note_end();
}

/* Jobs that share a transaction: where they end, and when they have to. */
static int together_end;
static int64 together_until; /* by intake_clock_now */

static const IntakeJob *
next_together(void)
{
	batch.running = false;
	CHECK_FOR_INTERRUPTS();
	/* The first one runs however long the transaction had to wait for its lock. */
	if (batch.next >= together_end || intake_slot_self->stop ||
		(batch.next > batch.uncommitted && intake_clock_now() >= together_until) ||
		find_next_workflow() == NULL)
		return NULL;
	return start_next();
}

/*
 * Runs as many jobs in one transaction as their workflow says, fewer where they take long. When
 * that fails as a whole, each runs alone.
 */
static void
run_together(void)
{
	const IntakeWorkflow *workflow = next_workflow();
	int first = batch.next;
	int last;

	together_end = Min(batch.count, first + workflow->jobs_per_transaction);
	together_until = intake_clock_now() + TOGETHER_TIME;
	if (together_end - first > 1 &&
		intake_attempt_run_together(next_together, workflow, intake_slot_self->lease))
	{
		note_end();
		return;
	}
	last = Max(batch.next, first + 1);
	batch.next = first;
	batch.running = false;
	while (batch.next < last)
		run_next();
}

static void
apply_settings(void)
{
	SetConfigOption("synchronous_commit", intake_settings_job_synchronous_commit ? "on" : "off",
					PGC_USERSET, PGC_S_OVERRIDE);
	intake_bgworker_apply_settings();
	intake_session_keep_lock_timeout();
}

/* Between jobs: reads the configuration file again if that was asked for. */
static void
reload(void)
{
	intake_session_enter_handler();
	if (intake_bgworker_reload())
		apply_settings();
	intake_session_leave_handler();
}

/* Runs the claimed batch. What is left when the process is asked to stop is given back. */
static void
run_batch(Served *entry)
{
	int64 start = intake_clock_now();
	int64 job_time;

	while (batch.next < batch.count)
	{
		CHECK_FOR_INTERRUPTS();
		if (intake_slot_self->stop)
			proc_exit(0);
		/* A busy executor never waits, which is where others notice this. */
		if (!PostmasterIsAlive())
			proc_exit(1);
		reload();
		run_together();
	}
	job_time = (intake_clock_now() - start) / batch.count + 1;
	entry->job_time = entry->job_time ? (entry->job_time * 3 + job_time) / 4 : job_time;
}

/* A workflow served here that has a suspect, or 0. */
static int32
find_suspect_workflow(void)
{
	int32 found = 0;

	if (!intake_txn_begin(INTAKE_GATE_JOB))
		proc_exit(0);
	PushActiveSnapshot(GetTransactionSnapshot());
	for (int i = 0; i < n_served && found == 0; i++)
		if (intake_suspect_exists(served[i].workflow_id))
			found = served[i].workflow_id;
	PopActiveSnapshot();
	CommitTransactionCommand();
	return found;
}

/*
 * Runs one suspect of the workflows served here, if there is one, and if it can be alone by now:
 * with its start marked durably. Returns whether it ran.
 */
static bool
run_suspect(void)
{
	int32 workflow_id = find_suspect_workflow();

	if (workflow_id == 0)
	{
		intake_alone_forget();
		return false;
	}
	if (!intake_txn_begin(INTAKE_GATE_LOOK))
		proc_exit(0);
	if (!intake_alone_begin())
	{
		CommitTransactionCommand();
		return false;
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	clear_batch();
	if (intake_suspect_take(workflow_id, intake_slot_self->lease, &batch.jobs[0]))
		batch.count = 1;
	PopActiveSnapshot();
	ForceSyncCommit();
	CommitTransactionCommand();
	if (batch.count > 0)
		run_next();
	intake_alone_end();
	return true;
}

/* One look at every lane. Returns whether there was anything to do. */
static bool
do_round(void)
{
	bool worked = false;

	if (!intake_txn_begin(INTAKE_GATE_JOB))
		proc_exit(0);
	refresh_lanes();
	halted = !intake_attempt_type_fits();
	CommitTransactionCommand();
	MemoryContextSwitchTo(round_context);
	if (n_served == 0)
		proc_exit(0);
	if (halted)
		return false;
	while (!intake_slot_self->stop && run_suspect())
		worked = true;
	for (int i = 0; i < n_served && !intake_slot_self->stop; i++)
	{
		if (!intake_lane_ready(served[i].lane))
			continue;
		worked = true;
		if (claim(&served[i]))
			run_batch(&served[i]);
	}
	pgstat_report_stat(false);
	return worked;
}

/*
 * Waits until a commit, the supervisor or the clock calls. NEWS is what was known before the
 * round that found nothing to do.
 */
static void
rest(uint64 news)
{
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	intake_slot_self->idle = true;
	pg_memory_barrier();
	if (!any_ready() && !intake_slot_self->stop && news == intake_shmem_news())
	{
		if (!intake_bgworker_wait(intake_alone_wait(intake_settings_poll_interval)))
			intake_lane_poll();
	}
	intake_slot_self->idle = false;
}

/* Jobs run as the workflow's owner, also where ALTER ROLE ... SET role lets sessions be another. */
static void
stay_owner(void)
{
	SetConfigOption("role", "none", PGC_USERSET, PGC_S_OVERRIDE);
}

static void
take_lease(void)
{
	/* A command may have asked for the database before it could see this process. */
	if (!intake_txn_begin(INTAKE_GATE_JOB) || intake_make_way_is_wanted(MyDatabaseId))
		proc_exit(0);
	intake_slot_self->lease = intake_table_next_id("lease_seq");
	CommitTransactionCommand();
}

extern PGDLLEXPORT void intake_executor_main(Datum arg);

void
intake_executor_main(Datum arg)
{
	Oid owner;

	memcpy(&owner, MyBgworkerEntry->bgw_extra, sizeof(owner));
	intake_bgworker_begin();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg), owner, 0);
	if (!intake_slot_attach(INTAKE_EXECUTOR, owner, intake_settings_executors))
		proc_exit(0);
	before_shmem_exit(give_back, (Datum) 0);
	round_context =
		AllocSetContextCreate(TopMemoryContext, "pg_intake executor", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(round_context);
	stay_owner();
	intake_session_watch();
	apply_settings();
	take_lease();
	while (!intake_slot_self->stop && intake_slot_self->jobs < LIFETIME_JOBS)
	{
		uint64 news = intake_shmem_news();

		MemoryContextSwitchTo(round_context);
		if (!do_round())
			rest(news);
		reload();
		if (intake_slot_rank() >= intake_settings_executors)
			proc_exit(0);
		CHECK_FOR_INTERRUPTS();
	}
	proc_exit(0);
}
