/*
 * database.c
 *		What is to be done in each database, as far as the server knows.
 *
 * Whoever makes work for a supervisor calls it here: one that is there is woken, else the launcher,
 * which starts one. Before it leaves, it says when to look next, under the lock.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "ground/clock.h"
#include "ground/database.h"
#include "ground/settings.h"
#include "ground/shmem.h"
#include "ground/slot.h"

#define LOOK_SOON 1000 /* milliseconds */
#define MOST_DATABASES 16384

/* The entry of a database. Guarded by intake_shmem->lock. */
typedef struct Entry
{
	Oid oid; /* hash key */
	IntakeDatabaseState state;
	int64 searched_at; /* when jobs were searched for last, by intake_clock_ms */
	int64 turn_at;     /* see intake_database_take_turn */
	bool blocked;      /* a workflow may wait for a role or a function */
	uint32 noted;      /* how often that was noted */
	bool suspects;     /* there are suspects */
} Entry;

static HTAB *databases = NULL;

Size
intake_database_shmem_size(void)
{
	return hash_estimate_size(MOST_DATABASES, sizeof(Entry));
}

/* Makes the hash of databases or finds it. The caller holds AddinShmemInitLock. */
void
intake_database_startup(void)
{
	HASHCTL control = {0};

	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(Entry);
	databases =
		ShmemInitHash("pg_intake databases", 64, MOST_DATABASES, &control, HASH_ELEM | HASH_BLOBS);
}

/* Locks, and finds or makes the entry of this database; NULL where there is no room for it. */
static Entry *
lock_entry(void)
{
	Entry *entry;
	bool found;

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	entry = hash_search(databases, &MyDatabaseId, HASH_ENTER_NULL, &found);
	if (entry != NULL && !found)
	{
		memset(entry, 0, sizeof(Entry));
		entry->oid = entry->state.oid = MyDatabaseId;
		entry->state.calls = INTAKE_CALL_ALL;
		entry->state.due = DT_NOEND;
	}
	return entry;
}

static void
unlock(void)
{
	LWLockRelease(intake_shmem->lock);
}

/* Copies the entry of DATABASE. Returns false when there is none; then the copy is zeros. */
static bool
read_entry(Oid database, Entry *copy)
{
	Entry *entry;

	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	entry = hash_search(databases, &database, HASH_FIND, NULL);
	memset(copy, 0, sizeof(Entry));
	if (entry != NULL)
		*copy = *entry;
	unlock();
	return entry != NULL;
}

/* ---- making work for a supervisor ---- */

/* Wakes the supervisor of DATABASE, or the launcher, which starts it. */
static void
wake(Oid database)
{
	if (!intake_slot_wake(INTAKE_SUPERVISOR, database, InvalidOid))
		intake_slot_wake_launcher();
}

/* There is something to do for the supervisor of this database. Never raises an error. */
void
intake_database_call(uint32 calls)
{
	Entry *entry;

	if (intake_shmem == NULL)
		return;
	entry = lock_entry();
	if (entry != NULL)
		entry->state.calls |= calls;
	unlock();
	wake(MyDatabaseId);
}

/* The same for a database that is known already. */
void
intake_database_call_for(Oid database, uint32 calls)
{
	Entry *entry;

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	if ((entry = hash_search(databases, &database, HASH_FIND, NULL)) != NULL)
		entry->state.calls |= calls;
	unlock();
	wake(database);
}

/* Has workflows looked after here or EVERYWHERE, or ONLY where one is BLOCKED. Raises no error. */
void
intake_database_call_concerned(bool everywhere, bool only_blocked)
{
	HASH_SEQ_STATUS status;
	Entry *entry;

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	hash_seq_init(&status, databases);
	while ((entry = hash_seq_search(&status)) != NULL)
		if ((everywhere || entry->oid == MyDatabaseId) && (entry->blocked || !only_blocked))
			entry->state.calls |= INTAKE_CALL_TEND;
	unlock();
	intake_slot_wake_supervisors();
}

/* Notes that a job is delayed until DUE. Returns whether none was known that is due before. */
bool
intake_database_note_due(TimestampTz due)
{
	Entry *entry = lock_entry();
	bool sooner = entry == NULL || due < entry->state.due;

	if (entry != NULL && sooner)
		entry->state.due = due;
	unlock();
	return sooner;
}

/* A job of this database is delayed until DUE. Never raises an error. */
void
intake_database_delayed(TimestampTz due)
{
	if (intake_database_note_due(due))
		wake(MyDatabaseId);
}

/* Has LOOK_AT be when a supervisor is to look, unless it is to do so before. */
static bool
set_look(Entry *entry, int64 look_at)
{
	bool sooner = entry != NULL && (entry->state.look_at == 0 || look_at < entry->state.look_at);

	if (sooner)
		entry->state.look_at = look_at;
	return sooner;
}

/*
 * Jobs of this database are ready, and no lane says so: a supervisor is to search for them a short
 * while later. Never raises an error.
 */
void
intake_database_look_soon(void)
{
	int64 look_at = intake_clock_ms() + Min(LOOK_SOON, intake_settings_poll_interval);
	bool sooner = set_look(lock_entry(), look_at);

	unlock();
	if (sooner)
		wake(MyDatabaseId);
}

/* Jobs of this database were searched for now. */
void
intake_database_searched(void)
{
	Entry *entry = lock_entry();

	if (entry != NULL)
		entry->searched_at = intake_clock_ms();
	unlock();
}

/* Whether that was done after SINCE. */
bool
intake_database_is_searched(int64 since)
{
	Entry entry;

	return read_entry(MyDatabaseId, &entry) && entry.searched_at > since;
}

/* ---- for the supervisor ---- */

/* What the supervisor is called for; it owes that now. */
uint32
intake_database_take_calls(void)
{
	Entry *entry = lock_entry();
	uint32 calls = entry == NULL ? INTAKE_CALL_ALL : entry->state.calls;

	if (entry != NULL)
		entry->state.calls = 0;
	unlock();
	return calls;
}

/* Whether there are new calls. */
bool
intake_database_is_called(void)
{
	Entry entry;

	return read_entry(MyDatabaseId, &entry) && entry.state.calls != 0;
}

/* Whether the supervisor is to look by itself, at the time NOW (by intake_clock_ms); it owes that now. */
bool
intake_database_take_look(int64 now)
{
	Entry *entry = lock_entry();
	bool due = entry != NULL && entry->state.look_at != 0 && entry->state.look_at <= now;

	if (due)
		entry->state.look_at = 0;
	unlock();
	return due;
}

/* Forgets when the next delayed job is due. To be called before the rows are looked at. */
void
intake_database_forget_due(void)
{
	Entry *entry = lock_entry();

	if (entry != NULL)
		entry->state.due = DT_NOEND;
	unlock();
}

/* When the next delayed job is due. */
TimestampTz
intake_database_due(void)
{
	Entry entry;

	return read_entry(MyDatabaseId, &entry) ? entry.state.due : DT_NOEND;
}

/* A workflow of this database waits for a role or a function. */
void
intake_database_note_blocked(void)
{
	if (intake_shmem != NULL)
		(void) intake_database_blocked_begin();
}

/*
 * The supervisor begins to look for workflows that wait: until it has found none, one may, so that
 * nobody's change is missed. Returns a number that is to be given to intake_database_blocked_end.
 */
uint32
intake_database_blocked_begin(void)
{
	Entry *entry = lock_entry();
	uint32 noted = 0;

	if (entry != NULL)
	{
		entry->blocked = true;
		noted = ++entry->noted;
	}
	unlock();
	return noted;
}

/* It has found none. If somebody has noted one meanwhile, that counts. */
void
intake_database_blocked_end(uint32 noted)
{
	Entry *entry = lock_entry();

	if (entry != NULL && entry->noted == noted)
		entry->blocked = false;
	unlock();
}

void
intake_database_set_suspects(bool any)
{
	Entry *entry = lock_entry();

	if (entry != NULL)
		entry->suspects = any;
	unlock();
}

/* Whether this database may have suspects. */
bool
intake_database_has_suspects(void)
{
	Entry entry;

	return read_entry(MyDatabaseId, &entry) && entry.suspects;
}

/*
 * The supervisor leaves, and another one is to look at LOOK_AT, by intake_clock_ms; 0: when it is
 * called. Returns false when it has been called meanwhile, and so must stay.
 */
bool
intake_database_leave(int64 look_at)
{
	Entry *entry = lock_entry();
	bool free = entry != NULL && entry->state.calls == 0;

	if (free)
	{
		if (look_at != 0)
			(void) set_look(entry, look_at);
		intake_slot_self->leaving = intake_slot_self->content = true;
	}
	unlock();
	return free;
}

/* ---- taking turns at the gate ---- */

/*
 * Whether an executor of this database may wait at the gate, at the time NOW (by intake_clock_ms).
 * If so, no other one may before NEXT.
 */
bool
intake_database_take_turn(int64 now, int64 next)
{
	Entry *entry = lock_entry();
	bool mine = entry != NULL && entry->turn_at <= now;

	if (mine)
		entry->turn_at = next;
	unlock();
	return mine;
}

/* Sets when an executor of this database may wait at the gate. */
void
intake_database_set_turn(int64 next)
{
	Entry *entry = lock_entry();

	if (entry != NULL)
		entry->turn_at = next;
	unlock();
}

/* ---- for the launcher ---- */

/* What is known of DATABASE. Returns false when nothing is. */
bool
intake_database_read(Oid database, IntakeDatabaseState *state)
{
	Entry entry;
	bool known = read_entry(database, &entry);

	*state = entry.state;
	return known;
}

/* The database, or its extension, is gone. */
void
intake_database_forget(Oid database)
{
	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	hash_search(databases, &database, HASH_REMOVE, NULL);
	unlock();
}
