/*
 * bell.c
 *		Couriers wait here until there are calls, or some were cancelled, and whoever makes such wakes them.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "storage/shmem.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "calls/bell.h"
#include "calls/entry.h"
#include "ground/clock.h"
#include "ground/owner.h"
#include "ground/shmem.h"

#define BELLS 64

/* A bell for the databases whose number leaves the same rest: whoever waits looks whether it was for him. */
static ConditionVariable *bells = NULL;

Size
intake_bell_shmem_size(void)
{
	return BELLS * sizeof(ConditionVariable);
}

/* Makes the bells or finds them. The caller holds AddinShmemInitLock. */
void
intake_bell_startup(void)
{
	bool found;

	bells = ShmemInitStruct("pg_intake bells", BELLS * sizeof(ConditionVariable), &found);
	for (int i = 0; i < BELLS && !found; i++)
		ConditionVariableInit(&bells[i]);
}

/* Wakes those who wait in a database. */
void
intake_bell_ring(Oid database)
{
	ConditionVariableBroadcast(&bells[database % BELLS]);
}

/* Whether a line is ready, and if none is, when the first one will be (DT_NOEND: none). */
static bool
is_due(TimestampTz *next)
{
	IntakeHome *home;
	bool due = false;

	*next = DT_NOEND;
	intake_entry_lock();
	home = intake_entry_home(false);
	if (home != NULL)
	{
		intake_entry_make_ready(home);
		due = !dlist_is_empty(&home->ready);
		if (!pairingheap_is_empty(&home->later))
			*next = pairingheap_container(IntakeEntry, later, pairingheap_first(&home->later))->due;
	}
	intake_entry_unlock();
	return due;
}

/* When the next line of this database is to be looked at; DT_NOEND: none is. */
TimestampTz
intake_bell_due(void)
{
	TimestampTz next;

	return is_due(&next) ? DT_NOBEGIN : next;
}

/* Grows with each transaction of this database that has cancelled calls. */
uint64
intake_bell_cancels(void)
{
	IntakeHome *home;
	uint64 cancels = 0;

	intake_entry_lock();
	home = intake_entry_home(false);
	if (home != NULL)
		cancels = home->cancels;
	intake_entry_unlock();
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
intake_bell_wait(uint64 cancels, long milliseconds)
{
	ConditionVariable *bell = &bells[MyDatabaseId % BELLS];
	int64 end = intake_clock_ms() + milliseconds;
	int64 left = milliseconds;
	TimestampTz next;

	ConditionVariablePrepareToSleep(bell);
	while (left > 0 && !is_due(&next) && cancels == intake_bell_cancels())
	{
		(void) ConditionVariableTimedSleep(bell, until(next, left), PG_WAIT_EXTENSION);
		if (!is_installed())
			break;
		left = end - intake_clock_ms();
	}
	ConditionVariableCancelSleep();
}
