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
#include "ground/owner.h"
#include "ground/settings.h"
#include "workers/tending.h"

#define LOOK_AGAIN 5000 /* milliseconds, while something is not as it should be */

static uint64 known = 0;         /* version of the workflows at the last look */
static int64 next_look = 0;      /* milliseconds, by the monotonic clock */
static bool settling = false;    /* jobs of a dropped workflow may still come */
static TransactionId change = 0; /* transactions from this one on know what was dropped */

/* Whether a workflow waits for something outside. */
static bool
is_any_blocked(void)
{
	ListCell *cell;

	foreach (cell, intake_workflows_all())
		if (((IntakeWorkflow *) lfirst(cell))->blocked)
			return true;
	return false;
}

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

/* Milliseconds until intake_tending_do is to be called, 0 for now. The workflows are fresh. */
long
intake_tending_due(void)
{
	if (known != intake_workflows_version())
		return 0;
	return Max(0, next_look - intake_clock_ms());
}

/* Looks after the workflows, in the transaction in progress, which has an active snapshot. */
void
intake_tending_do(void)
{
	bool gone;

	if (known != intake_workflows_version())
	{
		change = ReadNextTransactionId();
		settling = true;
		intake_dependency_keep(false);
	}
	known = intake_workflows_version();
	next_look = intake_clock_ms() + LOOK_AGAIN; /* should this fail */
	gone = are_readers_gone();
	intake_owner_execute("SELECT intake.tend_workflows()");
	if (settling)
		settling = ask("SELECT intake.discard_jobs_of_dropped()") || !gone;
	if (!settling && !is_any_blocked())
		next_look += Max(0, intake_settings_poll_interval - LOOK_AGAIN);
}
