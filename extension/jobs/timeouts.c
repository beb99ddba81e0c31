/*
 * timeouts.c
 *		How long a handler may run.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "tcop/tcopprot.h"
#include "utils/timeout.h"

#include "jobs/timeouts.h"

#define HANDLER_GRACE 5000 /* milliseconds between the timeout and the end of the process */

static TimeoutId grace_timeout = MAX_TIMEOUTS;

/* The handler went on after its cancel: end the process, which no handler can catch. */
static void
end_of_grace(void)
{
	die(SIGTERM);
}

/* Begins the time of a handler. It is cancelled at its end, and the process with it a while later. */
void
intake_timeouts_start(int64 milliseconds)
{
	if (grace_timeout == MAX_TIMEOUTS)
		grace_timeout = RegisterTimeout(USER_TIMEOUT, end_of_grace);
	QueryCancelPending = false;
	enable_timeout_after(STATEMENT_TIMEOUT, milliseconds);
	enable_timeout_after(grace_timeout, milliseconds + HANDLER_GRACE);
}

void
intake_timeouts_stop(void)
{
	disable_timeout(STATEMENT_TIMEOUT, false);
	if (grace_timeout != MAX_TIMEOUTS)
		disable_timeout(grace_timeout, false);
	/* A cancel that came too late must not hit what comes next. */
	QueryCancelPending = false;
}
