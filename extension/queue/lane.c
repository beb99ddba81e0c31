/*
 * lane.c
 *		The lanes that have work, and where each is to be read next.
 *
 * A lane's jobs stand in the queue in the order of their positions, which a sequence gives out. A
 * lane is known here only while it has work that nobody reads, or while an executor reads it, so an
 * idle workflow costs nothing, however many there are. The executors of a role in a database are its
 * crew. Its lanes that have work wait in a line, and each executor takes the first one, claims a
 * batch, and puts it at the end of another line if there is more: so no lane waits for another for
 * longer than that.
 *
 * Claimed jobs leave dead rows behind, so reading from the head of a lane would cost more the longer
 * an old snapshot keeps those rows; where there is more, the next executor reads on from the cursor.
 * Transactions do not commit in the order of their positions. So a committing transaction tells the
 * lane the lowest position that it filled, and the next claim starts there if it lies behind the
 * cursor: a late row is found, and nothing else is read twice.
 *
 *		committer				 executor
 *		rows become visible		 take: start = min(cursor, rewind), rewind = none
 *		rewind = min(rewind, p)	 take a snapshot, read from start
 *		wake an executor		 put: set the cursor; gone, unless there is more or a rewind
 *
 * A committer whose rows the snapshot missed sets rewind after the executor has cleared it, so the
 * lane is ready again. What is told here is advice: the supervisor searches the queue for lanes that
 * nobody has told about.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"

#include "ground/clock.h"
#include "ground/database.h"
#include "ground/settings.h"
#include "ground/shmem.h"
#include "ground/slot.h"
#include "queue/lane.h"

typedef struct LaneTag
{
	Oid database;
	int32 number;
} LaneTag;

typedef struct Lane
{
	LaneTag tag; /* hash key */
	IntakeCrew *crew;
	bool ready; /* it waits in the line of its crew; else somebody reads it */
	IntakeReady waiting;
	int64 cursor; /* first position not read yet */
	int64 rewind; /* lowest position that arrived since, or PG_INT64_MAX */
} Lane;

static HTAB *lanes = NULL;

/* A database that was refused a lane, and is told when half of all are free; guarded by the lock. */
static Oid *refused = NULL;

static IntakeReading reading;
static bool is_reading = false;

/* ---- shared memory ---- */

Size
intake_lane_shmem_size(void)
{
	return add_size(hash_estimate_size(intake_settings_max_lanes, sizeof(Lane)), sizeof(Oid));
}

/* Makes the lanes or finds them. The caller holds AddinShmemInitLock. */
void
intake_lane_startup(void)
{
	HASHCTL control = {0};
	bool found;

	refused = ShmemInitStruct("pg_intake refused lane", sizeof(Oid), &found);
	if (!found)
		*refused = InvalidOid;
	control.keysize = sizeof(LaneTag);
	control.entrysize = sizeof(Lane);
	lanes = ShmemInitHash("pg_intake lanes", Min(intake_settings_max_lanes, 1024),
						  intake_settings_max_lanes, &control, HASH_ELEM | HASH_BLOBS);
}

static void
lock(void)
{
	LWLockAcquire(intake_shmem->lane_lock, LW_EXCLUSIVE);
}

static void
unlock(void)
{
	LWLockRelease(intake_shmem->lane_lock);
}

/* ---- lanes; the lock is held ---- */

static Lane *
find_lane(Oid database, int32 number, HASHACTION action, bool *found)
{
	LaneTag tag = {database, number};

	return hash_search(lanes, &tag, action, found);
}

static Lane *
lane_of(IntakeReady *ready)
{
	return dlist_container(Lane, waiting.place, &ready->place);
}

/* Puts a lane at the end of a line of its crew; AGAIN: it has had a turn, and has more. */
static void
make_ready(Lane *lane, bool again)
{
	intake_crew_add(lane->crew, &lane->waiting, again);
	lane->ready = true;
}

static void
make_unready(Lane *lane)
{
	if (!lane->ready)
		return;
	intake_crew_remove(lane->crew, &lane->waiting);
	lane->ready = false;
}

static void
forget_lane(Lane *lane)
{
	IntakeCrew *crew = lane->crew;

	make_unready(lane);
	hash_search(lanes, &lane->tag, HASH_REMOVE, NULL);
	intake_crew_lose_lane(crew);
}

/* Gives a lane that is new, or whose workflow has another owner now, to the crew of ROLE. */
static void
assign(Lane *lane, IntakeCrew *crew)
{
	IntakeCrew *old = lane->crew;
	bool ready = lane->ready;

	if (old == crew)
		return;
	if (old != NULL)
		make_unready(lane);
	lane->crew = crew;
	crew->n_lanes++;
	if (ready)
		make_ready(lane, false);
	if (old != NULL)
		intake_crew_lose_lane(old);
}

/*
 * The lane of a NUMBER in the crew of ROLE, made if it is new. NULL when there is no room. NEWS is
 * whether that crew has not known that it is ready.
 */
static Lane *
need_lane(int32 number, Oid role, bool *news)
{
	bool found;
	IntakeCrew *crew = intake_crew_find(MyDatabaseId, role, HASH_ENTER_NULL);
	Lane *lane;

	if (crew == NULL)
		return NULL;
	/* The hash would go on growing, in memory that the server keeps for locks. */
	lane = find_lane(MyDatabaseId, number,
					 hash_get_num_entries(lanes) < intake_settings_max_lanes ? HASH_ENTER_NULL
																			 : HASH_FIND,
					 &found);
	if (lane == NULL)
	{
		intake_crew_forget_if_empty(crew);
		return NULL;
	}
	if (!found)
	{
		lane->crew = NULL;
		lane->ready = false;
		lane->cursor = lane->rewind = PG_INT64_MAX;
	}
	*news = lane->crew != crew && (lane->ready || !found);
	assign(lane, crew);
	if (!found)
		make_ready(lane, false);
	return lane;
}

/*
 * Tells a lane that jobs from POSITION on are there for the executors of ROLE. Returns false when too
 * many lanes have work already: the supervisor tells it when half of them have none any more. Raises
 * no error.
 */
bool
intake_lane_tell(int32 number, Oid role, int64 position)
{
	Lane *lane;
	bool news = false;

	lock();
	lane = need_lane(number, role, &news);
	if (lane != NULL)
		lane->rewind = Min(lane->rewind, position);
	else
		*refused = MyDatabaseId;
	if (news)
		intake_crew_call(lane->crew);
	unlock();
	if (lane == NULL)
		intake_database_look_soon();
	return lane != NULL;
}

/*
 * Tells the lane of jobs that this transaction is about to commit, where an executor has to start for
 * them: the server starts it while the commit waits for the disk. If it comes too early, it finds
 * nothing, frees the lane, and waits; so the commit tells the lane in any case. Where it could not
 * wait, since others need its place, it is not called before it is needed.
 */
void
intake_lane_foretell(int32 number, Oid role, int64 position)
{
	if (intake_settings_idle_time > 0 && !intake_shmem_place_is_wanted() &&
		intake_slot_count(INTAKE_EXECUTOR, MyDatabaseId, role) == 0)
		(void) intake_lane_tell(number, role, position);
}

/* The lanes of this database that have work. Palloc'ed. */
int32 *
intake_lane_list(int *count)
{
	HASH_SEQ_STATUS status;
	Lane *lane;
	int room = hash_get_num_entries(lanes) + 16;
	int32 *numbers = palloc_extended(room * sizeof(int32), MCXT_ALLOC_HUGE);

	*count = 0;
	LWLockAcquire(intake_shmem->lane_lock, LW_SHARED);
	hash_seq_init(&status, lanes);
	while ((lane = hash_seq_search(&status)) != NULL)
		if (lane->tag.database == MyDatabaseId && *count < room)
			numbers[(*count)++] = lane->tag.number;
	unlock();
	return numbers;
}

/*
 * The jobs of a lane are for executors of ROLE now, or, where that is InvalidOid, for nobody: then
 * it is freed. That of another role might wait for an executor that cannot start.
 */
void
intake_lane_settle(int32 number, Oid role)
{
	Lane *lane;
	bool moves;

	lock();
	lane = find_lane(MyDatabaseId, number, HASH_FIND, NULL);
	moves = lane != NULL && lane->ready && lane->crew->tag.role != role;
	if (moves && !OidIsValid(role))
		forget_lane(lane);
	unlock();
	if (moves && OidIsValid(role))
		(void) intake_lane_tell(number, role, INTAKE_LANE_NOWHERE);
}

/* ---- for an executor ---- */

/* Exit callback: what this process reads is ready again, from where it began. */
static void
put_back(int code, Datum arg)
{
	if (!is_reading)
		return;
	intake_lane_tell(reading.lane, intake_slot_self->role, reading.start);
	intake_lane_put(PG_INT64_MAX, false);
}

/* To be called once, behind intake_slot_attach. */
void
intake_lane_open(void)
{
	before_shmem_exit(put_back, (Datum) 0);
}

/*
 * The lane that is read in the turn of LANE, which is ready: where jobs of its workflow go on, theirs,
 * or all first steps would run before one second. LANE gets the place where that one stood.
 */
static Lane *
prefer(Lane *lane)
{
	Lane *other =
		lane->tag.number < 0 ? NULL : find_lane(MyDatabaseId, -lane->tag.number, HASH_FIND, NULL);

	if (other == NULL || !other->ready || other->crew != lane->crew)
		return lane;
	intake_crew_move_behind(&lane->waiting, &other->waiting);
	return other;
}

/*
 * Takes the first ready lane of this executor's crew. The caller takes a snapshot after this, reads,
 * and calls intake_lane_put. Returns false when none is ready.
 */
bool
intake_lane_take(IntakeReading *taken)
{
	IntakeCrew *crew;

	lock();
	crew = intake_crew_find(MyDatabaseId, intake_slot_self->role, HASH_FIND);
	if (crew != NULL && crew->n_ready > 0)
	{
		Lane *lane = prefer(lane_of(intake_crew_choose(crew, &reading.again)));

		make_unready(lane);
		reading.lane = lane->tag.number;
		reading.start = Min(lane->cursor, lane->rewind);
		reading.next = crew->n_ready > 0
						   ? intake_lane_workflow(lane_of(intake_crew_first(crew))->tag.number)
						   : 0;
		lane->rewind = PG_INT64_MAX;
		is_reading = true;
	}
	unlock();
	*taken = reading;
	return is_reading;
}

/* The database that has lanes for which there is room again, half of all; InvalidOid: none. */
static Oid
take_refused(void)
{
	Oid database = InvalidOid;

	if (OidIsValid(*refused) && hash_get_num_entries(lanes) <= intake_settings_max_lanes / 2)
	{
		database = *refused;
		*refused = InvalidOid;
	}
	return database;
}

/*
 * Ends the reading of the lane that was taken. If there is MORE, the next one reads from CURSOR on.
 */
void
intake_lane_put(int64 cursor, bool more)
{
	Lane *lane;
	Oid waiting;

	is_reading = false;
	lock();
	/* It is gone where the extension has been dropped meanwhile. */
	lane = find_lane(MyDatabaseId, reading.lane, HASH_FIND, NULL);
	if (lane != NULL && !lane->ready)
	{
		lane->cursor = more ? cursor : PG_INT64_MAX;
		if (more || lane->rewind != PG_INT64_MAX)
		{
			make_ready(lane, more);
			intake_crew_call(lane->crew);
		}
		else
			forget_lane(lane);
	}
	waiting = take_refused();
	unlock();
	if (OidIsValid(waiting))
		intake_database_call_for(waiting, INTAKE_CALL_SEARCH);
}

/* A database, or the extension there, is gone. */
void
intake_lane_forget(Oid database)
{
	HASH_SEQ_STATUS status;
	Lane *lane;

	lock();
	hash_seq_init(&status, lanes);
	while ((lane = hash_seq_search(&status)) != NULL)
		if (lane->tag.database == database)
			forget_lane(lane);
	unlock();
}
