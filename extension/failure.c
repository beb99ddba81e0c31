/*
 * failure.c
 *		What becomes of a job whose attempt failed: a retry later, or a dead letter.
 */
#include "postgres.h"

#include <math.h>

#include "commands/async.h"
#include "common/pg_prng.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/elog.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "duration.h"
#include "event.h"
#include "failure.h"
#include "intake.h"
#include "registry.h"
#include "retry.h"
#include "txn.h"

#define DEAD_LETTER_CHANNEL "intake_dead_letter"
#define MAX_ERROR_IN_ALERT 1000 /* bytes; a notification holds 8000 */

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

/* The delay before the next attempt, in microseconds. */
static int64
retry_delay(const IntakeJob *job, const IntakeWorkflow *workflow, const IntakeFailure *failure)
{
	int64 delay = -1;

	if (failure->sqlerrcode == ERRCODE_INTAKE_RETRY_LATER && failure->detail != NULL)
		delay = parse_delay(failure->detail);
	if (delay < 0)
		delay = intake_retry_delay(job->attempts + 1, workflow->backoff, workflow->backoff_max,
								   pg_prng_double(&pg_global_prng_state));
	return delay;
}

static void
append_member(StringInfo json, const char *name, const char *value)
{
	appendStringInfo(json, "%s\"%s\": ", json->len > 1 ? ", " : "", name);
	if (value == NULL)
		appendStringInfoString(json, "null");
	else
		escape_json(json, value);
}

/* What an alert says of a dead letter, as a JSON object. */
static char *
describe_dead_letter(const IntakeJob *job, const char *workflow, const IntakeStoredEvent *event,
					 const IntakeFailure *failure)
{
	StringInfoData json;
	char *error = pnstrdup(failure->error, MAX_ERROR_IN_ALERT);

	error[pg_mbcliplen(error, strlen(error), MAX_ERROR_IN_ALERT - 1)] = '\0';
	initStringInfo(&json);
	appendStringInfo(
		&json, "{\"job_id\": " INT64_FORMAT ", \"event_id\": " INT64_FORMAT ", \"attempts\": %d",
		job->job_id, job->event_id, job->attempts + 1);
	append_member(&json, "workflow", workflow);
	append_member(&json, "source", event->source);
	append_member(&json, "type", event->type);
	append_member(&json, "sqlstate", unpack_sql_state(failure->sqlerrcode));
	append_member(&json, "error", error);
	appendStringInfoChar(&json, '}');
	return json.data;
}

/*
 * Tells about a new dead letter: the log, a notification, and an event that an alert workflow
 * can match. The death of a job that is such an alert makes no further event.
 */
static void
announce(const IntakeJob *job, const char *workflow, const IntakeFailure *failure)
{
	IntakeStoredEvent event;
	IntakeSlice no_key = {NULL, 0};
	char *json;

	ereport(WARNING,
			(errmsg("job " INT64_FORMAT " of workflow \"%s\" is dead after %d attempts: %s",
					job->job_id, workflow, job->attempts + 1, failure->error),
			 errhidecontext(true), errhidestmt(true)));
	intake_event_read(job->event_id, &event);
	json = describe_dead_letter(job, workflow, &event, failure);
	Async_Notify(DEAD_LETTER_CHANNEL, json);
	if (event.source_id == INTAKE_SOURCE_INTERNAL && event.type != NULL &&
		strcmp(event.type, INTAKE_TYPE_JOB_DEAD) == 0)
		return;
	(void) intake_event_emit(INTAKE_TYPE_JOB_DEAD,
							 DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json))),
							 no_key, 0);
}

static void
bury(const IntakeJob *job, const IntakeWorkflow *workflow, const IntakeFailure *failure)
{
	intake_room_bury(job, unpack_sql_state(failure->sqlerrcode), failure->error);
	announce(job, workflow ? workflow->name : "(dropped)", failure);
}

/* The error's message, with its detail and the place where it was raised. */
static char *
describe_error(const IntakeFailure *failure)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, failure->error);
	if (failure->detail != NULL)
		appendStringInfo(&text, "\nDETAIL: %s", failure->detail);
	if (failure->context != NULL)
		appendStringInfo(&text, "\nCONTEXT: %s", failure->context);
	return text.data;
}

/*
 * Tells of a job that its holder could not take out of its room. One that is busy will be found
 * there when the holder has gone. One that was lost is somebody else's now: the attempt, which
 * FAILURE ended (NULL: it had not begun), counts for nothing, and is kept for people to see.
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
	intake_room_attempt(job, failure ? failure->started_at : 0,
						unpack_sql_state(ERRCODE_INTAKE_STALE_LEASE), error);
}

/*
 * Records a failed attempt of a job, and moves the job to delayed or to dead_letter. To be
 * called in a transaction of its own, with an active snapshot.
 */
void
intake_failure_record(const IntakeJob *job, const IntakeFailure *failure)
{
	IntakeWorkflow *workflow;
	int attempts = job->attempts + 1;
	IntakeLeave left = intake_room_leave(job, !failure->hurried);

	if (left != INTAKE_LEFT)
	{
		intake_failure_lost(job, left, failure);
		return;
	}
	intake_registry_refresh_workflows();
	workflow = intake_registry_workflow(job->workflow_id);
	intake_room_attempt(job, failure->started_at, unpack_sql_state(failure->sqlerrcode),
						describe_error(failure));
	if (workflow == NULL || failure->permanent || failure->sqlerrcode == ERRCODE_INTAKE_PERMANENT ||
		attempts >= workflow->max_attempts)
		bury(job, workflow, failure);
	else
		intake_room_delay(job->workflow_id, job->job_id, job->event_id, attempts,
						  GetCurrentTimestamp() + retry_delay(job, workflow, failure));
}
