/*
 * entry.c
 *		What is known of the lines of calls that have something to do, in shared memory: each is ready,
 *		will be, or is read. Where it stands is a matter of its due time alone.
 *
 * Entries of all databases share the room; each belongs to the home of its own. Whoever calls the
 * functions of the second half holds the lock.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "calls/entry.h"
#include "ground/database.h"
#include "ground/settings.h"
#include "ground/shmem.h"

#define MOST_HOMES 1024 /* databases that have calls */

static HTAB *homes = NULL;
static HTAB *lines = NULL;

Size
intake_entry_shmem_size(void)
{
	return add_size(hash_estimate_size(intake_settings_max_lanes, sizeof(IntakeEntry)),
					hash_estimate_size(MOST_HOMES, sizeof(IntakeHome)));
}

/* Makes the entries or finds them. The caller holds AddinShmemInitLock. */
void
intake_entry_startup(void)
{
	HASHCTL of_homes = {.keysize = sizeof(Oid), .entrysize = sizeof(IntakeHome)};
	HASHCTL of_lines = {.keysize = sizeof(IntakeEntryTag), .entrysize = sizeof(IntakeEntry)};

	homes = ShmemInitHash("pg_intake call databases", 16, MOST_HOMES, &of_homes,
						  HASH_ELEM | HASH_BLOBS);
	lines = ShmemInitHash("pg_intake call lines", Min(intake_settings_max_lanes, 1024),
						  intake_settings_max_lanes, &of_lines, HASH_ELEM | HASH_BLOBS);
}

void
intake_entry_lock(void)
{
	LWLockAcquire(intake_shmem->call_lock, LW_EXCLUSIVE);
}

void
intake_entry_unlock(void)
{
	LWLockRelease(intake_shmem->call_lock);
}

/* ---- the lock is held ---- */

static int
compare_due(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	TimestampTz left = pairingheap_const_container(IntakeEntry, later, a)->due;
	TimestampTz right = pairingheap_const_container(IntakeEntry, later, b)->due;

	return left < right ? 1 : left > right ? -1 : 0;
}

/* What is known of this database, made if it is new and wanted; NULL where there is none, or no room. */
IntakeHome *
intake_entry_home(bool make)
{
	bool found;
	IntakeHome *home =
		hash_search(homes, &MyDatabaseId, make ? HASH_ENTER_NULL : HASH_FIND, &found);

	if (home != NULL && !found)
	{
		dlist_init(&home->ready);
		home->later = (pairingheap){.ph_compare = compare_due};
		home->cancels = 0;
		home->held = 0;
	}
	return home;
}

void
intake_entry_take_out(IntakeEntry *line)
{
	if (line->state == INTAKE_ENTRY_READY)
		dlist_delete(&line->place);
	else if (line->state == INTAKE_ENTRY_LATER)
		pairingheap_remove(&line->home->later, &line->later);
	line->state = INTAKE_ENTRY_IDLE;
}

void
intake_entry_forget_if_idle(IntakeEntry *line)
{
	if (line->state == INTAKE_ENTRY_IDLE && line->held <= 0 && !line->capped)
		hash_search(lines, &line->tag, HASH_REMOVE, NULL);
}

/*
 * Whether only lines that are ready are given room. Whoever fills the board with calls that are tried
 * again in an hour must not keep from couriers what is due now: half of it is for that.
 */
static bool
is_tight(void)
{
	return hash_get_num_entries(lines) > intake_settings_max_lanes / 2;
}

/*
 * Puts a line where its due time says. Returns whether it is ready. One that is not is left to the
 * search where there is little room, and idle.
 */
bool
intake_entry_put_in(IntakeEntry *line)
{
	intake_entry_take_out(line);
	if (line->due == DT_NOEND)
		return false;
	if (line->due <= GetCurrentTimestamp())
	{
		dlist_push_tail(&line->home->ready, &line->place);
		line->state = INTAKE_ENTRY_READY;
		return true;
	}
	if (is_tight() && line->held <= 0)
	{
		line->due = DT_NOEND;
		intake_database_look_soon();
		return false;
	}
	pairingheap_add(&line->home->later, &line->later);
	line->state = INTAKE_ENTRY_LATER;
	return false;
}

/* The lines whose time has come are ready. */
void
intake_entry_make_ready(IntakeHome *home)
{
	TimestampTz now = GetCurrentTimestamp();

	while (!pairingheap_is_empty(&home->later))
	{
		IntakeEntry *first =
			pairingheap_container(IntakeEntry, later, pairingheap_first(&home->later));

		if (first->due > now)
			break;
		(void) intake_entry_put_in(first);
	}
}

/* The line, made if it is new and ACTION says so; NULL where there is none, or no room. */
IntakeEntry *
intake_entry_find(int64 line_id, bool make)
{
	IntakeEntryTag tag = {line_id, MyDatabaseId, 0};
	IntakeEntry *line;
	IntakeHome *home;
	bool found;

	make = make && hash_get_num_entries(lines) < intake_settings_max_lanes;
	if (!make)
		return hash_search(lines, &tag, HASH_FIND, NULL);
	home = intake_entry_home(true);
	line = home ? hash_search(lines, &tag, HASH_ENTER_NULL, &found) : NULL;
	if (line == NULL || found)
		return line;
	line->home = home;
	line->state = INTAKE_ENTRY_IDLE;
	line->due = line->cursor = line->rewind = DT_NOEND;
	line->blocked = DT_NOBEGIN;
	line->capped = false;
	line->held = 0;
	return line;
}

/* Calls of a line are due from DUE on. Returns whether somebody may have to know sooner than he does. */
bool
intake_entry_add(IntakeEntry *line, TimestampTz due)
{
	TimestampTz before = line->due;

	line->rewind = Min(line->rewind, due);
	if (line->capped)
		return false;
	due = Max(due, line->blocked);
	if (due >= before && line->state != INTAKE_ENTRY_IDLE)
		return false;
	line->due = Min(due, before);
	if (line->state == INTAKE_ENTRY_READ)
		return false;
	(void) intake_entry_put_in(line);
	return true;
}

/* Forgets all lines of a database. */
void
intake_entry_forget(Oid database)
{
	HASH_SEQ_STATUS status;
	IntakeEntry *line;

	hash_seq_init(&status, lines);
	while ((line = hash_seq_search(&status)) != NULL)
		if (line->tag.database == database)
			hash_search(lines, &line->tag, HASH_REMOVE, NULL);
	(void) hash_search(homes, &database, HASH_REMOVE, NULL);
}
