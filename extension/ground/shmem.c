/*
 * shmem.c
 *		What the processes of pg_intake tell each other.
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

#define SLOTS (intake_settings_max_workers + 1) /* the first one is the launcher's */

IntakeShmem *intake_shmem = NULL;
IntakeWorker *intake_shmem_self = NULL;

PG_FUNCTION_INFO_V1(intake_sql_workers);

static Size
shmem_size(void)
{
	return add_size(offsetof(IntakeShmem, workers), mul_size(SLOTS, sizeof(IntakeWorker)));
}

/* Asks for the memory. To be called from shmem_request_hook. */
void
intake_shmem_request(void)
{
	RequestAddinShmemSpace(shmem_size());
	RequestNamedLWLockTranche("pg_intake", 2);
}

/* Makes the memory or finds it. The caller holds AddinShmemInitLock. */
void
intake_shmem_startup(void)
{
	bool found;

	intake_shmem = ShmemInitStruct("pg_intake", shmem_size(), &found);
	if (!found)
	{
		memset(intake_shmem, 0, shmem_size());
		pg_atomic_init_u64(&intake_shmem->news, 0);
		pg_atomic_init_u64(&intake_shmem->config, 0);
		pg_atomic_init_u64(&intake_shmem->departures, 0);
		intake_shmem->lock = &GetNamedLWLockTranche("pg_intake")[0].lock;
		intake_shmem->lane_lock = &GetNamedLWLockTranche("pg_intake")[1].lock;
	}
}

static bool
matches(const IntakeWorker *worker, IntakeWorkerKind kind, Oid database, Oid owner)
{
	return worker->pid != 0 && worker->kind == kind && worker->database == database &&
		   (!OidIsValid(owner) || worker->owner == owner);
}

static int
count_locked(IntakeWorkerKind kind, Oid database, Oid owner)
{
	int count = 0;

	for (int i = 0; i < SLOTS; i++)
		count += matches(&intake_shmem->workers[i], kind, database, owner);
	return count;
}

static IntakeWorker *
free_slot_locked(IntakeWorkerKind kind)
{
	int first = kind == INTAKE_LAUNCHER ? 0 : 1;
	int last = kind == INTAKE_LAUNCHER ? 0 : SLOTS - 1;

	for (int i = first; i <= last; i++)
		if (intake_shmem->workers[i].pid == 0)
			return &intake_shmem->workers[i];
	return NULL;
}

/* Gives the slot back, and wakes who keeps such workers: the launcher or the supervisor here. */
static void
detach(int code, Datum arg)
{
	bool executor = intake_shmem_self->kind == INTAKE_EXECUTOR;

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	memset(intake_shmem_self, 0, sizeof(IntakeWorker));
	intake_shmem_self = NULL;
	pg_atomic_fetch_add_u64(&intake_shmem->departures, 1);
	for (int i = 0; i < SLOTS; i++)
	{
		IntakeWorker *worker = &intake_shmem->workers[i];

		if (executor ? matches(worker, INTAKE_SUPERVISOR, MyDatabaseId, InvalidOid)
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
intake_shmem_attach(IntakeWorkerKind kind, Oid owner, int most)
{
	IntakeWorker *mine = NULL;
	bool full;

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	if (count_locked(kind, MyDatabaseId, owner) < most)
		mine = free_slot_locked(kind);
	if (mine != NULL)
	{
		memset(mine, 0, sizeof(IntakeWorker));
		mine->pid = MyProcPid;
		mine->kind = kind;
		mine->database = MyDatabaseId;
		mine->owner = owner;
		mine->latch = &MyProc->procLatch;
		mine->started_at = GetCurrentTimestamp();
		intake_shmem_self = mine;
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

/* How many workers of KIND there are in DATABASE (for role OWNER, if valid). */
int
intake_shmem_count(IntakeWorkerKind kind, Oid database, Oid owner)
{
	int count;

	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	count = count_locked(kind, database, owner);
	LWLockRelease(intake_shmem->lock);
	return count;
}

/* How many executors of the same role and database stand before this one. */
int
intake_shmem_rank(void)
{
	int rank = 0;

	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	for (IntakeWorker *worker = intake_shmem->workers; worker < intake_shmem_self; worker++)
		rank += matches(worker, intake_shmem_self->kind, intake_shmem_self->database,
						intake_shmem_self->owner);
	LWLockRelease(intake_shmem->lock);
	return rank;
}

/*
 * Wakes the launcher or the supervisor of DATABASE, or one idle executor of OWNER there. An
 * executor that is not idle looks for work before it waits. Never raises an error.
 */
void
intake_shmem_wake(IntakeWorkerKind kind, Oid database, Oid owner)
{
	if (intake_shmem == NULL)
		return;
	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	for (int i = 0; i < SLOTS; i++)
	{
		IntakeWorker *worker = &intake_shmem->workers[i];

		if (!matches(worker, kind, database, owner))
			continue;
		if (kind == INTAKE_EXECUTOR && !worker->idle)
			continue;
		worker->idle = false;
		SetLatch(worker->latch);
		break;
	}
	LWLockRelease(intake_shmem->lock);
}

/* What workers compare before they wait: see IntakeShmem. */
uint64
intake_shmem_news(void)
{
	return pg_atomic_read_u64(&intake_shmem->news);
}

/* What tells that the configuration has changed; always 0 without shared memory. */
uint64
intake_shmem_config(void)
{
	return intake_shmem == NULL ? 0 : pg_atomic_read_u64(&intake_shmem->config);
}

/* How many workers have ended; those that are counted hold nothing any more. */
uint64
intake_shmem_departures(void)
{
	return pg_atomic_read_u64(&intake_shmem->departures);
}

/* Wakes every executor in DATABASE, idle or not. */
void
intake_shmem_wake_executors(Oid database)
{
	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	for (int i = 0; i < SLOTS; i++)
		if (matches(&intake_shmem->workers[i], INTAKE_EXECUTOR, database, InvalidOid))
			SetLatch(intake_shmem->workers[i].latch);
	LWLockRelease(intake_shmem->lock);
}

/* Asks every worker in DATABASE to stop when its present job ends. */
void
intake_shmem_stop(Oid database)
{
	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < SLOTS; i++)
	{
		IntakeWorker *worker = &intake_shmem->workers[i];

		if (worker->pid == 0 || worker->database != database || worker->kind == INTAKE_LAUNCHER)
			continue;
		worker->stop = true;
		SetLatch(worker->latch);
	}
	LWLockRelease(intake_shmem->lock);
}

/* Terminates every worker in DATABASE, and returns how many there were. */
int
intake_shmem_terminate(Oid database)
{
	int count = 0;

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < SLOTS; i++)
	{
		IntakeWorker *worker = &intake_shmem->workers[i];

		if (worker->pid == 0 || worker->database != database || worker->kind == INTAKE_LAUNCHER)
			continue;
		kill(worker->pid, SIGTERM);
		count++;
	}
	LWLockRelease(intake_shmem->lock);
	return count;
}

/*
 * Whether a living executor of this database holds LEASE. It does from before the first row with
 * the lease is there until it has given back what it can.
 */
bool
intake_shmem_lease_held(int64 lease)
{
	bool held = false;

	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	for (int i = 0; i < SLOTS && !held; i++)
		held = intake_shmem->workers[i].pid != 0 &&
			   intake_shmem->workers[i].database == MyDatabaseId &&
			   intake_shmem->workers[i].lease == lease;
	LWLockRelease(intake_shmem->lock);
	return held;
}

/* The slot of this database's supervisor, or NULL. The lock is held. */
static IntakeWorker *
supervisor_locked(void)
{
	for (int i = 0; i < SLOTS; i++)
		if (matches(&intake_shmem->workers[i], INTAKE_SUPERVISOR, MyDatabaseId, InvalidOid))
			return &intake_shmem->workers[i];
	return NULL;
}

/*
 * Whether an executor of this database may wait at the gate NOW (by intake_clock_ms). If so, the
 * NEXT one may from then on. Never without a supervisor.
 */
bool
intake_shmem_take_turn(int64 now, int64 next)
{
	IntakeWorker *supervisor;
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
intake_shmem_set_turn(int64 next)
{
	IntakeWorker *supervisor;

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	supervisor = supervisor_locked();
	if (supervisor != NULL)
		supervisor->turn_at = next;
	LWLockRelease(intake_shmem->lock);
}

/* Whether a supervisor or executor that starts now would find a slot. */
bool
intake_shmem_has_room(void)
{
	bool room;

	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	room = free_slot_locked(INTAKE_EXECUTOR) != NULL;
	LWLockRelease(intake_shmem->lock);
	return room;
}

/*
 * Ends an executor that cannot run the job that it has begun. No job is charged an attempt: what
 * it holds goes back, and waits until the supervisor starts executors again.
 */
void
intake_shmem_leave(void)
{
	intake_shmem_self->stop = true;
	proc_exit(0);
}

/*
 * Tells the launcher that the extension is ABSENT from DATABASE, or that it has to look there
 * again. The later letter about a database replaces the earlier one. When the mailbox is full,
 * the launcher starts a supervisor more often than it must, or looks everywhere once. Never
 * raises an error.
 */
void
intake_shmem_tell_launcher(Oid database, bool absent)
{
	IntakeMailbox *mailbox;
	int i = 0;

	if (intake_shmem == NULL)
		return;
	mailbox = &intake_shmem->mailbox;
	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	while (i < mailbox->count && mailbox->letters[i].database != database)
		i++;
	if (i < INTAKE_LETTERS)
	{
		mailbox->letters[i] = (IntakeLetter){database, absent};
		mailbox->count = Max(mailbox->count, i + 1);
	}
	else if (!absent)
		mailbox->look_everywhere = true;
	LWLockRelease(intake_shmem->lock);
}

/* Moves what waits for the launcher to LETTERS. */
void
intake_shmem_take_letters(IntakeMailbox *letters)
{
	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	*letters = intake_shmem->mailbox;
	memset(&intake_shmem->mailbox, 0, sizeof(IntakeMailbox));
	LWLockRelease(intake_shmem->lock);
}

/*
 * Asks the supervisor of this database for the partition of row ID. Where many ask at a time, the
 * wish of one takes another's place, who asks again.
 */
void
intake_shmem_ask_partition(int table, int64 id)
{
	IntakeWish wish = {MyDatabaseId, table, id};
	IntakeWish *place = &intake_shmem->wishes[MyProcPid % INTAKE_WISHES];

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < INTAKE_WISHES; i++)
	{
		IntakeWish *other = &intake_shmem->wishes[i];

		if (other->database == wish.database && other->table == wish.table && other->id == wish.id)
			place = other;
		else if (!OidIsValid(other->database) && OidIsValid(place->database))
			place = other;
	}
	*place = wish;
	LWLockRelease(intake_shmem->lock);
	pg_atomic_fetch_add_u64(&intake_shmem->news, 1);
	intake_shmem_wake(INTAKE_SUPERVISOR, MyDatabaseId, InvalidOid);
}

/*
 * Takes one that was asked for in this database, or leaves it there where ID is NULL. Returns
 * false where there is none.
 */
bool
intake_shmem_partition_asked(int table, int64 *id)
{
	bool asked = false;

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < INTAKE_WISHES && !asked; i++)
	{
		IntakeWish *wish = &intake_shmem->wishes[i];

		asked = wish->database == MyDatabaseId && wish->table == table;
		if (asked && id != NULL)
		{
			*id = wish->id;
			wish->database = InvalidOid;
		}
	}
	LWLockRelease(intake_shmem->lock);
	return asked;
}

/* SQL: the workers of this database, with their roles and jobs. */
Datum
intake_sql_workers(PG_FUNCTION_ARGS)
{
	static const char *const kinds[] = {"launcher", "supervisor", "executor"};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; intake_shmem != NULL && i < SLOTS; i++)
	{
		IntakeWorker worker;
		Datum values[6];
		bool nulls[6] = {0};

		LWLockAcquire(intake_shmem->lock, LW_SHARED);
		worker = intake_shmem->workers[i];
		LWLockRelease(intake_shmem->lock);
		if (worker.pid == 0 || (worker.database != MyDatabaseId && worker.kind != INTAKE_LAUNCHER))
			continue;

		values[0] = Int32GetDatum(worker.pid);
		values[1] = CStringGetTextDatum(kinds[worker.kind]);
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
