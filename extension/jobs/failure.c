/*
 * failure.c
 *		What becomes of a job whose attempt failed: a retry later, or a dead letter.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "commands/async.h"
#include "common/pg_prng.h"
#include "mb/pg_wchar.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/elog.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "config/workflows.h"
#include "events/event.h"
#include "events/event_row.h"
#include "ground/duration.h"
#include "ground/intake.h"
#include "ground/txn.h"
#include "jobs/failure.h"
#include "jobs/retry.h"

#define DEAD_LETTER_CHANNEL "intake_dead_letter"
#define MAX_ERROR 10000 /* bytes that are kept of an error's message, detail and context each */
#define MAX_ERROR_IN_LOG 1000
/* Bytes of JSON in an alert; a notification holds 7999. */
#define MAX_NAME_IN_ALERT 600
#define MAX_TYPE_IN_ALERT 1536
#define MAX_ERROR_IN_ALERT 4000

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

/* ---- dead letters ---- */

/* A text of at most MOST bytes, cut between characters. */
static const char *
clip(const char *text, int most)
{
	int length = text ? strlen(text) : 0;

	return length <= most ? text : pnstrdup(text, pg_mbcliplen(text, length, most));
}

/* Appends a text as JSON, at most MOST bytes without its quotes, cut between characters. */
static void
append_string(StringInfo json, const char *text, int most)
{
	StringInfoData escaped;
	int length = 1;

	initStringInfo(&escaped);
	escape_json(&escaped, clip(text, most));
	while (length < escaped.len - 1)
	{
		const char *next = escaped.data + length;
		int size = next[0] != '\\' ? pg_mblen(next) : next[1] == 'u' ? 6 : 2;

		if (length + size > most + 1)
			break;
		length += size;
	}
	appendBinaryStringInfo(json, escaped.data, length);
	appendStringInfoChar(json, '"');
}

static void
append_member(StringInfo json, const char *name, const char *value, int most)
{
	appendStringInfo(json, ", \"%s\": ", name);
	if (value == NULL)
		appendStringInfoString(json, "null");
	else
		append_string(json, value, most);
}

/*
 * What an alert says of a dead letter, as a JSON object. It must fit into a notification, which
 * is an error when it is too long, however long names and messages are.
 */
static char *
describe_dead_letter(const IntakeJob *job, const char *workflow, const IntakeStoredEvent *event,
					 const IntakeFailure *failure)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(
		&json, "{\"job_id\": " INT64_FORMAT ", \"event_id\": " INT64_FORMAT ", \"attempts\": %d",
		job->job_id, job->event_id, job->attempts + 1);
	append_member(&json, "workflow", workflow, MAX_NAME_IN_ALERT);
	append_member(&json, "source", event->source, MAX_NAME_IN_ALERT);
	append_member(&json, "type", event->type, MAX_TYPE_IN_ALERT);
	append_member(&json, "sqlstate", unpack_sql_state(failure->sqlerrcode), MAX_NAME_IN_ALERT);
	append_member(&json, "error", failure->error, MAX_ERROR_IN_ALERT);
	appendStringInfoChar(&json, '}');
	return json.data;
}

static List *deaths = NIL; /* recorded and not notified yet; char * in TopMemoryContext */

static void
forget_deaths(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_ABORT)
		return;
	list_free_deep(deaths);
	deaths = NIL;
}

/* Remembers what is to be notified when the record of it has committed. */
static void
remember_death(const char *json)
{
	static bool registered = false;
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	if (!registered)
		RegisterXactCallback(forget_deaths, NULL);
	registered = true;
	deaths = lappend(deaths, pstrdup(json));
	MemoryContextSwitchTo(old);
}

typedef struct Death
{
	const IntakeJob *job;
	const char *workflow;
	const IntakeFailure *failure;
} Death;

static Death *put_off_death = NULL;

/*
 * Tells about a new dead letter by an event that an alert workflow can match. The death of a job
 * that is such an alert makes no further event.
 */
static bool
announce(void *argument)
{
	Death *death = argument;
	IntakeStoredEvent event;
	IntakeSlice no_key = {NULL, 0};
	char *json;

	intake_event_row_read(death->job->event_id, &event);
	json = describe_dead_letter(death->job, death->workflow, &event, death->failure);
	remember_death(json);
	if (event.source_id != INTAKE_SOURCE_INTERNAL || event.type == NULL ||
		strcmp(event.type, INTAKE_TYPE_JOB_DEAD) != 0)
		(void) intake_event_emit(
			INTAKE_TYPE_JOB_DEAD,
			DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json))), no_key, 0);
	return true;
}

/*
 * While a process is ending, an error ends it at once, so the alert is put off until the record has
 * committed. There is one at most: only one place records failures then.
 */
static void
put_off(const Death *death)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	IntakeFailure *failure = palloc(sizeof(IntakeFailure));
	IntakeJob *job = palloc(sizeof(IntakeJob));

	*failure = *death->failure;
	failure->error = pstrdup(failure->error);
	*job = *death->job;
	put_off_death = palloc(sizeof(Death));
	*put_off_death = (Death){job, pstrdup(death->workflow), failure};
	MemoryContextSwitchTo(old);
}

/* The record comes first, and stays, whatever becomes of the alert. */
static void
bury(const IntakeJob *job, const IntakeWorkflow *workflow, const IntakeFailure *failure)
{
	Death death = {job, workflow ? workflow->name : "(dropped)", failure};

	intake_room_bury(job, workflow ? workflow->name : NULL, unpack_sql_state(failure->sqlerrcode),
					 failure->error);
	ereport(WARNING,
			(errmsg("job " INT64_FORMAT " of workflow \"%s\" is dead after %d attempts: %s",
					job->job_id, death.workflow, job->attempts + 1,
					clip(failure->error, MAX_ERROR_IN_LOG)),
			 errhidecontext(true), errhidestmt(true)));
	if (proc_exit_inprogress)
		put_off(&death);
	else
		intake_txn_tell(announce, &death, "store the event " INTAKE_TYPE_JOB_DEAD);
}

/* Makes the event that was put off, in a transaction of its own. */
static void
announce_late(void)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) announce(put_off_death);
	PopActiveSnapshot();
	CommitTransactionCommand();
}

static void
notify_deaths(void)
{
	ListCell *cell;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	foreach (cell, deaths)
		Async_Notify(DEAD_LETTER_CHANNEL, lfirst(cell));
	CommitTransactionCommand();
}

/*
 * Sends the notifications of dead letters. To be called when the transaction that recorded them
 * is over: a full queue of notifications, or a lock on it, is an error at the commit only.
 */
void
intake_failure_notify(void)
{
	MemoryContext context = CurrentMemoryContext;

	if (put_off_death != NULL)
		announce_late();
	if (deaths == NIL)
		return;
	PG_TRY();
	{
		notify_deaths();
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		AbortOutOfAnyTransaction();
		ereport(WARNING, (errcode(error->sqlerrcode),
						  errmsg("could not notify of a dead letter: %s", error->message)));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	list_free_deep(deaths);
	deaths = NIL;
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
		appendStringInfo(&text, "\nDETAIL: %s", clip(failure->detail, MAX_ERROR));
	if (failure->context != NULL)
		appendStringInfo(&text, "\nCONTEXT: %s", clip(failure->context, MAX_ERROR));
	return text.data;
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
	intake_room_attempt(job, failure ? failure->started_at : 0,
						unpack_sql_state(ERRCODE_INTAKE_STALE_LEASE), error);
}

/*
 * Records a failed attempt of a job, and moves the job to delayed or to dead_letter. To be called
 * in a transaction of its own, with an active snapshot, and before intake_failure_notify.
 */
void
intake_failure_record(const IntakeJob *job, const IntakeFailure *reported)
{
	IntakeFailure bounded = *reported;
	IntakeFailure *failure = &bounded;
	IntakeWorkflow *workflow;
	int attempts = job->attempts + 1;
	IntakeLeave left = intake_room_leave(job, !failure->hurried);

	bounded.error = clip(reported->error, MAX_ERROR);
	if (left != INTAKE_LEFT)
	{
		intake_failure_lost(job, left, failure);
		return;
	}
	intake_workflows_refresh();
	workflow = intake_workflows_get(job->workflow_id);
	intake_room_attempt(job, failure->started_at, unpack_sql_state(failure->sqlerrcode),
						describe_error(failure));
	if (workflow == NULL || failure->permanent || failure->sqlerrcode == ERRCODE_INTAKE_PERMANENT ||
		attempts >= workflow->max_attempts)
		bury(job, workflow, failure);
	else
		intake_room_delay(job->workflow_id, job->job_id, job->event_id, attempts,
						  GetCurrentTimestamp() + retry_delay(job, workflow, failure));
}
