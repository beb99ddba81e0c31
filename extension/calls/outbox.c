/*
 * outbox.c
 *		The calls that a step asks for, and their answers.
 */
#include "postgres.h"

#include "calls/outbox.h"

static void
refuse(void)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("calls are not supported yet")));
}

/* Stores the requests of a step, and puts its job where it waits for the answers. */
void
intake_outbox_put(const IntakeJob *job, const IntakeWorkflow *workflow, const IntakeNext *next,
				  TimestampTz expires_at, int64 *first_call, int32 *calls)
{
	refuse();
}

/*
 * The answers as intake.response[], their payloads as *INPUT, or NULL, and of a call that failed for
 * good, the first of them, what happened as *ERROR, or NULL.
 */
Datum
intake_outbox_answers(int64 job_id, int64 first_call, int32 calls, bool single, Jsonb **input,
					  char **error)
{
	refuse();
	return (Datum) 0;
}
