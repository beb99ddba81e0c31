/*
 * tending.c
 *		What the supervisor does for workflows whose surroundings change.
 *
 * Names: the owner or the handler of a workflow was renamed, and the next dump needs the new
 * name; or the handler was dropped and is there again. See intake.tend_workflows.
 *
 * Jobs of workflows that were dropped: drop_workflow discards those that it sees. More come from
 * transactions that stored an event before the workflow was gone, and from an executor that gives
 * back what it had claimed. So there is a second look, and a third, until none can come any more.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "storage/proc.h"
#include "storage/procarray.h"

#include "config/dependency.h"
#include "config/workflows.h"
#include "ground/clock.h"
#include "ground/database.h"
#include "ground/owner.h"
#include "workers/tending.h"

#define LOOK_AGAIN 5000 /* milliseconds, while something is not as it should be */
#define LOOK_SHARE 50   /* looking takes one part in so many of the time */

static bool changed = false;     /* workflows may have, since the last look */
static int64 next_look = 0;      /* milliseconds, by the monotonic clock */
static int64 not_before = 0;     /* likewise: whatever has changed */
static bool settling = false;    /* jobs of a dropped workflow may still come */
static TransactionId change = 0; /* transactions from this one on know what was dropped */

/* Whether all transactions have ended that may have read the workflows before the last change. */
static bool
are_readers_gone(void)
{
	TransactionId before = change;
	int count;

	if (TransactionIdPrecedes(GetOldestActiveTransactionId(), change))
		return false;
	TransactionIdRetreat(before);
	(void) GetCurrentVirtualXIDs(before, true, false, PROC_IS_AUTOVACUUM | PROC_IN_VACUUM, &count);
	return count == 0;
}

/* Runs a function of the extension's, as its owner, that tells whether there is more to do. */
static bool
ask(const char *query)
{
	IntakeOwner saved;
	bool null;
	bool answer;

	intake_owner_begin(&saved);
	SPI_connect();
	if (SPI_execute(query, false, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not look after the workflows");
	answer = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null)) &&
			 !null;
	SPI_finish();
	intake_owner_end(&saved);
	return answer;
}

/* Workflows have changed, or what they depend on. */
void
intake_tending_note_change(void)
{
	changed = true;
}

/* Has the workflows looked after soon, should a change have been missed. */
void
intake_tending_poll(void)
{
	next_look = 0;
}

/* Milliseconds until intake_tending_do is to be called, 0 for now. */
long
intake_tending_due(void)
{
	int64 due = changed ? 0 : next_look;

	return Max(0, Max(due, not_before) - intake_clock_ms());
}

/* Looks after the workflows, in the transaction in progress, which has an active snapshot. */
void
intake_tending_do(void)
{
	int64 start = intake_clock_now();
	bool gone;
	uint32 noted;

	next_look = intake_clock_ms() + LOOK_AGAIN; /* should this fail */
	noted = intake_database_blocked_begin();
	intake_workflows_refresh();
	if (changed)
	{
		change = ReadNextTransactionId();
		settling = true;
		intake_dependency_keep(false);
	}
	gone = are_readers_gone();
	changed = ask("SELECT intake.tend_workflows()");
	if (settling)
		settling = ask("SELECT intake.discard_jobs_of_dropped()") || !gone;
	if (!ask("SELECT intake.workflows_wait()"))
		intake_database_blocked_end(noted);
	if (!settling)
		next_look = PG_INT64_MAX / 2;
	not_before = intake_clock_ms() + (intake_clock_now() - start) * LOOK_SHARE / 1000;
}
