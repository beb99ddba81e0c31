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

#include "config.h"
#include "shmem.h"

IntakeShmem *intake_shmem = NULL;
IntakeWorker *intake_shmem_self = NULL;

PG_FUNCTION_INFO_V1(intake_sql_workers);

static Size
shmem_size(void)
{
	return add_size(offsetof(IntakeShmem, workers),
					mul_size(intake_config_max_workers, sizeof(IntakeWorker)));
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

	for (int i = 0; i < intake_config_max_workers; i++)
		count += matches(&intake_shmem->workers[i], kind, database, owner);
	return count;
}

static void
detach(int code, Datum arg)
{
	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	memset(intake_shmem_self, 0, sizeof(IntakeWorker));
	intake_shmem_self = NULL;
	for (int i = 0; i < intake_config_max_workers; i++)
	{
		IntakeWorker *worker = &intake_shmem->workers[i];

		if (worker->pid != 0 && worker->kind != INTAKE_EXECUTOR)
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
		for (int i = 0; i < intake_config_max_workers && mine == NULL; i++)
			if (intake_shmem->workers[i].pid == 0)
				mine = &intake_shmem->workers[i];
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
	for (int i = 0; i < intake_config_max_workers; i++)
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

/* Wakes every executor in DATABASE, idle or not. */
void
intake_shmem_wake_executors(Oid database)
{
	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	for (int i = 0; i < intake_config_max_workers; i++)
		if (matches(&intake_shmem->workers[i], INTAKE_EXECUTOR, database, InvalidOid))
			SetLatch(intake_shmem->workers[i].latch);
	LWLockRelease(intake_shmem->lock);
}

/* Asks every worker in DATABASE to stop when its present job ends. */
void
intake_shmem_stop(Oid database)
{
	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < intake_config_max_workers; i++)
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
	for (int i = 0; i < intake_config_max_workers; i++)
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

/* Whether a living executor of this database holds LEASE. */
bool
intake_shmem_lease_held(int64 lease)
{
	bool held = false;

	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	for (int i = 0; i < intake_config_max_workers && !held; i++)
		held = intake_shmem->workers[i].pid != 0 &&
			   intake_shmem->workers[i].database == MyDatabaseId &&
			   intake_shmem->workers[i].lease == lease;
	LWLockRelease(intake_shmem->lock);
	return held;
}

/* Whether a living executor of this database runs a job. */
bool
intake_shmem_job_runs(int64 job_id)
{
	bool runs = false;

	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	for (int i = 0; i < intake_config_max_workers && !runs; i++)
		runs = intake_shmem->workers[i].pid != 0 &&
			   intake_shmem->workers[i].database == MyDatabaseId &&
			   intake_shmem->workers[i].job_id == job_id;
	LWLockRelease(intake_shmem->lock);
	return runs;
}

/* The slot of DATABASE; a fresh one if MAKE says so. The lock is held exclusively. */
static IntakeDatabase *
find_database(Oid database, bool make)
{
	IntakeDatabase *free_slot = NULL;

	for (int i = 0; i < INTAKE_MAX_DATABASES; i++)
	{
		IntakeDatabase *slot = &intake_shmem->databases[i];

		if (slot->oid == database)
			return slot;
		if (free_slot == NULL && (!OidIsValid(slot->oid) || (slot->absent && slot->leave == 0)))
			free_slot = slot;
	}
	if (!make || free_slot == NULL)
		return NULL;
	memset(free_slot, 0, sizeof(IntakeDatabase));
	free_slot->oid = database;
	return free_slot;
}

/* Whether a supervisor should run, or look, in DATABASE. */
bool
intake_shmem_database_wanted(Oid database)
{
	IntakeDatabase *slot;
	bool wanted;

	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	slot = find_database(database, false);
	wanted = slot == NULL || (!slot->absent && slot->leave == 0);
	LWLockRelease(intake_shmem->lock);
	return wanted;
}

/* Notes whether the extension is absent from DATABASE. */
void
intake_shmem_database_absent(Oid database, bool absent)
{
	IntakeDatabase *slot;

	if (intake_shmem == NULL)
		return;
	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	slot = find_database(database, absent);
	if (slot != NULL)
		slot->absent = absent;
	LWLockRelease(intake_shmem->lock);
}

/* Adds CHANGE to the number of sessions that want the workers away from DATABASE. */
void
intake_shmem_database_leave(Oid database, int change)
{
	IntakeDatabase *slot;

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	slot = find_database(database, change > 0);
	if (slot != NULL)
		slot->leave += change;
	LWLockRelease(intake_shmem->lock);
}

/* SQL: the workers of this database, with their roles and jobs. */
Datum
intake_sql_workers(PG_FUNCTION_ARGS)
{
	static const char *const kinds[] = {"launcher", "supervisor", "executor"};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; intake_shmem != NULL && i < intake_config_max_workers; i++)
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
