/*
 * attempt.c
 *		Running jobs: a handler and the move of its job, in one transaction.
 *
 * Where a workflow says so, several jobs share a transaction, each in a subtransaction: one
 * that fails is undone alone, and its failure is recorded in the same transaction.
 *
 * The handler runs as the session's own role, the owner of the workflow, so RESET ROLE gives it
 * nothing. What it defers to the commit runs before the commit, as the same role, within its
 * timeout and with its settings, which are undone afterwards. The move is written through the
 * table access method, which checks no privilege, so this process never becomes another role.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "config/workflows.h"
#include "ground/clock.h"
#include "ground/intake.h"
#include "ground/slot.h"
#include "ground/txn.h"
#include "jobs/argument.h"
#include "jobs/attempt.h"
#include "jobs/death.h"
#include "jobs/failure.h"
#include "jobs/handler.h"
#include "jobs/session.h"
#include "jobs/step.h"
#include "jobs/timeouts.h"

#define TOGETHER_TIME 10000 /* microseconds, after which jobs that share a transaction commit */

/*
 * A statement of the handler may be planned for the values of its parameters, and each mention of one
 * is a copy of it then. Large ones are not worth that.
 */
static void
plan_for_any_value(void)
{
	(void) set_config_option("plan_cache_mode", "force_generic_plan", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/* Calls the handler, runs what it left to the commit, and undoes what it set. */
static void
call_handler(IntakeJobStep *step, const IntakeWorkflow *workflow, int64 lease,
			 IntakeReturned *returned)
{
	Oid type = intake_argument_type();
	bool large;
	Datum argument = intake_argument_make(step, workflow, lease, type, &large);
	int nest = NewGUCNestLevel();

	if (large)
		plan_for_any_value();
	SPI_connect();
	intake_session_enter_handler();
	intake_timeouts_start(workflow->timeout);
	if (intake_step_has_result(step))
		*returned = (IntakeReturned){INTAKE_RETURNS_RESULT, step->input == NULL,
									 JsonbPGetDatum(step->input)};
	else
		intake_handler_call(workflow, type, argument, returned);
	SPI_finish();
	intake_session_settle();
	intake_timeouts_stop();
	AtEOXact_GUC(false, nest);
	intake_session_leave_handler();
}

/* Begins a transaction for jobs. */
static void
begin(IntakeGate gate)
{
	if (!intake_txn_begin(gate))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("extension \"%s\" is gone", INTAKE_EXTENSION)));
}

/* A step: the handler, and its job's move, in the transaction in progress. */
static void
run_and_move(const IntakeJob *job, const IntakeWorkflow *workflow, int64 lease)
{
	IntakeJobStep step;
	IntakeReturned returned;
	Oid user;
	int context;

	GetUserIdAndSecContext(&user, &context);
	PushActiveSnapshot(GetTransactionSnapshot());
	intake_step_begin(&step, job, workflow);
	call_handler(&step, workflow, lease, &returned);
	SetUserIdAndSecContext(user, context);
	intake_step_end(&step, &returned);
	PopActiveSnapshot();
}

static IntakeFailure
describe(const ErrorData *error, TimestampTz started_at)
{
	IntakeFailure failure = {0};

	failure.started_at = started_at;
	failure.sqlerrcode = error->sqlerrcode;
	failure.error = error->message ? error->message : "unknown error";
	failure.detail = error->detail;
	failure.context = error->context;
	failure.step = intake_step_current();
	return failure;
}

static void
record(const IntakeJob *job, const IntakeFailure *failure)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	intake_failure_record(job, failure);
	PopActiveSnapshot();
}

typedef struct Attempt
{
	const IntakeJob *job;
	const IntakeWorkflow *workflow;
	int64 lease;
} Attempt;

static bool
attempt(void *argument)
{
	Attempt *mine = argument;

	run_and_move(mine->job, mine->workflow, mine->lease);
	return true;
}

/* Runs a job, or undoes what it did and records the failure. */
static void
run_or_record(const IntakeJob *job, int64 lease)
{
	Attempt mine = {job, intake_workflows_get(job->workflow_id), lease};
	TimestampTz started_at = GetCurrentTimestamp();
	ErrorData *error;

	if (!intake_txn_try(attempt, &mine, &error))
	{
		IntakeFailure failure = describe(error, started_at);

		intake_timeouts_stop();
		intake_session_leave_handler();
		record(job, &failure);
	}
	intake_session_forget();
}

/* Settles the transaction: temporary objects, and what was deferred unseen (COPY defers, too). */
static void
settle(int64 timeout)
{
	int nest = NewGUCNestLevel();

	PushActiveSnapshot(GetTransactionSnapshot());
	intake_session_enter_handler();
	intake_timeouts_start(timeout);
	intake_session_settle();
	intake_timeouts_stop();
	PopActiveSnapshot();
	AtEOXact_GUC(false, nest);
	intake_session_leave_handler();
}

/* Aborts the transaction of a failed job, and records the failure in another one. */
static void
fail(const IntakeJob *job, TimestampTz started_at, MemoryContext context)
{
	IntakeFailure failure;

	MemoryContextSwitchTo(context);
	intake_timeouts_stop();
	failure = describe(CopyErrorData(), started_at);
	FlushErrorState();
	AbortOutOfAnyTransaction();
	intake_session_leave_handler();

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	MemoryContextSwitchTo(context);
	record(job, &failure);
	CommitTransactionCommand();
}

/*
 * A suspect runs in a subtransaction: if its failure aborted the transaction, other jobs could run
 * before it is recorded (alone.c).
 */
static void
run(const IntakeJob *job, const IntakeWorkflow *workflow, int64 lease)
{
	int64 timeout = workflow->timeout; /* recording a failure reads the workflows anew */

	begin(job->suspect ? INTAKE_GATE_LOOK : INTAKE_GATE_JOB);
	if (job->suspect)
	{
		run_or_record(job, lease);
		settle(timeout);
	}
	else
		run_and_move(job, workflow, lease);
	CommitTransactionCommand();
}

/*
 * The workflow of the next job, or NULL if this process may not run it any more. It is looked up
 * for each job, since it may have changed: claimed jobs of a paused workflow still run, but not
 * those of one that was dropped, was given to another role, or cannot run.
 */
static const IntakeWorkflow *
find_workflow(const IntakeHolder *holder)
{
	IntakeWorkflow *workflow = intake_workflows_get(holder->jobs[holder->next].workflow_id);

	if (workflow == NULL || workflow->problem != NULL || workflow->owner != GetSessionUserId())
		return NULL;
	return workflow;
}

/* After the transaction: within it, an error would be charged to its jobs. */
static void
clean_up(const IntakeHolder *holder)
{
	MemoryContextSwitchTo(holder->memory);
	intake_death_notify();
	intake_session_clear();
}

/* Runs the next job in a transaction of its own. Returns false where it may not run here. */
static bool
run_alone(IntakeHolder *holder)
{
	TimestampTz started_at = GetCurrentTimestamp();
	const IntakeWorkflow *workflow = find_workflow(holder);
	const IntakeJob *job;

	if (workflow == NULL)
		return false;
	job = intake_holder_start(holder);
	pgstat_report_activity(STATE_RUNNING, workflow->name);
	PG_TRY();
	{
		run(job, workflow, holder->lease);
	}
	PG_CATCH();
	{
		fail(job, started_at, holder->memory);
	}
	PG_END_TRY();
	clean_up(holder);
	intake_holder_committed(holder);
	MemoryContextReset(holder->memory);
	return true;
}

/* ---- several in one transaction ---- */

/* Whether the next job, before END, may share the transaction of those that were started. */
static bool
may_join(const IntakeHolder *holder, int end, int64 until)
{
	/* The first one runs however long the transaction had to wait for its lock. */
	bool first = holder->next == holder->uncommitted;

	return holder->next < end && !intake_slot_self->stop && (first || intake_clock_now() < until) &&
		   find_workflow(holder) != NULL;
}

/* Runs jobs until END, or fewer where they take long, in the transaction in progress. */
static void
run_each(IntakeHolder *holder, int end, int64 until)
{
	MemoryContext each =
		AllocSetContextCreate(TopTransactionContext, "pg_intake job", ALLOCSET_DEFAULT_SIZES);

	MemoryContextSwitchTo(each);
	while (!intake_session_must_end())
	{
		intake_holder_ended(holder);
		CHECK_FOR_INTERRUPTS();
		if (!may_join(holder, end, until))
			break;
		run_or_record(intake_holder_start(holder), holder->lease);
		MemoryContextReset(each);
	}
}

/*
 * Runs jobs until END in one transaction, fewer if they take long; none of them is a suspect.
 * Returns false when the transaction could not commit, or a failure could not be recorded in it.
 * Nothing has happened then, and the caller runs each job alone, which shows whose fault it was.
 */
static bool
run_together(IntakeHolder *holder, const IntakeWorkflow *workflow, int end)
{
	int64 until = intake_clock_now() + TOGETHER_TIME;
	int64 timeout = workflow->timeout;
	volatile bool committed = false;

	pgstat_report_activity(STATE_RUNNING, workflow->name);
	PG_TRY();
	{
		begin(INTAKE_GATE_JOB);
		run_each(holder, end, until);
		settle(timeout);
		CommitTransactionCommand();
		committed = true;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(holder->memory);
		intake_timeouts_stop();
		FlushErrorState();
		AbortOutOfAnyTransaction();
		intake_session_leave_handler();
	}
	PG_END_TRY();
	clean_up(holder);
	if (committed)
		intake_holder_committed(holder);
	return committed;
}

/* Behind the next jobs that this process holds, MOST of them, and of one workflow. */
static int
end_of_run(const IntakeHolder *holder, int most)
{
	int end = holder->next + 1;

	while (end < holder->count && end - holder->next < most &&
		   holder->jobs[end].workflow_id == holder->jobs[holder->next].workflow_id)
		end++;
	return end;
}

/*
 * Runs the next job that this process holds: its handler and its move in one transaction, or,
 * if that fails, the record of the failure in another. Where its workflow says so, those behind it
 * share the transaction. To be called outside of a transaction. Returns false where this process may
 * not run it any more. An error is raised only when the failure cannot be recorded; the process then
 * ends.
 */
bool
intake_attempt_run(IntakeHolder *holder)
{
	const IntakeWorkflow *workflow = find_workflow(holder);
	bool able = workflow != NULL;
	int end;
	int last;

	if (!able)
		return false;
	end = end_of_run(holder, workflow->jobs_per_transaction);
	MemoryContextSwitchTo(holder->memory);
	if (end - holder->next < 2 || !run_together(holder, workflow, end))
	{
		last = Max(holder->next, holder->uncommitted + 1);
		intake_holder_aborted(holder);
		while (able && holder->next < last)
			able = run_alone(holder);
	}
	MemoryContextReset(holder->memory);
	return able;
}
