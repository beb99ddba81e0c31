/*
 * overstay.c
 *		Transactions of couriers that do not end.
 *
 * Until a transaction that has taken or answered calls ends, whoever cancels one of their jobs, or drops
 * their workflow, waits for it. A courier that was stopped while its calls were sent to it leaves it
 * open, and one that was stolen may. So it ends with the lease, and the session with it: nothing that
 * the session sets keeps it from that. Prepared, it would have no end at all, and is refused.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "tcop/tcopprot.h"
#include "utils/timeout.h"

#include "calls/overstay.h"

static TimeoutId timeout = MAX_TIMEOUTS;
static bool watched = false;
static volatile sig_atomic_t overstayed = false;

static void
end_session(void)
{
	overstayed = true;
	die(SIGTERM);
}

static void
end_transaction(XactEvent event, void *arg)
{
	if (!watched)
		return;
	if (event == XACT_EVENT_PRE_PREPARE)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("cannot PREPARE a transaction that has taken or answered calls")));
	if (event != XACT_EVENT_PRE_COMMIT && event != XACT_EVENT_ABORT)
		return;
	watched = false;
	disable_timeout(timeout, false);
	if (event == XACT_EVENT_ABORT && overstayed)
		ereport(LOG, (errmsg("the session of a courier is ended, whose transaction was open for "
							 "longer than its lease"),
					  errhidestmt(true), errhidecontext(true)));
	overstayed = false;
}

/* Ends this session if its transaction is still open after so many MILLISECONDS. */
void
intake_overstay_watch(int milliseconds)
{
	if (timeout == MAX_TIMEOUTS)
	{
		timeout = RegisterTimeout(USER_TIMEOUT, end_session);
		RegisterXactCallback(end_transaction, NULL);
	}
	if (watched)
		return;
	enable_timeout_after(timeout, milliseconds);
	watched = true;
}
