/*
 * slot.c
 *		Which workers are there, and what kinds of them there are.
 *
 * A worker takes the slot that is reserved for it when it starts, and gives it back in an exit
 * callback, so a slot that runs is a living process. After a crash the postmaster makes the memory
 * anew and starts the launcher again.
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "ground/clock.h"
#include "ground/settings.h"
#include "ground/shmem.h"
#include "ground/slot.h"

#define SLOTS (intake_settings_max_workers + 1) /* the first one is the launcher's */

/* One row for each kind of worker: all that is to be known of it, but what it does. */
const IntakeWorkerTraits intake_slot_kinds[] = {
	[INTAKE_LAUNCHER] = {"launcher", "intake_launcher_main"},
	[INTAKE_SUPERVISOR] = {"supervisor", "intake_supervisor_main"},
	[INTAKE_EXECUTOR] = {"executor", "intake_executor_main"},
};

IntakeSlot *intake_slot_self = NULL;
static IntakeSlot *slots = NULL; /* pg_intake.max_workers and the launcher */

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

/* Whether a slot is of a worker that is there, or about to be. */
static bool
is_taken(const IntakeSlot *worker)
{
	return worker->state == INTAKE_SLOT_STARTING || worker->state == INTAKE_SLOT_RUNNING;
}

static bool
matches(const IntakeSlot *worker, IntakeWorkerKind kind, Oid database, Oid role)
{
	return is_taken(worker) && worker->kind == kind && worker->database == database &&
		   (!OidIsValid(role) || worker->role == role);
}

/* Whether a slot is of a worker in DATABASE, of whatever kind. */
static bool
is_in(const IntakeSlot *worker, Oid database)
{
	return is_taken(worker) && worker->database == database && worker->kind != INTAKE_LAUNCHER;
}

/* ---- for the launcher ---- */

/*
 * Reserves a slot for a process of KIND in DATABASE that serves ROLE, and says in START what it is
 * to be started with. Returns false when there is none.
 */
bool
intake_slot_reserve(IntakeWorkerKind kind, Oid database, Oid role, IntakeStart *start)
{
	static uint32 serial = 0;
	bool reserved = false;

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	for (int i = 1; i < SLOTS && !reserved; i++)
	{
		IntakeSlot *worker = &slots[i];

		if (worker->state != INTAKE_SLOT_FREE)
			continue;
		*start = (IntakeStart){database, role, i, ++serial};
		memset(worker, 0, sizeof(IntakeSlot));
		worker->state = INTAKE_SLOT_STARTING;
		worker->serial = serial;
		worker->kind = kind;
		worker->database = database;
		worker->role = role;
		worker->reserved_at = intake_clock_ms();
		reserved = true;
	}
	LWLockRelease(intake_shmem->lock);
	return reserved;
}

/* Whether the process that a slot was reserved for has not come yet. */
bool
intake_slot_is_starting(const IntakeStart *start)
{
	IntakeSlot *worker = &slots[start->slot];
	bool starting;

	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	starting = worker->state == INTAKE_SLOT_STARTING && worker->serial == start->serial;
	LWLockRelease(intake_shmem->lock);
	return starting;
}

/* Gives up a reservation, if its process has not come. */
bool
intake_slot_release(const IntakeStart *start)
{
	IntakeSlot *worker = &slots[start->slot];
	bool released;

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	released = worker->state == INTAKE_SLOT_STARTING && worker->serial == start->serial;
	if (released)
		memset(worker, 0, sizeof(IntakeSlot));
	LWLockRelease(intake_shmem->lock);
	return released;
}

/* Frees the slot of a worker that has ended, and says in ENDED what it was. False: there is none. */
bool
intake_slot_reap(IntakeSlot *ended)
{
	bool found = false;

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	for (int i = 1; i < SLOTS && !found; i++)
	{
		found = slots[i].state == INTAKE_SLOT_ENDED;
		if (!found)
			continue;
		*ended = slots[i];
		memset(&slots[i], 0, sizeof(IntakeSlot));
	}
	LWLockRelease(intake_shmem->lock);
	return found;
}

/* ---- being there ---- */

/* Gives the slot back, and wakes the launcher, which starts another worker if one is needed. */
static void
detach(int code, Datum arg)
{
	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	intake_slot_self->state =
		intake_slot_self->kind == INTAKE_LAUNCHER ? INTAKE_SLOT_FREE : INTAKE_SLOT_ENDED;
	intake_slot_self->pid = 0;
	intake_slot_self = NULL;
	LWLockRelease(intake_shmem->lock);
	intake_slot_wake_launcher();
}

/* The caller holds the lock. */
static void
take(IntakeSlot *worker)
{
	worker->state = INTAKE_SLOT_RUNNING;
	worker->pid = MyProcPid;
	worker->latch = &MyProc->procLatch;
	worker->started_at = GetCurrentTimestamp();
	intake_slot_self = worker;
}

/* Takes the launcher's slot. Returns false when another one is there. */
bool
intake_slot_attach_launcher(void)
{
	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	if (!is_taken(&slots[0]))
	{
		memset(&slots[0], 0, sizeof(IntakeSlot));
		take(&slots[0]);
		/* What an earlier launcher has started finds its slot gone, and ends. */
		for (int i = 1; i < SLOTS; i++)
			if (slots[i].state == INTAKE_SLOT_STARTING)
				memset(&slots[i], 0, sizeof(IntakeSlot));
	}
	LWLockRelease(intake_shmem->lock);
	if (intake_slot_self != NULL)
		before_shmem_exit(detach, (Datum) 0);
	return intake_slot_self != NULL;
}

/* Takes the slot that is reserved for this process. Returns false when it is not, any more. */
bool
intake_slot_attach(const IntakeStart *start)
{
	IntakeSlot *worker = &slots[start->slot];

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	if (worker->state == INTAKE_SLOT_STARTING && worker->serial == start->serial)
		take(worker);
	LWLockRelease(intake_shmem->lock);
	if (intake_slot_self != NULL)
		before_shmem_exit(detach, (Datum) 0);
	return intake_slot_self != NULL;
}

/* ---- looking ---- */

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

/*
 * How many workers of KIND there are in DATABASE, for ROLE if that is valid, without those that take
 * no more work.
 */
int
intake_slot_count(IntakeWorkerKind kind, Oid database, Oid role)
{
	int count = 0;

	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	for (int i = 0; i < SLOTS; i++)
		count += matches(&slots[i], kind, database, role) && !slots[i].leaving;
	LWLockRelease(intake_shmem->lock);
	return count;
}

/*
 * How many workers of this one's kind, database and role have a slot before it, without those that
 * take no more work.
 */
int
intake_slot_rank(void)
{
	int rank = 0;

	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	for (IntakeSlot *worker = slots; worker < intake_slot_self; worker++)
		rank += !worker->leaving && matches(worker, intake_slot_self->kind,
											intake_slot_self->database, intake_slot_self->role);
	LWLockRelease(intake_shmem->lock);
	return rank;
}

/* Copies slot number I, from 0. Returns false when there is none of that number. */
bool
intake_slot_read(int i, IntakeSlot *worker)
{
	if (slots == NULL || i >= SLOTS)
		return false;
	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	*worker = slots[i];
	LWLockRelease(intake_shmem->lock);
	return true;
}

/* ---- waking ---- */

/*
 * Wakes an idle worker of KIND in DATABASE, for ROLE if that is valid. Returns whether there is one,
 * or, of a supervisor, whether it is there: it looks for calls before it waits. Never raises an
 * error.
 */
bool
intake_slot_wake(IntakeWorkerKind kind, Oid database, Oid role)
{
	bool found = false;

	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	for (int i = 0; i < SLOTS && !found; i++)
	{
		IntakeSlot *worker = &slots[i];

		if (!matches(worker, kind, database, role) || worker->leaving ||
			(kind == INTAKE_EXECUTOR && !worker->idle))
			continue;
		worker->idle = false;
		if (worker->state == INTAKE_SLOT_RUNNING)
			SetLatch(worker->latch);
		found = true;
	}
	LWLockRelease(intake_shmem->lock);
	return found;
}

/* There is something to do for the launcher. Never raises an error. */
void
intake_slot_wake_launcher(void)
{
	if (slots == NULL)
		return;
	pg_atomic_fetch_add_u64(&intake_shmem->news, 1);
	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	if (slots[0].state == INTAKE_SLOT_RUNNING)
		SetLatch(slots[0].latch);
	LWLockRelease(intake_shmem->lock);
}

/* Wakes all workers that wait for work, since their places are wanted. */
void
intake_slot_wake_idle(void)
{
	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	for (int i = 1; i < SLOTS; i++)
		if (slots[i].state == INTAKE_SLOT_RUNNING && slots[i].idle)
			SetLatch(slots[i].latch);
	LWLockRelease(intake_shmem->lock);
}

/* Wakes all supervisors, and the launcher: databases were called. Never raises an error. */
void
intake_slot_wake_supervisors(void)
{
	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	for (int i = 1; i < SLOTS; i++)
		if (slots[i].state == INTAKE_SLOT_RUNNING && slots[i].kind == INTAKE_SUPERVISOR)
			SetLatch(slots[i].latch);
	LWLockRelease(intake_shmem->lock);
	intake_slot_wake_launcher();
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
		worker->stop = worker->content = true;
		if (worker->state == INTAKE_SLOT_RUNNING)
			SetLatch(worker->latch);
	}
	LWLockRelease(intake_shmem->lock);
}

/* Terminates every worker in DATABASE. */
void
intake_slot_terminate(Oid database)
{
	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < SLOTS; i++)
	{
		IntakeSlot *worker = &slots[i];

		if (is_in(worker, database) && worker->state == INTAKE_SLOT_RUNNING)
			kill(worker->pid, SIGTERM);
	}
	LWLockRelease(intake_shmem->lock);
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
		held = slots[i].state == INTAKE_SLOT_RUNNING && slots[i].database == MyDatabaseId &&
			   slots[i].lease == lease;
	LWLockRelease(intake_shmem->lock);
	return held;
}

/*
 * Ends an executor that cannot run the job that it has begun. No job is charged an attempt: what
 * it holds goes back, and waits until the launcher starts an executor again, a while later.
 */
void
intake_slot_leave(void)
{
	intake_slot_self->stop = true;
	proc_exit(0);
}
