/*
 * alone.c
 *		Keeping all other jobs away while a suspect runs.
 *
 * An executor that has a suspect closes the gate of the extension (owner.h), for which it has to
 * wait for all jobs that run, and while it waits no new one begins. So it waits for a second at
 * most, and then lets jobs pass for nine times as long before it waits again. In between it looks
 * whether the gate can be closed at once.
 *
 * Where jobs are long, and begin before others have ended, a second is never enough. So who has
 * waited for more than a minute waits for a sixtieth of that at a time: a suspect has its turn
 * before seventy times the length of the longest job, and never does more than a tenth of the time
 * go into waiting. The times of all executors of a database are kept together, in the slot of its
 * supervisor.
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
#include "ground/owner.h"
#include "ground/slot.h"
#include "ground/txn.h"
#include "jobs/alone.h"

#define PATIENCE 1000    /* milliseconds; the least that is waited at a time */
#define PATIENCE_PART 60 /* and this part of what was waited so far, where that is more */
#define WAITING_PART 10  /* one part in this many of the time, at most, goes into waiting */
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
	if (!intake_slot_take_turn(now, now + patience * WAITING_PART))
		patience = 0;
	if (!close_gate(patience))
		return false;
	/* It took less time than it might have. */
	intake_slot_set_turn(now + (intake_clock_ms() - now) * WAITING_PART);
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

/* How long a process may rest that would rest so many MILLISECONDS: a suspect may wait. */
long
intake_alone_wait(long milliseconds)
{
	return waiting_since == 0 ? milliseconds : Min(milliseconds, LOOK_EVERY);
}
