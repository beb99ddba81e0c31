/*
 * board.c
 *		The lines of calls that have something to do, for couriers.
 *
 * A line is the calls of one workflow to one host with one secret: what a Retry-After holds, and what
 * an outage suspends. Its calls stand in call_queue in the order in which they are due. A line is known
 * here while it has calls that are due, or will be, or that couriers make. It has a cursor and a rewind
 * for the reasons that lane.c tells, which are times here: dead rows of calls that were taken stay in
 * the index as long as an old snapshot does, and transactions do not commit in the order of the times
 * that they have written.
 *
 *		committer				 courier
 *		rows become visible		 take: start = min(cursor, rewind), rewind = none
 *		rewind = min(rewind, t)	 take a snapshot, read from start
 *		wake couriers			 put: set the cursor, and when there is more
 *
 * What is told here is advice: the supervisor searches call_queue for lines that nobody has told about.
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/ilist.h"
#include "lib/pairingheap.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "calls/board.h"
#include "calls/note.h"
#include "ground/clock.h"
#include "ground/database.h"
#include "ground/owner.h"
#include "ground/settings.h"
#include "ground/shmem.h"

#define MOST_HOMES 1024 /* databases that have calls */
#define BELLS 64

typedef enum LineState
{
	LINE_IDLE,  /* nothing to do: couriers make calls of it */
	LINE_READY, /* in the line of its database */
	LINE_LATER, /* in the heap */
	LINE_READ   /* a process reads it */
} LineState;

/* What is known of a database. */
typedef struct Home
{
	Oid database;      /* hash key */
	dlist_head ready;  /* of Line, in turn */
	pairingheap later; /* likewise, those that are due first at its head */
	uint64 cancels;    /* transactions that have cancelled calls */
	int held;          /* calls that couriers make */
} Home;

typedef struct LineTag
{
	int64 id;
	Oid database;
	int32 unused; /* 0: the key has no holes */
} LineTag;

typedef struct Line
{
	LineTag tag; /* hash key */
	Home *home;
	LineState state;
	dlist_node place;       /* where it is ready */
	pairingheap_node later; /* where it is not */
	TimestampTz due;        /* when it is to be looked at; DT_NOEND: not at all */
	TimestampTz blocked;    /* calls that come do not change that before then */
	TimestampTz cursor;     /* due times below were read; DT_NOEND: all */
	TimestampTz rewind;     /* lowest due time that arrived since, or DT_NOEND */
	bool capped;            /* couriers make as many of its calls as they may */
	int held;               /* that they make */
} Line;

/* A bell for the databases whose number leaves the same rest: whoever waits looks whether it was for him. */
static ConditionVariable *bells = NULL;
static HTAB *homes = NULL;
static HTAB *lines = NULL;

static IntakeTurn reading; /* that this process has taken */
static bool is_reading = false;

/* ---- shared memory ---- */

Size
intake_board_shmem_size(void)
{
	Size size = hash_estimate_size(intake_settings_max_lanes, sizeof(Line));

	size = add_size(size, hash_estimate_size(MOST_HOMES, sizeof(Home)));
	return add_size(size, BELLS * sizeof(ConditionVariable));
}

/* Makes the board or finds it. The caller holds AddinShmemInitLock. */
void
intake_board_startup(void)
{
	HASHCTL of_homes = {.keysize = sizeof(Oid), .entrysize = sizeof(Home)};
	HASHCTL of_lines = {.keysize = sizeof(LineTag), .entrysize = sizeof(Line)};
	bool found;

	homes = ShmemInitHash("pg_intake call databases", 16, MOST_HOMES, &of_homes,
						  HASH_ELEM | HASH_BLOBS);
	lines = ShmemInitHash("pg_intake call lines", Min(intake_settings_max_lanes, 1024),
						  intake_settings_max_lanes, &of_lines, HASH_ELEM | HASH_BLOBS);
	bells = ShmemInitStruct("pg_intake bells", BELLS * sizeof(ConditionVariable), &found);
	for (int i = 0; i < BELLS && !found; i++)
		ConditionVariableInit(&bells[i]);
}

/* Raises an error where there is no shared memory: calls cannot be made then. */
void
intake_board_require(void)
{
	if (intake_shmem == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("no call can be made: the server has not loaded the library pg_intake"),
			 errhint("Add pg_intake to shared_preload_libraries in postgresql.conf, and restart "
					 "the server.")));
}

/*
 * Raises an error in a subtransaction. What it did to lines would be told when the whole transaction
 * commits, even if it was rolled back itself: they would have calls in the hands of nobody.
 */
void
intake_board_require_whole(const char *function)
{
	if (GetCurrentTransactionNestLevel() > 1)
		ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
						errmsg("%s cannot be called in a subtransaction", function),
						errhint("It has its effect as a whole, in a transaction of its own.")));
}

static void
lock(void)
{
	LWLockAcquire(intake_shmem->call_lock, LW_EXCLUSIVE);
}

static void
unlock(void)
{
	LWLockRelease(intake_shmem->call_lock);
}

static void
ring(Oid database)
{
	ConditionVariableBroadcast(&bells[database % BELLS]);
}

/* ---- lines; the lock is held ---- */

static int
compare_due(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	TimestampTz left = pairingheap_const_container(Line, later, a)->due;
	TimestampTz right = pairingheap_const_container(Line, later, b)->due;

	return left < right ? 1 : left > right ? -1 : 0;
}

/* What is known of this database, made if it is new; NULL where there is no room. */
static Home *
find_home(HASHACTION action)
{
	bool found;
	Home *home = hash_search(homes, &MyDatabaseId, action, &found);

	if (home != NULL && !found)
	{
		dlist_init(&home->ready);
		home->later = (pairingheap){.ph_compare = compare_due};
		home->cancels = 0;
		home->held = 0;
	}
	return home;
}

static void
take_out(Line *line)
{
	if (line->state == LINE_READY)
		dlist_delete(&line->place);
	else if (line->state == LINE_LATER)
		pairingheap_remove(&line->home->later, &line->later);
	line->state = LINE_IDLE;
}

static void
forget_if_idle(Line *line)
{
	if (line->state == LINE_IDLE && line->held <= 0 && !line->capped)
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
static bool
put_in(Line *line)
{
	take_out(line);
	if (line->due == DT_NOEND)
		return false;
	if (line->due <= GetCurrentTimestamp())
	{
		dlist_push_tail(&line->home->ready, &line->place);
		line->state = LINE_READY;
		return true;
	}
	if (is_tight() && line->held <= 0)
	{
		line->due = DT_NOEND;
		intake_database_look_soon();
		return false;
	}
	pairingheap_add(&line->home->later, &line->later);
	line->state = LINE_LATER;
	return false;
}

/* The lines whose time has come are ready. */
static void
make_ready(Home *home)
{
	TimestampTz now = GetCurrentTimestamp();

	while (!pairingheap_is_empty(&home->later))
	{
		Line *first = pairingheap_container(Line, later, pairingheap_first(&home->later));

		if (first->due > now)
			break;
		(void) put_in(first);
	}
}

/* The line, made if it is new and ACTION says so; NULL where there is none, or no room. */
static Line *
find_line(int64 line_id, bool make)
{
	LineTag tag = {line_id, MyDatabaseId, 0};
	Line *line;
	Home *home;
	bool found;

	make = make && hash_get_num_entries(lines) < intake_settings_max_lanes;
	if (!make)
		return hash_search(lines, &tag, HASH_FIND, NULL);
	home = find_home(HASH_ENTER_NULL);
	line = home ? hash_search(lines, &tag, HASH_ENTER_NULL, &found) : NULL;
	if (line == NULL || found)
		return line;
	line->home = home;
	line->state = LINE_IDLE;
	line->due = line->cursor = line->rewind = DT_NOEND;
	line->blocked = DT_NOBEGIN;
	line->capped = false;
	line->held = 0;
	return line;
}

/* Calls of a line are due from DUE on. Returns whether somebody may have to know sooner than he does. */
static bool
add(Line *line, TimestampTz due)
{
	TimestampTz before = line->due;

	line->rewind = Min(line->rewind, due);
	if (line->capped)
		return false;
	due = Max(due, line->blocked);
	if (due >= before && line->state != LINE_IDLE)
		return false;
	line->due = Min(due, before);
	if (line->state == LINE_READ)
		return false;
	(void) put_in(line);
	return true;
}

/*
 * Tells a line that calls from DUE on are there, whether it waits for something or not. Returns false
 * where there is no room: the supervisor tells it later. Raises no error.
 */
bool
intake_board_tell(int64 line_id, TimestampTz due)
{
	Line *line;
	bool known;
	bool news = false;

	lock();
	line = find_line(line_id, true);
	known = line != NULL;
	if (known)
	{
		line->blocked = DT_NOBEGIN;
		line->capped = false;
		news = add(line, due);
		forget_if_idle(line);
	}
	unlock();
	if (news)
		ring(MyDatabaseId);
	return known;
}

/* Tells a line what was done to it. Returns whether couriers are to be woken. */
static bool
publish_note(const IntakeNote *note)
{
	Line *line = find_line(note->line_id, note->due != DT_NOEND || note->held > 0);
	bool news = false;
	bool uncapped;

	if (line == NULL)
	{
		if (note->due != DT_NOEND)
			intake_database_look_soon();
		return false;
	}
	line->held = Max(line->held + note->held, 0);
	line->home->held = Max(line->home->held + note->held, 0);
	uncapped = line->capped && (note->held < 0 || line->held <= 0);
	line->capped &= !uncapped;
	if (note->open)
		line->blocked = DT_NOBEGIN;
	if (note->open || uncapped)
		news = add(line, Min(line->cursor, line->rewind));
	if (note->due != DT_NOEND)
		news |= add(line, note->due);
	forget_if_idle(line);
	return news;
}

/* Tells lines what a transaction did to them, and whether it cancelled calls. Raises no error. */
void
intake_board_publish(const IntakeNote *notes, int count, bool cancelled)
{
	bool news = cancelled;

	lock();
	for (int i = 0; i < count; i++)
		news |= publish_note(&notes[i]);
	if (cancelled)
	{
		Home *home = find_home(HASH_ENTER_NULL);

		if (home != NULL)
			home->cancels++;
	}
	unlock();
	if (news)
		ring(MyDatabaseId);
}

/* ---- for couriers ---- */

/*
 * Couriers may make more of the lines whose calls a transaction has ended, though it has not committed:
 * else who brings answers would get no calls for them. If it fails, they are read for nothing.
 */
void
intake_board_uncap(const IntakeNote *notes, int count)
{
	lock();
	for (int i = 0; i < count; i++)
	{
		Line *line = find_line(notes[i].line_id, false);

		if (line == NULL || !line->capped || (notes[i].held >= 0 && line->held + notes[i].held > 0))
			continue;
		line->capped = false;
		(void) add(line, Min(line->cursor, line->rewind));
	}
	unlock();
}

/*
 * Takes the next line of this database that is ready. The caller takes a snapshot after this, reads, and
 * calls intake_board_put or intake_board_block. Returns false when none is ready.
 */
bool
intake_board_take(IntakeTurn *turn)
{
	Home *home;

	lock();
	home = find_home(HASH_FIND);
	if (home != NULL)
		make_ready(home);
	if (home != NULL && !dlist_is_empty(&home->ready))
	{
		Line *line = dlist_head_element(Line, place, &home->ready);

		take_out(line);
		line->state = LINE_READ;
		reading =
			(IntakeTurn){line->tag.id, Min(line->cursor, line->rewind), line->held, home->held};
		line->due = line->rewind = DT_NOEND;
		line->blocked = DT_NOBEGIN;
		is_reading = true;
	}
	unlock();
	*turn = reading;
	if (is_reading)
		intake_note_read(turn->line_id, turn->start, &turn->held, &turn->all_held);
	return is_reading;
}

/* Ends the reading of a line: see below. */
static void
put(TimestampTz cursor, TimestampTz next, TimestampTz blocked, bool capped)
{
	Line *line;

	is_reading = false;
	lock();
	/* It is gone where the extension has been dropped meanwhile. */
	line = find_line(reading.line_id, false);
	if (line != NULL && line->state == LINE_READ)
	{
		line->state = LINE_IDLE;
		line->cursor = cursor;
		line->blocked = blocked;
		line->capped = capped;
		line->due = capped ? DT_NOEND : Max(Min(Min(line->due, next), line->rewind), blocked);
		(void) put_in(line);
		forget_if_idle(line);
	}
	unlock();
}

/*
 * Ends the reading of the line that was taken. What is due before CURSOR was read; the next call is due
 * at NEXT (DT_NOEND: there is none).
 */
void
intake_board_put(TimestampTz cursor, TimestampTz next)
{
	put(next == DT_NOEND ? DT_NOEND : cursor, next, DT_NOBEGIN, false);
}

/* Likewise, of a line that nothing was read of, for it waits until UNTIL, whatever comes. */
void
intake_board_block(TimestampTz until)
{
	put(reading.start, until, until, false);
}

/* Likewise, of a line of which there is more from CURSOR on, but couriers make as much as they may. */
void
intake_board_cap(TimestampTz cursor)
{
	put(cursor, DT_NOEND, DT_NOBEGIN, true);
}

/* Ends the reading of a line where the transaction fails. */
void
intake_board_abandon(void)
{
	if (is_reading)
		intake_board_put(DT_NOEND, DT_NOEND);
}

/* Whether a line is ready, and if none is, when the first one will be (DT_NOEND: none). */
static bool
is_due(TimestampTz *next)
{
	Home *home;
	bool due = false;

	*next = DT_NOEND;
	lock();
	home = find_home(HASH_FIND);
	if (home != NULL)
	{
		make_ready(home);
		due = !dlist_is_empty(&home->ready);
		if (!pairingheap_is_empty(&home->later))
			*next = pairingheap_container(Line, later, pairingheap_first(&home->later))->due;
	}
	unlock();
	return due;
}

/* When the next line of this database is to be looked at; DT_NOEND: none is. */
TimestampTz
intake_board_due(void)
{
	TimestampTz next;

	return is_due(&next) ? DT_NOBEGIN : next;
}

/* Grows with each transaction of this database that has cancelled calls. */
uint64
intake_board_cancels(void)
{
	Home *home;
	uint64 cancels = 0;

	lock();
	home = find_home(HASH_FIND);
	if (home != NULL)
		cancels = home->cancels;
	unlock();
	return cancels;
}

/* Milliseconds until DUE, one at least, or MOST. A time of day may jump, so the answer is bounded. */
static long
until(TimestampTz due, long most)
{
	if (due == DT_NOEND)
		return most;
	return Max(Min(TimestampDifferenceMilliseconds(GetCurrentTimestamp(), due) + 1, most), 1);
}

/* Whether the extension is there. Leaves no snapshot behind. */
static bool
is_installed(void)
{
	bool installed;

	AcceptInvalidationMessages();
	installed = OidIsValid(intake_owner_extension(NoLock));
	InvalidateCatalogSnapshot();
	return installed;
}

/*
 * Waits until a line is ready, calls were cancelled after CANCELS was read, or the extension is gone; at
 * most MILLISECONDS. The caller has no snapshot.
 */
void
intake_board_wait(uint64 cancels, long milliseconds)
{
	ConditionVariable *bell = &bells[MyDatabaseId % BELLS];
	int64 end = intake_clock_ms() + milliseconds;
	int64 left = milliseconds;
	TimestampTz next;

	ConditionVariablePrepareToSleep(bell);
	while (left > 0 && !is_due(&next) && cancels == intake_board_cancels())
	{
		(void) ConditionVariableTimedSleep(bell, until(next, left), PG_WAIT_EXTENSION);
		if (!is_installed())
			break;
		left = end - intake_clock_ms();
	}
	ConditionVariableCancelSleep();
}

/* A database, or the extension there, is gone. */
void
intake_board_forget(Oid database)
{
	HASH_SEQ_STATUS status;
	Line *line;

	lock();
	hash_seq_init(&status, lines);
	while ((line = hash_seq_search(&status)) != NULL)
		if (line->tag.database == database)
			hash_search(lines, &line->tag, HASH_REMOVE, NULL);
	(void) hash_search(homes, &database, HASH_REMOVE, NULL);
	unlock();
	ring(database);
}
