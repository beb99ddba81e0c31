/*
 * alone.c
 *		Keeping all other jobs away while a suspect runs.
 *
 * An executor that has a suspect closes the gate of the extension (owner.h). For that it has to
 * wait until all running jobs have ended, and while it waits, no new one begins. So it waits for a
 * second at most, and then lets jobs pass for nine times as long before it waits again. In between
 * it tries to close the gate without waiting.
 *
 * If jobs are long, and begin before others have ended, a second is never enough. So an executor
 * that has tried for more than a minute waits for a sixtieth of that time at once. A suspect then
 * has its turn within seventy times the length of the longest job, and waiting takes a tenth of the
 * time at most. The executors of a database take turns.
 *
 * The gate stays closed across transactions that commit: the one that marks the suspect, and the
 * one that runs it. One that aborts opens it; so what may fail runs in a subtransaction (attempt.c).
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"

#include "ground/clock.h"
#include "ground/compat.h"
#include "ground/database.h"
#include "ground/owner.h"
#include "ground/txn.h"
#include "jobs/alone.h"

#define PATIENCE 1000    /* milliseconds; the shortest wait */
#define PATIENCE_PART 60 /* or a part of the time since the first try, if that is longer */
#define WAITING_PART 10  /* waiting takes one part in so many of the time, at most */
#define LOOK_EVERY 100   /* milliseconds */

static LOCKTAG gate;
static int64 waiting_since = 0; /* by intake_clock_ms; 0: not waiting */

static bool
wait_for_gate(void *argument)
{
	(void) LockAcquire(&gate, INTAKE_GATE_ALONE, true, false);
	return true;
}

/* Closes the gate, if that can be done within MILLISECONDS. */
static bool
close_gate(int milliseconds)
{
	int saved = LockTimeout;
	ErrorData *error;
	bool closed;

	if (milliseconds == 0)
		return LockAcquire(&gate, INTAKE_GATE_ALONE, true, true) != LOCKACQUIRE_NOT_AVAIL;
	LockTimeout = milliseconds;
	closed = intake_txn_try(wait_for_gate, NULL, &error);
	LockTimeout = saved;
	if (error != NULL && error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE &&
		error->sqlerrcode != ERRCODE_QUERY_CANCELED)
		ReThrowError(error);
	return closed;
}

/*
 * Tries to keep all other jobs of the database away, until intake_alone_end. Returns whether that
 * is so. To be called in a transaction that has passed the gate to look.
 */
bool
intake_alone_begin(void)
{
	int64 now = intake_clock_ms();
	int64 patience;

	if (waiting_since == 0)
		waiting_since = now;
	patience = Max(PATIENCE, (now - waiting_since) / PATIENCE_PART);
	intake_owner_gate(&gate, intake_owner_extension(NoLock));
	if (!intake_database_take_turn(now, now + patience * WAITING_PART))
		patience = 0;
	if (!close_gate(patience))
		return false;
	/* The wait was shorter than it could have been, and so is the pause behind it. */
	intake_database_set_turn(now + (intake_clock_ms() - now) * WAITING_PART);
	waiting_since = 0;
	return true;
}

/* Lets the others pass again. */
void
intake_alone_end(void)
{
	if (LockHeldByMe(&gate, INTAKE_GATE_ALONE, false))
		LockRelease(&gate, INTAKE_GATE_ALONE, true);
}

/* There is no suspect that waits. */
void
intake_alone_forget(void)
{
	waiting_since = 0;
}

/* Whether there is a suspect that waits. */
bool
intake_alone_is_waiting(void)
{
	return waiting_since != 0;
}

/* How long a process may rest instead of MILLISECONDS: less while its suspect waits. */
long
intake_alone_wait(long milliseconds)
{
	return waiting_since == 0 ? milliseconds : Min(milliseconds, LOOK_EVERY);
}
