/*
 * slot.c
 *		Which workers are there, and what kinds of them there are.
 *
 * A worker takes a slot when it starts and gives it back in an exit callback, so a slot with a
 * pid is a living process. After a crash the postmaster makes the memory anew and starts the
 * launcher again.
 */
#include "postgres.h"

#include <signal.h>

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "ground/settings.h"
#include "ground/shmem.h"
#include "ground/slot.h"

#define SLOTS (intake_settings_max_workers + 1) /* the first one is the launcher's */

/* One row for each kind of worker: all that is to be known of it, but what it does. */
const IntakeWorkerTraits intake_slot_kinds[] = {
	[INTAKE_LAUNCHER] = {"launcher", "intake_launcher_main", NULL},
	[INTAKE_SUPERVISOR] = {"supervisor", "intake_supervisor_main", NULL},
	[INTAKE_EXECUTOR] = {"executor", "intake_executor_main", &intake_settings_executors},
};

IntakeSlot *intake_slot_self = NULL;
static IntakeSlot *slots = NULL; /* pg_intake.max_workers and the launcher */

PG_FUNCTION_INFO_V1(intake_sql_workers);

Size
intake_slot_shmem_size(void)
{
	return mul_size(SLOTS, sizeof(IntakeSlot));
}

/* Makes the slots or finds them. The caller holds AddinShmemInitLock. */
void
intake_slot_startup(void)
{
	bool found;

	slots = ShmemInitStruct("pg_intake slots", intake_slot_shmem_size(), &found);
	if (!found)
		memset(slots, 0, intake_slot_shmem_size());
}

static bool
is_for_roles(IntakeWorkerKind kind)
{
	return intake_slot_kinds[kind].per_role != NULL;
}

static bool
matches(const IntakeSlot *worker, IntakeWorkerKind kind, Oid database, Oid owner)
{
	return worker->pid != 0 && worker->kind == kind && worker->database == database &&
		   (!OidIsValid(owner) || worker->owner == owner);
}

/* Whether a slot is of a worker in DATABASE, of whatever kind. */
static bool
is_in(const IntakeSlot *worker, Oid database)
{
	return worker->pid != 0 && worker->database == database && worker->kind != INTAKE_LAUNCHER;
}

static int
count_locked(IntakeWorkerKind kind, Oid database, Oid owner)
{
	int count = 0;

	for (int i = 0; i < SLOTS; i++)
		count += matches(&slots[i], kind, database, owner);
	return count;
}

static IntakeSlot *
free_slot_locked(IntakeWorkerKind kind)
{
	int first = kind == INTAKE_LAUNCHER ? 0 : 1;
	int last = kind == INTAKE_LAUNCHER ? 0 : SLOTS - 1;

	for (int i = first; i <= last; i++)
		if (slots[i].pid == 0)
			return &slots[i];
	return NULL;
}

/* Gives the slot back, and wakes the launcher or the supervisor, whichever keeps such workers. */
static void
detach(int code, Datum arg)
{
	bool for_role = is_for_roles(intake_slot_self->kind);

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	memset(intake_slot_self, 0, sizeof(IntakeSlot));
	intake_slot_self = NULL;
	pg_atomic_fetch_add_u64(&intake_shmem->departures, 1);
	for (int i = 0; i < SLOTS; i++)
	{
		IntakeSlot *worker = &slots[i];

		if (for_role ? matches(worker, INTAKE_SUPERVISOR, MyDatabaseId, InvalidOid)
					 : matches(worker, INTAKE_LAUNCHER, InvalidOid, InvalidOid))
			SetLatch(worker->latch);
	}
	LWLockRelease(intake_shmem->lock);
}

/*
 * Takes a slot for this process, of KIND for the current database and role OWNER. Returns
 * false when MOST workers of that kind are there already, or when no slot is free.
 */
bool
intake_slot_attach(IntakeWorkerKind kind, Oid owner, int most)
{
	IntakeSlot *mine = NULL;
	bool full;

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	if (count_locked(kind, MyDatabaseId, owner) < most)
		mine = free_slot_locked(kind);
	if (mine != NULL)
	{
		memset(mine, 0, sizeof(IntakeSlot));
		mine->pid = MyProcPid;
		mine->kind = kind;
		mine->database = MyDatabaseId;
		mine->owner = owner;
		mine->latch = &MyProc->procLatch;
		mine->started_at = GetCurrentTimestamp();
		intake_slot_self = mine;
	}
	full = mine == NULL && count_locked(kind, MyDatabaseId, owner) < most;
	LWLockRelease(intake_shmem->lock);

	if (full)
		ereport(WARNING, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
						  errmsg("pg_intake has no room for another worker"),
						  errhint("Raise pg_intake.max_workers.")));
	if (mine != NULL)
		before_shmem_exit(detach, (Datum) 0);
	return mine != NULL;
}

/* How many workers there are in DATABASE, of all kinds. */
int
intake_slot_count_all(Oid database)
{
	int count = 0;

	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	for (int i = 0; i < SLOTS; i++)
		count += is_in(&slots[i], database);
	LWLockRelease(intake_shmem->lock);
	return count;
}

/* How many workers of KIND there are in DATABASE (for role OWNER, if valid). */
int
intake_slot_count(IntakeWorkerKind kind, Oid database, Oid owner)
{
	int count;

	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	count = count_locked(kind, database, owner);
	LWLockRelease(intake_shmem->lock);
	return count;
}

/* How many workers of this one's kind, database and role have a slot before it. */
int
intake_slot_rank(void)
{
	int rank = 0;

	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	for (IntakeSlot *worker = slots; worker < intake_slot_self; worker++)
		rank += matches(worker, intake_slot_self->kind, intake_slot_self->database,
						intake_slot_self->owner);
	LWLockRelease(intake_shmem->lock);
	return rank;
}

/*
 * Wakes the launcher, the supervisor of DATABASE, or one idle worker there of those that serve
 * OWNER. A worker that is not idle needs no call: it looks for work before it waits. Never raises
 * an error.
 */
void
intake_slot_wake(IntakeWorkerKind kind, Oid database, Oid owner)
{
	if (slots == NULL)
		return;
	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	for (int i = 0; i < SLOTS; i++)
	{
		IntakeSlot *worker = &slots[i];

		if (!matches(worker, kind, database, owner))
			continue;
		if (is_for_roles(kind) && !worker->idle)
			continue;
		worker->idle = false;
		SetLatch(worker->latch);
		break;
	}
	LWLockRelease(intake_shmem->lock);
}

/* There is something to do for the supervisor of this database. Never raises an error. */
void
intake_slot_call_supervisor(void)
{
	pg_atomic_fetch_add_u64(&intake_shmem->news, 1);
	intake_slot_wake(INTAKE_SUPERVISOR, MyDatabaseId, InvalidOid);
}

/* Wakes all workers in DATABASE that serve roles, idle or not. */
void
intake_slot_wake_all(Oid database)
{
	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	for (int i = 0; i < SLOTS; i++)
		if (is_in(&slots[i], database) && is_for_roles(slots[i].kind))
			SetLatch(slots[i].latch);
	LWLockRelease(intake_shmem->lock);
}

/* Asks every worker in DATABASE to stop when its present job ends. */
void
intake_slot_stop(Oid database)
{
	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < SLOTS; i++)
	{
		IntakeSlot *worker = &slots[i];

		if (!is_in(worker, database))
			continue;
		worker->stop = true;
		SetLatch(worker->latch);
	}
	LWLockRelease(intake_shmem->lock);
}

/* Terminates every worker in DATABASE, and returns how many there were. */
int
intake_slot_terminate(Oid database)
{
	int count = 0;

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < SLOTS; i++)
	{
		IntakeSlot *worker = &slots[i];

		if (!is_in(worker, database))
			continue;
		kill(worker->pid, SIGTERM);
		count++;
	}
	LWLockRelease(intake_shmem->lock);
	return count;
}

/*
 * Whether a living worker of this database holds LEASE. A worker holds its lease before the first
 * row has it, and until it has given back what it can.
 */
bool
intake_slot_lease_held(int64 lease)
{
	bool held = false;

	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	for (int i = 0; i < SLOTS && !held; i++)
		held = slots[i].pid != 0 && slots[i].database == MyDatabaseId && slots[i].lease == lease;
	LWLockRelease(intake_shmem->lock);
	return held;
}

/* The slot of this database's supervisor, or NULL. The lock is held. */
static IntakeSlot *
supervisor_locked(void)
{
	for (int i = 0; i < SLOTS; i++)
		if (matches(&slots[i], INTAKE_SUPERVISOR, MyDatabaseId, InvalidOid))
			return &slots[i];
	return NULL;
}

/*
 * Whether an executor of this database may wait at the gate, at the time NOW (by intake_clock_ms).
 * If so, no other one may before NEXT. False if there is no supervisor.
 */
bool
intake_slot_take_turn(int64 now, int64 next)
{
	IntakeSlot *supervisor;
	bool mine;

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	supervisor = supervisor_locked();
	mine = supervisor != NULL && supervisor->turn_at <= now;
	if (mine)
		supervisor->turn_at = next;
	LWLockRelease(intake_shmem->lock);
	return mine;
}

/* Sets when an executor of this database may wait at the gate. */
void
intake_slot_set_turn(int64 next)
{
	IntakeSlot *supervisor;

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	supervisor = supervisor_locked();
	if (supervisor != NULL)
		supervisor->turn_at = next;
	LWLockRelease(intake_shmem->lock);
}

/* Whether a worker that starts now would find a slot. */
bool
intake_slot_is_free(void)
{
	bool free;

	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	free = free_slot_locked(INTAKE_EXECUTOR) != NULL;
	LWLockRelease(intake_shmem->lock);
	return free;
}

/*
 * Ends an executor that cannot run the job that it has begun. No job is charged an attempt: what
 * it holds goes back, and waits until the supervisor starts executors again.
 */
void
intake_slot_leave(void)
{
	intake_slot_self->stop = true;
	proc_exit(0);
}

/* SQL: the workers of this database, with their roles and jobs. */
Datum
intake_sql_workers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; slots != NULL && i < SLOTS; i++)
	{
		IntakeSlot worker;
		Datum values[6];
		bool nulls[6] = {0};

		LWLockAcquire(intake_shmem->lock, LW_SHARED);
		worker = slots[i];
		LWLockRelease(intake_shmem->lock);
		if (worker.pid == 0 || (worker.database != MyDatabaseId && worker.kind != INTAKE_LAUNCHER))
			continue;

		values[0] = Int32GetDatum(worker.pid);
		values[1] = CStringGetTextDatum(intake_slot_kinds[worker.kind].name);
		nulls[2] = !OidIsValid(worker.owner);
		if (!nulls[2])
			values[2] = CStringGetTextDatum(
				GetUserNameFromId(worker.owner, true) ? GetUserNameFromId(worker.owner, true) : "");
		values[3] = TimestampTzGetDatum(worker.started_at);
		nulls[4] = worker.job_id == 0;
		values[4] = Int64GetDatum(worker.job_id);
		values[5] = Int64GetDatum(worker.jobs);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
