/*
 * attempt.c
 *		Running jobs: a handler and the completion of its job, in one transaction.
 *
 * Where a workflow says so, several jobs share a transaction, each in a subtransaction: one
 * that fails is undone alone, and its failure is recorded in the same transaction.
 *
 * The handler runs as the session's own role, the owner of the workflow, so RESET ROLE gives
 * it nothing. What it defers to the commit runs before that, as that role as well, within its
 * timeout and with its settings, which are undone then. The completion is written through the
 * table access method and asks no privilege, so this process is never anybody else.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "config/registry.h"
#include "events/event.h"
#include "events/payload.h"
#include "ground/datum.h"
#include "ground/intake.h"
#include "ground/rowtype.h"
#include "ground/slot.h"
#include "ground/txn.h"
#include "jobs/attempt.h"
#include "jobs/failure.h"
#include "jobs/handler.h"
#include "jobs/session.h"

#define HANDLER_GRACE 5000 /* milliseconds between the timeout and the end of the process */

enum
{
	job_id,
	job_event_id,
	job_workflow,
	job_source,
	job_type,
	job_key,
	job_received_at,
	job_headers,
	job_body,
	job_payload,
	job_attempt,
	job_max_attempts,
	job_lease,
	job_columns
};

static const Oid job_types[job_columns] = {INT8OID, INT8OID,        TEXTOID,  TEXTOID,  TEXTOID,
										   TEXTOID, TIMESTAMPTZOID, JSONBOID, BYTEAOID, JSONBOID,
										   INT4OID, INT4OID,        INT8OID};

static TimeoutId grace_timeout = MAX_TIMEOUTS;

/* The type intake.job. */
static Oid
job_type_oid(void)
{
	Oid type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("job"),
							   ObjectIdGetDatum(get_namespace_oid(INTAKE_SCHEMA, false)));

	if (!OidIsValid(type))
		elog(ERROR, "type intake.job does not exist");
	return type;
}

/* Whether the type intake.job is what handlers can be given. Says so once when it is not. */
bool
intake_attempt_type_fits(void)
{
	static bool said = false;
	TupleDesc descriptor = lookup_rowtype_tupdesc(job_type_oid(), -1);
	bool fits = intake_rowtype_fits(descriptor, job_types, job_columns);

	ReleaseTupleDesc(descriptor);
	if (!fits && !said)
		ereport(WARNING, (errcode(ERRCODE_DATATYPE_MISMATCH),
						  errmsg("the type intake.job is not what pg_intake gives to handlers"),
						  errdetail("No job runs until it is."),
						  errhint("Undo what was altered; attributes behind its own may stay.")));
	said = !fits;
	return fits;
}

/*
 * What the handler gets: a row of type intake.job. Where that cannot be formed, which was looked
 * at before the job was claimed, the process ends as if it was asked to: what it holds goes back.
 */
static Datum
make_argument(const IntakeJob *job, const IntakeWorkflow *workflow, int64 lease, Oid type)
{
	TupleDesc descriptor;
	HeapTuple row;
	IntakeStoredEvent event;
	Datum values[job_columns];
	bool nulls[job_columns] = {0};
	Jsonb *payload;

	if (!intake_attempt_type_fits())
		intake_slot_leave();
	if (!intake_event_read(job->event_id, &event))
		ereport(ERROR, (errcode(ERRCODE_INTAKE_PERMANENT),
						errmsg("event " INT64_FORMAT " of the job is not stored any more",
							   job->event_id)));
	payload =
		intake_payload_parse(intake_datum_bytes(PointerGetDatum(event.body)), INTAKE_JSON_UNKNOWN);
	values[job_id] = Int64GetDatum(job->job_id);
	values[job_event_id] = Int64GetDatum(job->event_id);
	values[job_workflow] = CStringGetTextDatum(workflow->name);
	values[job_source] = CStringGetTextDatum(event.source);
	nulls[job_type] = event.type == NULL;
	values[job_type] = event.type ? CStringGetTextDatum(event.type) : (Datum) 0;
	values[job_key] = CStringGetTextDatum(event.key);
	values[job_received_at] = TimestampTzGetDatum(event.received_at);
	values[job_headers] = JsonbPGetDatum(event.headers);
	values[job_body] = PointerGetDatum(event.body);
	nulls[job_payload] = payload == NULL;
	values[job_payload] = JsonbPGetDatum(payload);
	values[job_attempt] = Int32GetDatum(job->attempts + 1);
	values[job_max_attempts] = Int32GetDatum(workflow->max_attempts);
	values[job_lease] = Int64GetDatum(lease);
	descriptor = lookup_rowtype_tupdesc(type, -1);
	row = intake_rowtype_form(descriptor, values, nulls, job_columns);
	ReleaseTupleDesc(descriptor);
	return HeapTupleGetDatum(row);
}

/* The handler went on after its cancel: end the process, which no handler can catch. */
static void
end_of_grace(void)
{
	die(SIGTERM);
}

static void
start_timeouts(int64 milliseconds)
{
	if (grace_timeout == MAX_TIMEOUTS)
		grace_timeout = RegisterTimeout(USER_TIMEOUT, end_of_grace);
	QueryCancelPending = false;
	enable_timeout_after(STATEMENT_TIMEOUT, milliseconds);
	enable_timeout_after(grace_timeout, milliseconds + HANDLER_GRACE);
}

static void
stop_timeouts(void)
{
	disable_timeout(STATEMENT_TIMEOUT, false);
	if (grace_timeout != MAX_TIMEOUTS)
		disable_timeout(grace_timeout, false);
	/* A cancel that came too late must not hit what comes next. */
	QueryCancelPending = false;
}

/* Calls the handler, runs what it left to the commit, and undoes what it set. */
static void
call_handler(const IntakeJob *job, const IntakeWorkflow *workflow, int64 lease)
{
	Oid type = job_type_oid();
	Datum argument = make_argument(job, workflow, lease, type);
	int nest = NewGUCNestLevel();

	SPI_connect();
	intake_session_enter_handler();
	start_timeouts(workflow->timeout);
	intake_handler_call(workflow, type, argument);
	SPI_finish();
	intake_session_settle();
	stop_timeouts();
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

/* A handler and its job's completion, in the transaction in progress. */
static void
run_and_complete(const IntakeJob *job, const IntakeWorkflow *workflow, int64 lease)
{
	Oid user;
	int context;

	GetUserIdAndSecContext(&user, &context);
	PushActiveSnapshot(GetTransactionSnapshot());
	call_handler(job, workflow, lease);
	SetUserIdAndSecContext(user, context);
	intake_room_complete(job);
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

	run_and_complete(mine->job, mine->workflow, mine->lease);
	return true;
}

/* Runs a job, or undoes what it did and records the failure. */
static void
run_or_record(const IntakeJob *job, int64 lease)
{
	Attempt mine = {job, intake_registry_workflow(job->workflow_id), lease};
	TimestampTz started_at = GetCurrentTimestamp();
	ErrorData *error;

	if (!intake_txn_try(attempt, &mine, &error))
	{
		IntakeFailure failure = describe(error, started_at);

		stop_timeouts();
		intake_session_leave_handler();
		record(job, &failure);
	}
	intake_session_forget();
}

/* Settles the whole: temporary objects, and what of a job could not be seen (COPY defers, too). */
static void
settle(int64 timeout)
{
	int nest = NewGUCNestLevel();

	PushActiveSnapshot(GetTransactionSnapshot());
	intake_session_enter_handler();
	start_timeouts(timeout);
	intake_session_settle();
	stop_timeouts();
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
	stop_timeouts();
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
 * A suspect that fails is undone within its transaction: if that were to abort, others could run
 * before the failure is recorded (alone.c).
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
		run_and_complete(job, workflow, lease);
	CommitTransactionCommand();
}

/*
 * Runs a job that this process holds under LEASE: its handler and its completion in one
 * transaction, or, if that fails, the record of the failure in another. To be called outside of
 * a transaction, in a context that is reset soon. An error is raised only when the failure
 * cannot be recorded; the process then ends.
 */
void
intake_attempt_run(const IntakeJob *job, const IntakeWorkflow *workflow, int64 lease)
{
	MemoryContext context = CurrentMemoryContext;
	TimestampTz started_at = GetCurrentTimestamp();

	pgstat_report_activity(STATE_RUNNING, workflow->name);
	PG_TRY();
	{
		run(job, workflow, lease);
	}
	PG_CATCH();
	{
		fail(job, started_at, context);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	intake_failure_notify();
	intake_session_clear();
}

/* ---- several in one transaction ---- */

/*
 * Runs the jobs that NEXT gives in one transaction; none of them is a suspect, and their
 * workflows are in the registry when they are given. Returns false when that could not commit,
 * or a failure could not be recorded in it: nothing has happened then, and the caller runs each
 * alone, which tells whose fault it is. To be called outside of a transaction.
 */
bool
intake_attempt_run_together(const IntakeJob *(*next)(void), const IntakeWorkflow *workflow,
							int64 lease)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool committed = false;
	int64 timeout = workflow->timeout;

	pgstat_report_activity(STATE_RUNNING, workflow->name);
	PG_TRY();
	{
		MemoryContext each;
		const IntakeJob *job;

		begin(INTAKE_GATE_JOB);
		each =
			AllocSetContextCreate(TopTransactionContext, "pg_intake job", ALLOCSET_DEFAULT_SIZES);
		MemoryContextSwitchTo(each);
		while (!intake_session_must_end() && (job = next()) != NULL)
		{
			run_or_record(job, lease);
			MemoryContextReset(each);
		}
		settle(timeout);
		CommitTransactionCommand();
		committed = true;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		stop_timeouts();
		FlushErrorState();
		AbortOutOfAnyTransaction();
		intake_session_leave_handler();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	intake_failure_notify();
	intake_session_clear();
	return committed;
}
