/*
 * signal.c
 *		Signals that jobs wait for.
 */
#include "postgres.h"

#include "calls/signal.h"

/* Puts a job where it waits for the signal that its step has named. */
void
intake_signal_await(const IntakeJob *job, const IntakeNext *next, TimestampTz expires_at,
					IntakeProgress *progress)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("signals are not supported yet")));
}
