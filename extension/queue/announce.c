/*
 * announce.c
 *		What a transaction tells the workers when it commits: which lanes it has filled, and from
 *		where on; when a job that it has delayed is due; that workflows have changed.
 *
 * That is told behind the invalidations of the commit, so that whoever is woken by it sees the
 * configuration as it is.
 *
 * Where an executor has to start for a lane, that is told before the commit as well: it takes longer to
 * come than the commit takes. What is rolled back is told to nobody.
 *
 * A job of a workflow that is paused, or cannot run, is told to nobody: it is searched for when that
 * changes. Where it has changed since the transaction looked, that search may have come before the
 * job could be seen, so another one is asked for.
 *
 *		who stores the job				  who resumes the workflow
 *		note the count of changes		  commit
 *		look: it is paused				  count a change
 *		commit							  have jobs searched for
 *		search, if the count has changed
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/ilist.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "ground/database.h"
#include "ground/shmem.h"
#include "queue/announce.h"
#include "queue/lane.h"

#define FEW 8 /* lanes that are found without a hash */

/* The lowest position that this transaction has filled of a lane. */
typedef struct Announcement
{
	int32 lane; /* hash key */
	Oid role;
	int64 position;
	dlist_node place; /* among those that are not the first few, in the order of their positions */
} Announcement;

static Announcement few[FEW];
static int n_few = 0;
static HTAB *others = NULL; /* in TopTransactionContext */
static dlist_head in_order;
static TimestampTz earliest = DT_NOEND;
static bool workflows_too = false;
static uint64 refreshed_at = 0; /* the count of changes when the workflows were last refreshed */
static uint64 untold_since;     /* likewise, when the first job was that nobody is told of */
static bool untold = false;     /* there is one */
static bool surroundings[2][2]; /* have changed: everywhere or here; names too or not */
static bool changes = false;    /* workflows have, or surroundings */
static bool committed = false;

static void
forget(void)
{
	n_few = 0;
	others = NULL;
	earliest = DT_NOEND;
	workflows_too = changes = committed = untold = false;
	memset(surroundings, 0, sizeof(surroundings));
}

static void
tell(const Announcement *told)
{
	intake_lane_tell(told->lane, told->role, told->position);
}

static void
tell_others(void)
{
	dlist_iter place;

	dlist_foreach(place, &in_order)
	{
		tell(dlist_container(Announcement, place, place.cur));
	}
}

/* Tells the workers what was noted. Raises no error. */
static void
publish(void)
{
	for (int i = 0; i < n_few; i++)
		tell(&few[i]);
	if (others != NULL)
		tell_others();
	if (earliest != DT_NOEND)
		intake_database_delayed(earliest);
	if (untold && untold_since != intake_shmem_changes())
		intake_database_call(INTAKE_CALL_SEARCH);
	if (changes)
		intake_shmem_note_change();
	if (workflows_too)
		intake_database_call(INTAKE_CALL_TEND | INTAKE_CALL_SEARCH);
	for (int everywhere = 0; everywhere < 2; everywhere++)
		for (int names = 0; names < 2; names++)
			if (surroundings[everywhere][names])
				intake_database_call_concerned(everywhere, !names);
}

/* A prepared transaction has ended. What it has done is not known here. */
void
intake_announce_prepared(void)
{
	intake_shmem_note_change();
	intake_database_call(INTAKE_CALL_ALL);
}

/*
 * The commit is about to be written. The first lanes are enough to have executors start. Where this
 * transaction also changes what jobs need, such as their role, whoever comes too early would not find
 * it.
 */
static void
foretell(void)
{
	for (int i = 0; i < n_few && !changes; i++)
		if (i == 0 || few[i].role != few[i - 1].role)
			intake_lane_foretell(few[i].lane, few[i].role, few[i].position);
}

static void
end_transaction(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT)
		foretell();
	else if (event == XACT_EVENT_COMMIT)
		committed = true;
	else if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		forget();
}

/* The invalidations have been sent when the locks are released. */
static void
release(ResourceReleasePhase phase, bool commit, bool top, void *arg)
{
	if (!committed || !top || phase != RESOURCE_RELEASE_AFTER_LOCKS)
		return;
	publish();
	forget();
}

static void
register_once(void)
{
	static bool registered = false;

	if (registered)
		return;
	RegisterXactCallback(end_transaction, NULL);
	RegisterResourceReleaseCallback(release, NULL);
	registered = true;
}

static HTAB *
make_others(void)
{
	HASHCTL control = {0};

	control.keysize = sizeof(int32);
	control.entrysize = sizeof(Announcement);
	control.hcxt = TopTransactionContext;
	dlist_init(&in_order);
	return hash_create("pg_intake announcements", 256, &control,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* The announcement for a lane, made if there is none. */
static Announcement *
find(int32 lane)
{
	Announcement new = {lane, InvalidOid, PG_INT64_MAX};
	Announcement *told;
	bool found;

	for (int i = n_few - 1; i >= 0; i--)
		if (few[i].lane == lane)
			return &few[i];
	if (n_few < FEW)
	{
		few[n_few] = new;
		return &few[n_few++];
	}
	if (others == NULL)
		others = make_others();
	told = hash_search(others, &lane, HASH_ENTER, &found);
	if (!found)
	{
		*told = new;
		dlist_push_tail(&in_order, &told->place);
	}
	return told;
}

/* The workflows are about to be refreshed, with all that has been told by now. */
void
intake_announce_refresh(void)
{
	if (intake_shmem != NULL)
		refreshed_at = intake_shmem_changes();
}

/* Notes that a job was put into a lane that nobody reads now. */
static void
note_untold(void)
{
	register_once();
	if (!untold)
		untold_since = refreshed_at;
	untold = true;
}

/*
 * Notes that this transaction puts a job at POSITION of a lane, for the executors of ROLE. InvalidOid: none run such jobs now.
 */
void
intake_announce_job(int32 lane, Oid role, int64 position)
{
	Announcement *told;

	if (intake_shmem == NULL)
		return;
	if (!OidIsValid(role))
	{
		note_untold();
		return;
	}
	register_once();
	told = find(lane);
	told->role = role;
	told->position = Min(told->position, position);
}

/* Notes that this transaction delays a job until DUE. */
void
intake_announce_delay(TimestampTz due)
{
	if (intake_shmem == NULL)
		return;
	register_once();
	earliest = Min(earliest, due);
}

/* Notes that this transaction changes workflows. */
void
intake_announce_workflow(void)
{
	if (intake_shmem == NULL)
		return;
	register_once();
	workflows_too = changes = true;
}

/*
 * Notes that this transaction changes what workflows depend on, in this database or EVERYWHERE. If
 * NAMES, names are to be kept; else only workflows that wait are concerned.
 */
void
intake_announce_surroundings(bool everywhere, bool names)
{
	if (intake_shmem == NULL)
		return;
	register_once();
	surroundings[everywhere][names] = changes = true;
}
