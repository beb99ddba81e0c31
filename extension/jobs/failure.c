/*
 * failure.c
 *		What becomes of a job whose attempt failed: a retry later, or a dead letter.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "common/pg_prng.h"
#include "utils/builtins.h"
#include "utils/elog.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "config/workflows.h"
#include "ground/duration.h"
#include "ground/intake.h"
#include "ground/table.h"
#include "ground/txn.h"
#include "jobs/death.h"
#include "jobs/failure.h"
#include "jobs/step.h"
#include "queue/progress.h"
#include "queue/retry.h"

typedef struct Delay
{
	const char *text;
	int64 microseconds;
} Delay;

static bool
read_delay(void *argument)
{
	Delay *delay = argument;
	Interval *interval =
		DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(delay->text),
											  ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));

	delay->microseconds = Min(intake_duration_usecs(interval), INTAKE_DURATION_LONGEST);
	return true;
}

/*
 * Reads an interval, such as '90 seconds', in microseconds, ten years at most; below 0 where it
 * is none.
 */
static int64
parse_delay(const char *text)
{
	Delay delay = {text, -1};
	ErrorData *error;

	(void) intake_txn_try(read_delay, &delay, &error);
	return delay.microseconds;
}

/* The delay of a workflow's jobs after ATTEMPTS failed ones, in microseconds. */
int64
intake_failure_backoff(const IntakeWorkflow *workflow, int32 attempts)
{
	return intake_retry_delay(attempts, workflow->backoff, workflow->backoff_max,
							  pg_prng_double(&pg_global_prng_state));
}

/* The delay before the next attempt, in microseconds. */
static int64
retry_delay(const IntakeJob *job, const IntakeWorkflow *workflow, const IntakeFailure *failure)
{
	int64 delay = -1;

	if (failure->sqlerrcode == ERRCODE_INTAKE_RETRY_LATER && failure->detail != NULL)
		delay = parse_delay(failure->detail);
	if (delay < 0)
		delay = intake_failure_backoff(workflow, job->attempts + 1);
	return delay;
}

/* ---- a failed attempt ---- */

/* The error's message, with its detail and the place where it was raised. */
static char *
describe_error(const IntakeFailure *failure)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, failure->error);
	if (failure->detail != NULL)
		appendStringInfo(&text, "\nDETAIL: %s",
						 intake_death_clip(failure->detail, INTAKE_MAX_ERROR));
	if (failure->context != NULL)
		appendStringInfo(&text, "\nCONTEXT: %s",
						 intake_death_clip(failure->context, INTAKE_MAX_ERROR));
	return text.data;
}

/* The step that a job is at; NULL: it has not come beyond its first. */
static const char *
step_of(const IntakeJob *job)
{
	IntakeProgress progress;

	return job->lane < 0 && intake_progress_read(job->job_id, &progress) ? progress.step : NULL;
}

static void
record_attempt(const IntakeJob *job, TimestampTz started_at, const char *step, int sqlerrcode,
			   const char *error)
{
	IntakeAttempt attempt = {.job_id = job->job_id,
							 .workflow_id = job->workflow_id,
							 .attempt = job->attempts + 1,
							 .started_at = started_at,
							 .sqlstate = unpack_sql_state(sqlerrcode),
							 .error = error,
							 .step = step};

	intake_room_attempt(&attempt);
}

/* Why the last attempt of a job failed, as it was recorded; NULL: that is not known. */
const char *
intake_failure_last_error(int64 job_id)
{
	IntakeScan scan;
	ScanKeyData key;
	TimestampTz last = DT_NOBEGIN;
	const char *error = NULL;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(job_id));
	intake_table_scan_begin(&scan, intake_table_oid("attempt"), "attempt_job", &key, 1);
	while (intake_table_scan_next(&scan))
	{
		Datum *row = scan.slot->tts_values;
		TimestampTz at = DatumGetTimestampTz(INTAKE_COLUMN(row, attempt_finished_at));

		if (at < last || !INTAKE_COLUMN(scan.slot->tts_isnull, attempt_call_id))
			continue;
		last = at;
		error = TextDatumGetCString(INTAKE_COLUMN(row, attempt_error));
	}
	intake_table_scan_end(&scan);
	return error;
}

/*
 * Reports a job that its holder could not take out of its room. If its row was locked, the
 * supervisor will find it there when the holder has gone. If the lease was lost, the job is not the
 * holder's any more: the attempt, which FAILURE ended (NULL: it had not begun), counts for nothing,
 * and is recorded for people to see.
 */
void
intake_failure_lost(const IntakeJob *job, IntakeLeave left, const IntakeFailure *failure)
{
	const char *error = "the lease of the job was lost: its row had gone, or had another lease";

	if (left == INTAKE_BUSY)
	{
		ereport(LOG, (errmsg("job " INT64_FORMAT " could not be given back: another transaction "
							 "has locked it",
							 job->job_id)));
		return;
	}
	if (failure != NULL && failure->sqlerrcode != ERRCODE_INTAKE_STALE_LEASE)
		error = psprintf("%s\nBefore that: %s", error, failure->error);
	ereport(WARNING, (errcode(ERRCODE_INTAKE_STALE_LEASE),
					  errmsg("the lease of job " INT64_FORMAT " was lost", job->job_id),
					  errdetail("Its row in table \"%s\" had gone, or had another lease.",
								job->suspect ? "suspect" : "running"),
					  errhidecontext(true), errhidestmt(true)));
	record_attempt(job, failure ? failure->started_at : 0, failure ? failure->step : NULL,
				   ERRCODE_INTAKE_STALE_LEASE, error);
}

/* Whether a job is not tried again by itself. */
static bool
is_last(const IntakeJob *job, const IntakeWorkflow *workflow, const IntakeFailure *failure)
{
	switch (failure->sqlerrcode)
	{
		case ERRCODE_INTAKE_PERMANENT:
		case ERRCODE_INTAKE_CALL_FAILED:
		case ERRCODE_INTAKE_MAX_STEPS:
		case ERRCODE_INTAKE_EXPIRED:
			return true;
		default:
			return workflow == NULL || failure->permanent ||
				   job->attempts + 1 >= workflow->max_attempts;
	}
}

/* Records the failure of a job that has left its room, and puts it where it waits, or ends. */
static void
move_on(const IntakeJob *job, const IntakeFailure *failure)
{
	const char *step = failure->step ? failure->step : step_of(job);
	IntakeWorkflow *workflow;

	intake_workflows_refresh();
	workflow = intake_workflows_get(job->workflow_id);
	record_attempt(job, failure->started_at, step, failure->sqlerrcode, describe_error(failure));
	if (is_last(job, workflow, failure))
		intake_death_record(job, workflow, step, failure);
	else
		intake_room_delay(job->lane, job->job_id, job->event_id, job->attempts + 1,
						  Min(GetCurrentTimestamp() + retry_delay(job, workflow, failure),
							  failure->hurried ? DT_NOEND : intake_step_expiry(job, workflow)));
}

/*
 * Records a failed attempt of a job, and moves the job to delayed or to dead_letter. To be called
 * in a transaction of its own, with an active snapshot, and before intake_death_notify.
 */
void
intake_failure_record(const IntakeJob *job, const IntakeFailure *reported)
{
	IntakeFailure bounded = *reported;
	IntakeFailure *failure = &bounded;
	IntakeLeave left = intake_room_leave(job, !failure->hurried);

	bounded.error = intake_death_clip(reported->error, INTAKE_MAX_ERROR);
	if (left != INTAKE_LEFT)
		intake_failure_lost(job, left, failure);
	else
		move_on(job, failure);
}
