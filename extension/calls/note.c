/*
 * note.c
 *		What a transaction does to the lines of calls.
 *
 * It is told to the board when the transaction has committed and its locks are released, so that who
 * is woken sees it. Where it fails, what it has read is there for others.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "calls/board.h"
#include "calls/note.h"
#include "ground/shmem.h"

PG_FUNCTION_INFO_V1(intake_sql_open_line);

static IntakeNote *notes = NULL; /* in TopTransactionContext */
static int n_notes = 0;
static int room = 0;
static int all_held = 0; /* of all notes */
static bool cancelled = false;
static bool committed = false;

static void
forget(void)
{
	notes = NULL;
	n_notes = room = all_held = 0;
	cancelled = committed = false;
}

/* What was read, and not taken after all, is there for others. */
static void
undo(void)
{
	intake_board_abandon();
	for (int i = 0; i < n_notes; i++)
		if (notes[i].start != DT_NOEND)
			(void) intake_board_tell(notes[i].line_id, notes[i].start);
}

static void
end_transaction(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT)
		committed = true;
	else if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
	{
		undo();
		forget();
	}
}

/* The invalidations have been sent when the locks are released. */
static void
release(ResourceReleasePhase phase, bool commit, bool top, void *arg)
{
	if (!committed || !top || phase != RESOURCE_RELEASE_AFTER_LOCKS)
		return;
	if (n_notes > 0 || cancelled)
		intake_board_publish(notes, n_notes, cancelled);
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

/* The note of a line, made if there is none. */
static IntakeNote *
note_of(int64 line_id)
{
	register_once();
	for (int i = n_notes - 1; i >= 0; i--)
		if (notes[i].line_id == line_id)
			return &notes[i];
	if (n_notes == room)
	{
		room = Max(16, 2 * room);
		notes = notes ? repalloc(notes, room * sizeof(IntakeNote))
					  : MemoryContextAlloc(TopTransactionContext, room * sizeof(IntakeNote));
	}
	notes[n_notes] = (IntakeNote){line_id, DT_NOEND, DT_NOEND, 0, false};
	return &notes[n_notes++];
}

/* Notes that this transaction puts a call that is due at DUE into a line. */
void
intake_note_due(int64 line_id, TimestampTz due)
{
	IntakeNote *note;

	if (intake_shmem == NULL)
		return;
	note = note_of(line_id);
	note->due = Min(note->due, due);
}

/* Notes that a line waits for nothing any more. */
void
intake_note_open(int64 line_id)
{
	if (intake_shmem != NULL)
		note_of(line_id)->open = true;
}

/* Notes that couriers make so many calls of a line more, or less. */
void
intake_note_held(int64 line_id, int change)
{
	if (intake_shmem == NULL)
		return;
	note_of(line_id)->held += change;
	all_held += change;
}

/* Notes that this transaction cancels calls that couriers make. */
void
intake_note_cancel(void)
{
	register_once();
	cancelled = intake_shmem != NULL;
}

/*
 * Takes the next line that is ready, as intake_board_take does, and notes where this transaction begins
 * to read it: if it fails, others read that anew. What it has done to the line and to all of them is not
 * told yet, and counts.
 */
bool
intake_note_take(IntakeTurn *turn)
{
	IntakeNote *note;

	if (!intake_board_take(turn))
		return false;
	note = note_of(turn->line_id);
	note->start = turn->start;
	turn->held += note->held;
	turn->all_held += all_held;
	return true;
}

/* Lets couriers make more of the lines whose calls this transaction has ended, before it commits. */
void
intake_note_uncap(void)
{
	if (n_notes > 0)
		intake_board_uncap(notes, n_notes);
}

/* SQL: intake.open_line(line_id). */
Datum
intake_sql_open_line(PG_FUNCTION_ARGS)
{
	intake_note_open(PG_GETARG_INT64(0));
	intake_note_due(PG_GETARG_INT64(0), GetCurrentTransactionStartTimestamp());
	PG_RETURN_VOID();
}
