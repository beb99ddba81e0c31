/*
 * act.c
 *		What comes after a step: what its handler has returned, judged and done.
 *
 * It is done in the transaction of the step, behind the handler. So what the handler wrote, how far
 * the job has come and where it waits commit together, once. What cannot be done is an error, which
 * undoes all of it: a failed attempt of the step.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "calls/by_url.h"
#include "calls/next.h"
#include "calls/outbox.h"
#include "calls/signal.h"
#include "config/workflows.h"
#include "ground/duration.h"
#include "ground/intake.h"
#include "ground/settings.h"
#include "ground/table.h"
#include "jobs/act.h"
#include "jobs/death.h"
#include "jobs/failure.h"
#include "jobs/timeouts.h"

#define MOST_VISITS 1000 /* different steps of a job */

/* A job on its way from one step to the next. */
typedef struct Going
{
	const IntakeJobStep *step; /* that ends */
	IntakeWorkflow *workflow;  /* as the handler left it; NULL: it was dropped */
	IntakeJob job;             /* as it goes on */
	IntakeNext next;
	IntakeProgress progress; /* behind the step */
} Going;

/* ---- what stands in args ---- */

/* A member of args, as jsonb, null too; NULL: there is none. */
static Jsonb *
argument_jsonb(const Going *going, const char *name)
{
	JsonbValue value;
	JsonbValue *found = NULL;

	if (going->next.args != NULL && JB_ROOT_IS_OBJECT(going->next.args))
		found = getKeyJsonValueFromContainer(&going->next.args->root, name, strlen(name), &value);
	return found ? JsonbValueToJsonb(found) : NULL;
}

/* An error: what the handler returned cannot be done, as the PROBLEM says. */
static _Noreturn void
refuse(const Going *going, int code, const char *problem, const char *hint)
{
	ereport(ERROR, (errcode(code),
					errmsg("act \"%s\" of workflow \"%s\" %s", going->next.act,
						   going->workflow ? going->workflow->name : "(dropped)", problem),
					hint ? errhint("%s", hint) : 0));
	pg_unreachable();
}

/* ---- where a job was ---- */

/* The failed attempts of a step when it was left; below 0: the job was not there. */
static int32
visits_of(const Jsonb *visits, const char *step)
{
	JsonbValue value;
	JsonbValue *found = NULL;

	if (visits != NULL)
		found = getKeyJsonValueFromContainer((JsonbContainer *) &visits->root, step, strlen(step),
											 &value);
	if (found == NULL || found->type != jbvNumeric)
		return -1;
	return DatumGetInt32(DirectFunctionCall1(numeric_int4, NumericGetDatum(found->val.numeric)));
}

/* An object with a step, and how many failed attempts it had. */
static Jsonb *
make_visit(const char *step, int32 attempts)
{
	JsonbParseState *state = NULL;
	JsonbValue name = {.type = jbvString};
	JsonbValue count = {.type = jbvNumeric};

	name.val.string.val = (char *) step;
	name.val.string.len = strlen(step);
	count.val.numeric = int64_to_numeric(attempts);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	pushJsonbValue(&state, WJB_KEY, &name);
	pushJsonbValue(&state, WJB_VALUE, &count);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Where the job was, with the step that ends. */
static Jsonb *
add_visit(const Going *going)
{
	Jsonb *before = going->step->progress.visits;
	Jsonb *visit = make_visit(going->step->name, going->step->job->attempts);

	if (before == NULL)
		return visit;
	if (visits_of(before, going->step->name) < 0 && JB_ROOT_COUNT(before) >= MOST_VISITS)
		refuse(going, ERRCODE_INTAKE_MAX_STEPS,
			   psprintf("comes after %d different steps", MOST_VISITS),
			   "What distinguishes many steps can stand in the job's state.");
	return DatumGetJsonbP(
		DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(before), JsonbPGetDatum(visit)));
}

/* ---- acts ---- */

static void
enqueue(const Going *going)
{
	const IntakeJob *job = &going->job;
	IntakeTable queue;

	intake_table_open(&queue, intake_table_oid("queue"));
	intake_room_enqueue(&queue, job->lane, intake_workflow_role(going->workflow), job->job_id,
						job->event_id, job->attempts);
	intake_table_close(&queue);
}

/* Puts the job aside until a time, or until it expires. */
static void
delay_until(const Going *going, TimestampTz run_at)
{
	const IntakeJob *job = &going->job;

	intake_room_delay(job->lane, job->job_id, job->event_id, job->attempts,
					  Min(run_at, going->step->expires_at));
}

/* In microseconds; below 0, or longer than the longest, where it is out of bounds. */
static int64
read_seconds(const char *seconds)
{
	double time = DatumGetFloat8(DirectFunctionCall1(float8in, CStringGetDatum(seconds)));

	return (int64) Max(Min(time * USECS_PER_SEC, 2.0 * INTAKE_DURATION_LONGEST), -1.0);
}

/* When a sleep ends. */
static TimestampTz
read_time(const Going *going)
{
	TimestampTz now = GetCurrentTimestamp();
	const char *until = intake_next_argument(&going->next, "until");
	const char *seconds = intake_next_argument(&going->next, "seconds");
	TimestampTz at = now;

	if (until != NULL)
		at = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in, CStringGetDatum(until),
													 ObjectIdGetDatum(InvalidOid),
													 Int32GetDatum(-1)));
	else if (seconds != NULL)
		at = now + read_seconds(seconds);
	else
		refuse(going, ERRCODE_INVALID_PARAMETER_VALUE, "does not say how long", NULL);
	if (TIMESTAMP_NOT_FINITE(at) || at > now + INTAKE_DURATION_LONGEST ||
		(until == NULL && at < now))
		refuse(going, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "lasts less than nothing, or too long",
			   "A job sleeps for 10 years at most.");
	return at;
}

static void
act_sleep(Going *going)
{
	TimestampTz at = read_time(going);

	if (at <= GetCurrentTimestamp())
		enqueue(going);
	else
		delay_until(going, at);
}

static void
act_call(Going *going)
{
	IntakeProgress *progress = &going->progress;

	progress->single = strcmp(going->next.act, "call") == 0;
	progress->failed = intake_next_argument(&going->next, "failed");
	if (progress->failed != NULL &&
		(progress->failed[0] == '\0' || strlen(progress->failed) > INTAKE_MAX_STEP))
		refuse(going, ERRCODE_INVALID_PARAMETER_VALUE,
			   "names a step for failed calls that has no name of 1 to 100 bytes", NULL);
	intake_outbox_put(&going->job, going->workflow, &going->next, going->step->traceparent,
					  going->step->expires_at, &progress->first_call, &progress->calls);
}

static void
act_wait(Going *going)
{
	/* Somebody may be about to signal the key. */
	intake_timeouts_start(going->workflow->timeout);
	intake_signal_await(&going->job, &going->next, going->step->expires_at, &going->progress);
	intake_timeouts_stop();
}

/* Records that the step that the job goes back to has failed, looking back. */
static void
record_again(const Going *going, const char *error)
{
	IntakeAttempt attempt = {.job_id = going->job.job_id,
							 .workflow_id = going->job.workflow_id,
							 .attempt = going->job.attempts,
							 .sqlstate = unpack_sql_state(ERRCODE_INTAKE_AGAIN),
							 .error = error,
							 .step = going->next.step};

	intake_room_attempt(&attempt);
}

/* Where that was its last attempt. */
static void
give_up(const Going *going, const char *error)
{
	IntakeFailure failure = {.sqlerrcode = ERRCODE_INTAKE_AGAIN, .error = error};
	IntakeJob job = going->job;

	job.attempts--; /* before this one */
	intake_death_record(&job, going->workflow, going->next.step, &failure);
}

/* Back to a step where the job was, or to this one, which is charged an attempt. */
static void
act_again(Going *going)
{
	const char *error = intake_next_argument(&going->next, "error");
	int32 before = visits_of(going->progress.visits, going->next.step);

	if (before < 0)
		refuse(going, ERRCODE_INVALID_PARAMETER_VALUE,
			   psprintf("goes back to step \"%s\", where the job was not", going->next.step), NULL);
	error = intake_death_clip(error ? error : "again", INTAKE_MAX_ERROR);
	going->job.attempts = before + 1;
	if (strcmp(going->next.step, going->step->name) == 0)
	{
		going->progress.input = going->step->progress.input;
		going->progress.first_call = going->step->progress.first_call;
		going->progress.calls = going->step->progress.calls;
		going->progress.single = going->step->progress.single;
		going->progress.failed = going->step->progress.failed;
	}
	record_again(going, error);
	if (going->job.attempts >= going->workflow->max_attempts)
		give_up(going, error);
	else
		delay_until(going, GetCurrentTimestamp() +
							   intake_failure_backoff(going->workflow, going->job.attempts));
}

/* ---- what a handler returned ---- */

typedef struct Act
{
	const char *name;
	void (*act)(Going *going); /* NULL: the job is done */
	const char *step;          /* where none is named; NULL: this one */
	bool must_name;
} Act;

static const Act acts[] = {
	{"done", NULL, NULL, false},
	{"sleep", act_sleep, NULL, false},
	{"again", act_again, NULL, true},
	{"call", act_call, "answered", false},
	{"calls", act_call, "answered", false},
	{"wait", act_wait, "signalled", false},
};

static const Act *
find_act(const Going *going)
{
	for (int i = 0; going->next.act != NULL && i < lengthof(acts); i++)
		if (strcmp(acts[i].name, going->next.act) == 0)
			return &acts[i];
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 going->next.act ? errmsg("act \"%s\" of workflow \"%s\" is not known", going->next.act,
									  going->workflow ? going->workflow->name : "(dropped)")
							 : errmsg("the handler of workflow \"%s\" returned no act",
									  going->workflow ? going->workflow->name : "(dropped)"),
			 errhint("Acts are done, sleep, again, call, calls and wait: functions of schema "
					 "intake return them.")));
	pg_unreachable();
}

/* Which step comes next. */
static void
choose_step(Going *going, const Act *act)
{
	if (going->next.step == NULL && !act->must_name)
		going->next.step = act->step ? act->step : going->step->name;
	if (going->next.step == NULL || going->next.step[0] == '\0' ||
		strlen(going->next.step) > INTAKE_MAX_STEP)
		refuse(going, ERRCODE_INVALID_PARAMETER_VALUE, "names no step for what comes next",
			   psprintf("The name of a step has 1 to %d bytes.", INTAKE_MAX_STEP));
}

/* What the job keeps. */
static Jsonb *
choose_state(const Going *going)
{
	Jsonb *state = going->next.keep_state ? going->step->progress.state : going->next.state;
	int64 most = (int64) intake_settings_max_state_size * 1024;

	if (!going->next.keep_state && state != NULL && VARSIZE(state) - VARHDRSZ > most)
		refuse(going, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
			   psprintf("comes with a state of %d bytes", (int) (VARSIZE(state) - VARHDRSZ)),
			   psprintf("It may have " INT64_FORMAT ", as pg_intake.max_state_size says. What is "
						"larger can stand in a table.",
						most));
	return state;
}

/* Has the job go on, as the handler wants it. */
static void
go_on(Going *going, const Act *act)
{
	IntakeProgress *progress = &going->progress;

	choose_step(going, act);
	progress->step = going->next.step;
	progress->steps = going->step->progress.steps + 1;
	progress->visits = add_visit(going);
	progress->state = choose_state(going);
	progress->started_at = going->step->progress.started_at;
	going->job.lane = -going->job.workflow_id;
	going->job.attempts = 0;
	intake_room_leave_surely(going->step->job);
	/* Jobs that still come for a workflow that was dropped are discarded from the queue. */
	if (going->workflow == NULL)
		enqueue(going);
	else
		act->act(going);
	intake_progress_write(&going->job, progress, going->step->job->lane < 0);
}

/* Does what the handler RETURNED, a row of type intake.next. */
void
intake_act_do(const IntakeJobStep *step, const IntakeReturned *returned)
{
	Going going = {.step = step, .job = *step->job};
	const Act *act;

	going.workflow = intake_workflows_get(step->job->workflow_id);
	if (returned->null)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("the handler of workflow \"%s\" returned NULL",
							   going.workflow ? going.workflow->name : "(dropped)"),
						errhint("intake.done() says that the job is done.")));
	intake_next_read(returned->value, &going.next);
	act = find_act(&going);
	if (act->act == NULL)
		intake_room_complete(step->job, argument_jsonb(&going, "result"));
	else
		go_on(&going, act);
}

/* Makes the call of a workflow with a URL, from what its function RETURNED. */
void
intake_act_send(const IntakeJobStep *step, const IntakeReturned *returned)
{
	Going going = {.step = step, .job = *step->job};
	bool whole = returned->kind == INTAKE_RETURNS_REQUEST;

	going.workflow = intake_workflows_get(step->job->workflow_id);
	going.next = (IntakeNext){.act = "call", .keep_state = true};
	if (!whole && returned->kind != INTAKE_RETURNS_RESULT)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("what makes the request returns neither jsonb nor intake.request")));
	if (returned->null)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("what makes the request returned NULL"),
						errhint("The workflow's filter says for which events it is.")));
	if (going.workflow != NULL)
		going.next.requests = intake_by_url_requests(going.workflow, whole, returned->value);
	go_on(&going, find_act(&going));
}
