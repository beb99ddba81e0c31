/*
 * lane.c
 *		The lanes: where each workflow's ready queue is to be read next.
 *
 * A lane's jobs stand in the queue in the order of their positions, which a sequence gives
 * out. Claimed jobs leave dead rows behind, so reading again from the head would cost more
 * the longer an old snapshot keeps those rows; an executor reads on from the cursor instead.
 * Transactions do not commit in the order of their positions. So a committing transaction
 * tells the lane the lowest position that it filled, and the next claim starts there if it
 * lies behind the cursor: a late row is found, and nothing else is read twice.
 *
 *		committer				 executor
 *		rows become visible		 lock the lane
 *		rewind = min(rewind, p)	 start = min(cursor, rewind), rewind = none
 *		wake an idle executor	 take a snapshot, read from start, set the cursor, unlock
 *
 * A committer whose rows the snapshot missed sets rewind after the executor has cleared it,
 * so the next claim sees it. What is told here is advice: the supervisor rewinds every lane
 * to its head from time to time.
 *
 * The lock on a lane is one of the lock manager's, on an object of the table queue. Its holder may
 * wait for a lock on that table, or read over millions of dead rows, while others wait for the
 * lane: with an LWLock, none of them could be cancelled. LWLocks are held here for a few steps
 * only, which neither wait nor fail.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/lock.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "ground/clock.h"
#include "ground/settings.h"
#include "ground/shmem.h"
#include "ground/slot.h"
#include "ground/table.h"
#include "queue/lane.h"

#define HEAD_SHARE 50 /* looking from the head takes one part in so many of the time */

static HTAB *lanes = NULL;
static List *private_lanes = NIL; /* in TopMemoryContext */

Size
intake_lane_shmem_size(void)
{
	return hash_estimate_size(intake_settings_max_lanes, sizeof(IntakeLane));
}

/* Makes or finds the hash of lanes. The caller holds AddinShmemInitLock. */
void
intake_lane_startup(void)
{
	HASHCTL control = {0};

	control.keysize = sizeof(IntakeLaneTag);
	control.entrysize = sizeof(IntakeLane);
	lanes = ShmemInitHash("pg_intake lanes", intake_settings_max_lanes, intake_settings_max_lanes,
						  &control, HASH_ELEM | HASH_BLOBS);
}

static IntakeLane *
find_lane(Oid database, int32 workflow_id, HASHACTION action, bool *found)
{
	IntakeLaneTag tag = {database, workflow_id};

	return hash_search(lanes, &tag, action, found);
}

static void
init_lane(IntakeLane *lane)
{
	SpinLockInit(&lane->mutex);
	lane->cursor = 0;
	lane->more = false;
	lane->rewind = 0;
	lane->head_time = 0;
	lane->sent_at = 0;
}

/* A lane that only this process knows; no commit announces its jobs. */
static IntakeLane *
make_private_lane(int32 workflow_id)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	IntakeLane *lane = palloc0(sizeof(IntakeLane));

	lane->tag.workflow_id = workflow_id;
	init_lane(lane);
	private_lanes = lappend(private_lanes, lane);
	MemoryContextSwitchTo(old);
	return lane;
}

/*
 * The lane of a workflow of this database, made if it is new, served by workers of KIND for OWNER.
 * When pg_intake.max_lanes are there already, it is a private one that is polled.
 */
IntakeLane *
intake_lane_find(int32 workflow_id, IntakeWorkerKind kind, Oid owner)
{
	IntakeLane *lane;
	bool found;

	LWLockAcquire(intake_shmem->lane_lock, LW_EXCLUSIVE);
	lane = find_lane(MyDatabaseId, workflow_id, HASH_ENTER_NULL, &found);
	if (lane != NULL && !found)
		init_lane(lane);
	if (lane != NULL)
	{
		lane->kind = kind;
		lane->owner = owner;
	}
	LWLockRelease(intake_shmem->lane_lock);
	return lane != NULL ? lane : make_private_lane(workflow_id);
}

/* Sends the private lanes of this process back to their heads. */
void
intake_lane_poll(void)
{
	ListCell *cell;

	foreach (cell, private_lanes)
		intake_lane_rewind(lfirst(cell), 0);
}

/* Whether a claim may find something. A hint, read without a lock. */
bool
intake_lane_ready(IntakeLane *lane)
{
	bool ready;

	SpinLockAcquire(&lane->mutex);
	ready = lane->more || lane->rewind != PG_INT64_MAX;
	SpinLockRelease(&lane->mutex);
	return ready;
}

/* Makes the next claim start at POSITION or before. */
void
intake_lane_rewind(IntakeLane *lane, int64 position)
{
	SpinLockAcquire(&lane->mutex);
	lane->rewind = Min(lane->rewind, position);
	SpinLockRelease(&lane->mutex);
}

static void
set_locktag(LOCKTAG *tag, const IntakeLane *lane)
{
	SET_LOCKTAG_OBJECT(*tag, MyDatabaseId, intake_table_oid("queue"), lane->tag.workflow_id, 0);
}

/*
 * Locks the lane for a claim, and returns the position to read from. The caller takes its
 * snapshot after this, and calls intake_lane_claim_end. On an error in between, the lock goes
 * with the transaction, and the caller owes a rewind.
 */
int64
intake_lane_claim_begin(IntakeLane *lane)
{
	LOCKTAG tag;
	int64 start;

	set_locktag(&tag, lane);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	SpinLockAcquire(&lane->mutex);
	start = Min(lane->cursor, lane->rewind);
	lane->rewind = PG_INT64_MAX;
	SpinLockRelease(&lane->mutex);
	return start;
}

/* Ends a claim: CURSOR is where the next one reads on, MORE whether there was more to read. */
void
intake_lane_claim_end(IntakeLane *lane, int64 cursor, bool more)
{
	LOCKTAG tag;

	lane->cursor = cursor;
	lane->more = more;
	set_locktag(&tag, lane);
	LockRelease(&tag, ExclusiveLock, false);
}

/* Notes how long a claim took that read from the head of the lane. */
void
intake_lane_claim_was_head(IntakeLane *lane, int64 microseconds)
{
	SpinLockAcquire(&lane->mutex);
	lane->head_time = microseconds;
	SpinLockRelease(&lane->mutex);
}

/* Whether a look at a lane from its head would take more than its share of the time. */
static bool
is_too_soon(IntakeLane *lane, int64 now)
{
	int64 head_time;

	SpinLockAcquire(&lane->mutex);
	head_time = lane->head_time;
	SpinLockRelease(&lane->mutex);
	return now - lane->sent_at < head_time * HEAD_SHARE;
}

/*
 * Sends every lane of this database back to its head, so that jobs which no commit announced are
 * found. If PATIENT, spares the lanes where that was done lately, compared with the time that it
 * took: an old snapshot keeps dead rows at the head, and reading over millions of them takes
 * seconds.
 */
void
intake_lane_rewind_all(bool patient)
{
	HASH_SEQ_STATUS status;
	IntakeLane *lane;
	int64 now = intake_clock_now();

	LWLockAcquire(intake_shmem->lane_lock, LW_SHARED);
	hash_seq_init(&status, lanes);
	while ((lane = hash_seq_search(&status)) != NULL)
	{
		if (lane->tag.database != MyDatabaseId || (patient && is_too_soon(lane, now)))
			continue;
		lane->sent_at = now;
		intake_lane_rewind(lane, 0);
		intake_slot_wake(lane->kind, MyDatabaseId, lane->owner);
	}
	LWLockRelease(intake_shmem->lane_lock);
}

/*
 * Tells a lane that jobs from POSITION on are there, and wakes a worker that serves it. Raises no
 * error.
 */
void
intake_lane_tell(int32 workflow_id, int64 position)
{
	IntakeLane *lane;

	LWLockAcquire(intake_shmem->lane_lock, LW_SHARED);
	lane = find_lane(MyDatabaseId, workflow_id, HASH_FIND, NULL);
	if (lane != NULL)
	{
		intake_lane_rewind(lane, position);
		intake_slot_wake(lane->kind, MyDatabaseId, lane->owner);
	}
	LWLockRelease(intake_shmem->lane_lock);
}
