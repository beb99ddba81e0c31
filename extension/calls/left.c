/*
 * left.c
 *		Jobs that were left to the supervisor: somebody had their rows in calling locked.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "calls/left.h"
#include "ground/database.h"
#include "ground/shmem.h"

#define MOST_LEFT 256

/* Jobs that were left to the supervisors. Guarded by intake_shmem->call_lock. */
typedef struct Left
{
	int count;
	bool more; /* there was no room for others: all jobs are to be looked at */
	struct
	{
		Oid database;
		int64 job_id;
	} jobs[MOST_LEFT];
} Left;

static Left *left = NULL;

static List *leaving = NIL; /* by this transaction; int64 *, in TopTransactionContext */
static bool committed = false;

Size
intake_left_shmem_size(void)
{
	return sizeof(Left);
}

/* Makes the list of jobs or finds it. The caller holds AddinShmemInitLock. */
void
intake_left_startup(void)
{
	bool found;

	left = ShmemInitStruct("pg_intake jobs left", sizeof(Left), &found);
	if (!found)
		memset(left, 0, sizeof(Left));
}

/* Leaves a job of this database to the supervisor at once, without calling it. */
void
intake_left_put(int64 job_id)
{
	LWLockAcquire(intake_shmem->call_lock, LW_EXCLUSIVE);
	if (left->count == MOST_LEFT)
		left->more = true;
	else
	{
		left->jobs[left->count].database = MyDatabaseId;
		left->jobs[left->count++].job_id = job_id;
	}
	LWLockRelease(intake_shmem->call_lock);
}

/* Takes a job of this database; 0: there is none. */
int64
intake_left_take(void)
{
	int64 job_id = 0;

	LWLockAcquire(intake_shmem->call_lock, LW_EXCLUSIVE);
	for (int i = 0; i < left->count && job_id == 0; i++)
		if (left->jobs[i].database == MyDatabaseId)
		{
			job_id = left->jobs[i].job_id;
			left->jobs[i] = left->jobs[--left->count];
		}
	LWLockRelease(intake_shmem->call_lock);
	return job_id;
}

/* Whether there was no room for a job of some database since this was asked last. */
bool
intake_left_overflowed(void)
{
	bool more;

	LWLockAcquire(intake_shmem->call_lock, LW_EXCLUSIVE);
	more = left->more;
	left->more = false;
	LWLockRelease(intake_shmem->call_lock);
	return more;
}

/* Whether jobs of this database were left. */
bool
intake_left_any(void)
{
	bool any = false;

	LWLockAcquire(intake_shmem->call_lock, LW_SHARED);
	for (int i = 0; i < left->count && !any; i++)
		any = left->jobs[i].database == MyDatabaseId;
	LWLockRelease(intake_shmem->call_lock);
	return any;
}

/* ---- behind the commit ---- */

static void
end_transaction(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT)
		committed = true;
	else if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		leaving = NIL;
}

static void
release(ResourceReleasePhase phase, bool commit, bool top, void *arg)
{
	ListCell *cell;

	if (!committed || !top || phase != RESOURCE_RELEASE_AFTER_LOCKS)
		return;
	committed = false;
	if (leaving == NIL)
		return;
	foreach (cell, leaving)
		intake_left_put(*(int64 *) lfirst(cell));
	leaving = NIL;
	intake_database_call(INTAKE_CALL_DUTIES);
}

/* Leaves a job to the supervisor when this transaction has committed. */
void
intake_left_leave(int64 job_id)
{
	static bool registered = false;
	MemoryContext old;
	int64 *copy;

	if (intake_shmem == NULL)
		return;
	if (!registered)
	{
		RegisterXactCallback(end_transaction, NULL);
		RegisterResourceReleaseCallback(release, NULL);
		registered = true;
	}
	old = MemoryContextSwitchTo(TopTransactionContext);
	copy = palloc(sizeof(int64));
	*copy = job_id;
	leaving = lappend(leaving, copy);
	MemoryContextSwitchTo(old);
}
