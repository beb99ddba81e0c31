/*
 * death.c
 *		Jobs that are given up: the dead letter, and who is told of it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/async.h"
#include "mb/pg_wchar.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/elog.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "events/event.h"
#include "events/event_row.h"
#include "ground/intake.h"
#include "ground/txn.h"
#include "jobs/death.h"

#define DEAD_LETTER_CHANNEL "intake_dead_letter"
#define MAX_ERROR_IN_LOG 1000
/* Bytes of JSON in an alert; a notification holds 7999. */
#define MAX_NAME_IN_ALERT 600
#define MAX_STEP_IN_ALERT 200
#define MAX_TYPE_IN_ALERT 1536
#define MAX_ERROR_IN_ALERT 4000

/* A text of at most MOST bytes, cut between characters. */
const char *
intake_death_clip(const char *text, int most)
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
	escape_json(&escaped, intake_death_clip(text, most));
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
describe_dead_letter(const IntakeJob *job, const char *workflow, const char *step,
					 const IntakeStoredEvent *event, const IntakeFailure *failure)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(
		&json, "{\"job_id\": " INT64_FORMAT ", \"event_id\": " INT64_FORMAT ", \"attempts\": %d",
		job->job_id, job->event_id, job->attempts + 1);
	append_member(&json, "workflow", workflow, MAX_NAME_IN_ALERT);
	append_member(&json, "source", event->source, MAX_NAME_IN_ALERT);
	append_member(&json, "type", event->type, MAX_TYPE_IN_ALERT);
	if (step != NULL)
		append_member(&json, "step", step, MAX_STEP_IN_ALERT);
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
	const char *step; /* or NULL */
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
	json = describe_dead_letter(death->job, death->workflow, death->step, &event, death->failure);
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
	*put_off_death =
		(Death){job, pstrdup(death->workflow), death->step ? pstrdup(death->step) : NULL, failure};
	MemoryContextSwitchTo(old);
}

/*
 * Moves a job that has left its room to dead_letter, and tells about it. STEP is the one that failed;
 * NULL: the job had not come beyond its first. The record comes first, and stays, whatever becomes of
 * the alert.
 */
void
intake_death_record(const IntakeJob *job, const IntakeWorkflow *workflow, const char *step,
					const IntakeFailure *failure)
{
	Death death = {job, workflow ? workflow->name : "(dropped)", step, failure};

	intake_room_bury(job, workflow ? workflow->name : NULL, step,
					 unpack_sql_state(failure->sqlerrcode), failure->error);
	ereport(WARNING,
			(errmsg("job " INT64_FORMAT " of workflow \"%s\" is dead after %d attempts%s%s: %s",
					job->job_id, death.workflow, job->attempts + 1, step ? " of step " : "",
					step ? quote_identifier(step) : "",
					intake_death_clip(failure->error, MAX_ERROR_IN_LOG)),
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
intake_death_notify(void)
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
