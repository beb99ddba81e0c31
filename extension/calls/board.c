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
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "calls/bell.h"
#include "calls/board.h"
#include "calls/entry.h"
#include "ground/database.h"
#include "ground/shmem.h"

static IntakeTurn reading; /* that this process has taken */
static bool is_reading = false;

Size
intake_board_shmem_size(void)
{
	return add_size(intake_entry_shmem_size(), intake_bell_shmem_size());
}

/* Makes the board or finds it. The caller holds AddinShmemInitLock. */
void
intake_board_startup(void)
{
	intake_entry_startup();
	intake_bell_startup();
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

/*
 * Tells a line that calls from DUE on are there, whether it waits for something or not. Returns false
 * where there is no room: the supervisor tells it later. Raises no error.
 */
bool
intake_board_tell(int64 line_id, TimestampTz due)
{
	IntakeEntry *line;
	bool known;
	bool news = false;

	intake_entry_lock();
	line = intake_entry_find(line_id, true);
	known = line != NULL;
	if (known)
	{
		line->blocked = DT_NOBEGIN;
		line->capped = false;
		news = intake_entry_add(line, due);
		intake_entry_forget_if_idle(line);
	}
	intake_entry_unlock();
	if (news)
		intake_bell_ring(MyDatabaseId);
	return known;
}

/* Tells a line what was done to it. Returns whether couriers are to be woken. */
static bool
publish_note(const IntakeNote *note)
{
	IntakeEntry *line = intake_entry_find(note->line_id, note->due != DT_NOEND || note->held > 0);
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
		news = intake_entry_add(line, Min(line->cursor, line->rewind));
	if (note->due != DT_NOEND)
		news |= intake_entry_add(line, note->due);
	intake_entry_forget_if_idle(line);
	return news;
}

/* Tells lines what a transaction did to them, and whether it cancelled calls. Raises no error. */
void
intake_board_publish(const IntakeNote *notes, int count, bool cancelled)
{
	bool news = cancelled;

	intake_entry_lock();
	for (int i = 0; i < count; i++)
		news |= publish_note(&notes[i]);
	if (cancelled)
	{
		IntakeHome *home = intake_entry_home(true);

		if (home != NULL)
			home->cancels++;
	}
	intake_entry_unlock();
	if (news)
		intake_bell_ring(MyDatabaseId);
}

/* ---- for couriers ---- */

/*
 * Couriers may make more of the lines whose calls a transaction has ended, though it has not committed:
 * else who brings answers would get no calls for them. If it fails, they are read for nothing.
 */
void
intake_board_uncap(const IntakeNote *notes, int count)
{
	intake_entry_lock();
	for (int i = 0; i < count; i++)
	{
		IntakeEntry *line = intake_entry_find(notes[i].line_id, false);

		if (line == NULL || !line->capped || (notes[i].held >= 0 && line->held + notes[i].held > 0))
			continue;
		line->capped = false;
		(void) intake_entry_add(line, Min(line->cursor, line->rewind));
	}
	intake_entry_unlock();
}

/*
 * Takes the next line of this database that is ready. The caller takes a snapshot after this, reads, and
 * calls intake_board_put or intake_board_block. Returns false when none is ready.
 */
bool
intake_board_take(IntakeTurn *turn)
{
	IntakeHome *home;

	intake_entry_lock();
	home = intake_entry_home(false);
	if (home != NULL)
		intake_entry_make_ready(home);
	if (home != NULL && !dlist_is_empty(&home->ready))
	{
		IntakeEntry *line = dlist_head_element(IntakeEntry, place, &home->ready);

		intake_entry_take_out(line);
		line->state = INTAKE_ENTRY_READ;
		reading =
			(IntakeTurn){line->tag.id, Min(line->cursor, line->rewind), line->held, home->held};
		line->due = line->rewind = DT_NOEND;
		line->blocked = DT_NOBEGIN;
		is_reading = true;
	}
	intake_entry_unlock();
	*turn = reading;
	return is_reading;
}

/* Ends the reading of a line: see below. */
static void
put(TimestampTz cursor, TimestampTz next, TimestampTz blocked, bool capped)
{
	IntakeEntry *line;

	is_reading = false;
	intake_entry_lock();
	/* It is gone where the extension has been dropped meanwhile. */
	line = intake_entry_find(reading.line_id, false);
	if (line != NULL && line->state == INTAKE_ENTRY_READ)
	{
		line->state = INTAKE_ENTRY_IDLE;
		line->cursor = cursor;
		line->blocked = blocked;
		line->capped = capped;
		line->due = capped ? DT_NOEND : Max(Min(Min(line->due, next), line->rewind), blocked);
		(void) intake_entry_put_in(line);
		intake_entry_forget_if_idle(line);
	}
	intake_entry_unlock();
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

/* A database, or the extension there, is gone. */
void
intake_board_forget(Oid database)
{
	intake_entry_lock();
	intake_entry_forget(database);
	intake_entry_unlock();
	intake_bell_ring(database);
}
