/*
 * repeat.c
 *		Calls that a job which is replayed asks again.
 *
 * What the calls of a step have asked for stays, so that a replay from that step can ask it once more.
 * All its calls are then there anew, with new ids: those that are asked again wait in the queue, and the
 * others have the answers that they had. An answer that comes late, to a call that the job was cancelled
 * for, so stays with the old one.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "calls/asked.h"
#include "calls/credential.h"
#include "calls/desk.h"
#include "calls/outbox.h"
#include "config/workflows.h"
#include "ground/datum.h"
#include "ground/intake.h"

PG_FUNCTION_INFO_V1(intake_sql_ask_again);

typedef struct Repeat
{
	IntakeDesk desk;
	IntakeTable requests;
	const IntakeWorkflow *workflow;
	IntakeJob job;
	int64 first; /* of the old calls */
	int32 calls;
	bool all;    /* are asked again, with new keys */
	int64 begun; /* the first of the new ones */
	int32 put;   /* new ones so far */
} Repeat;

/* Begins to read the rows of the job's calls in a table, from FIRST on. */
static void
begin(IntakeScan *scan, const char *table, const Repeat *repeat, int64 first)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(repeat->job.job_id));
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(first));
	intake_table_scan_begin(scan, intake_table_oid(table), NULL, keys, 2);
}

/* Whether a call was accepted. Its answer is then where SCAN is, which is begun in any case. */
static bool
find_answer(IntakeScan *scan, const Repeat *repeat, int64 call_id)
{
	begin(scan, "call_response", repeat, call_id);
	return intake_table_scan_next(scan) &&
		   DatumGetInt64(INTAKE_COLUMN(scan->slot->tts_values, call_response_call_id)) == call_id &&
		   INTAKE_COLUMN(scan->slot->tts_isnull, call_response_error);
}

/* The secret of a request, as its name stands for one now; 0: it has none. */
static int32
find_secret(const Repeat *repeat, const Datum *row, const bool *nulls, const IntakeCallUrl *url)
{
	int32 secret_id;

	if (INTAKE_COLUMN(nulls, call_request_auth))
		return 0;
	secret_id = intake_credential_check(TextDatumGetCString(INTAKE_COLUMN(row, call_request_auth)),
										repeat->workflow->owner, url);
	if (!INTAKE_COLUMN(nulls, call_request_headers))
		intake_call_headers_check(DatumGetJsonbP(INTAKE_COLUMN(row, call_request_headers)),
								  secret_id);
	return secret_id;
}

/* Where a request goes. */
static IntakeCallUrl
read_url(const Datum *row)
{
	char *scheme = TextDatumGetCString(INTAKE_COLUMN(row, call_request_scheme));

	return (IntakeCallUrl){strcmp(scheme, "https") == 0,
						   intake_datum_bytes(INTAKE_COLUMN(row, call_request_host)),
						   DatumGetInt32(INTAKE_COLUMN(row, call_request_port)),
						   intake_datum_bytes(INTAKE_COLUMN(row, call_request_target))};
}

/* Stores the request of a ROW of the old ones as that of a new call. */
static void
put_request(Repeat *repeat, const TupleTableSlot *row, IntakeCall *call)
{
	Datum values[Natts_call_request];
	bool nulls[Natts_call_request];
	IntakeCallUrl url = read_url(row->tts_values);
	int32 secret_id;

	memcpy(values, row->tts_values, sizeof(values));
	memcpy(nulls, row->tts_isnull, sizeof(nulls));
	secret_id = find_secret(repeat, values, nulls, &url);
	call->line_id = intake_outbox_line(call->workflow_id, &url, secret_id);
	call->options = secret_id != 0 || !INTAKE_COLUMN(nulls, call_request_options);
	INTAKE_COLUMN(values, call_request_call_id) = Int64GetDatum(call->call_id);
	INTAKE_COLUMN(values, call_request_line_id) = Int64GetDatum(call->line_id);
	INTAKE_COLUMN(values, call_request_secret_id) = Int32GetDatum(secret_id);
	INTAKE_COLUMN(nulls, call_request_secret_id) = secret_id == 0;
	INTAKE_COLUMN(values, call_request_created_at) = TimestampTzGetDatum(repeat->desk.now);
	if (repeat->all)
		INTAKE_COLUMN(values, call_request_idempotency_key) = intake_outbox_key();
	intake_table_add(&repeat->requests, values, nulls, NULL);
}

/* Gives a new call the answer of an old one. */
static void
put_answer(Repeat *repeat, const TupleTableSlot *answer, const IntakeCall *call)
{
	Datum values[Natts_call_response];

	memcpy(values, answer->tts_values, sizeof(values));
	INTAKE_COLUMN(values, call_response_call_id) = Int64GetDatum(call->call_id);
	intake_table_add(intake_desk_table(&repeat->desk, INTAKE_DESK_RESPONSE), values,
					 answer->tts_isnull, NULL);
}

/* Makes a new call of the ROW of an old one. */
static void
put(Repeat *repeat, const TupleTableSlot *row)
{
	int64 old = DatumGetInt64(INTAKE_COLUMN(row->tts_values, call_request_call_id));
	IntakeCall call = {.job_id = repeat->job.job_id, .workflow_id = repeat->job.workflow_id};
	IntakeScan scan;
	bool answered = find_answer(&scan, repeat, old);

	call.call_id = intake_table_next_id("call_id_seq");
	if (repeat->put == 0)
		repeat->begun = call.call_id;
	put_request(repeat, row, &call);
	if (answered && !repeat->all)
		put_answer(repeat, scan.slot, &call);
	else
		intake_desk_queue(&repeat->desk, &call, repeat->desk.now + repeat->put);
	repeat->put++;
	intake_table_scan_end(&scan);
}

/* Whether there is a call to be asked again. */
static bool
is_any_open(const Repeat *repeat)
{
	IntakeScan scan;
	bool open = repeat->all;
	int count = 0;

	begin(&scan, "call_request", repeat, repeat->first);
	while (!open && count++ < repeat->calls && intake_table_scan_next(&scan))
	{
		Datum *row = scan.slot->tts_values;
		IntakeScan answer;

		open =
			!find_answer(&answer, repeat, DatumGetInt64(INTAKE_COLUMN(row, call_request_call_id)));
		intake_table_scan_end(&answer);
	}
	intake_table_scan_end(&scan);
	return open;
}

/* Makes the new calls, and has the job wait for them. */
static void
ask(Repeat *repeat)
{
	int64 expires = repeat->workflow->expires;
	IntakeScan scan;

	intake_desk_open(&repeat->desk);
	intake_table_open(&repeat->requests, intake_table_oid("call_request"));
	begin(&scan, "call_request", repeat, repeat->first);
	while (repeat->put < repeat->calls && intake_table_scan_next(&scan))
		put(repeat, scan.slot);
	intake_table_scan_end(&scan);
	intake_outbox_put_job(&repeat->desk, &repeat->job, repeat->begun, repeat->put,
						  expires > 0 ? GetCurrentTransactionStartTimestamp() + expires : DT_NOEND);
	intake_table_close(&repeat->requests);
	intake_desk_close(&repeat->desk);
}

/* The workflow of the job, whose owner may make calls. */
static const IntakeWorkflow *
find_workflow(int32 workflow_id)
{
	const IntakeWorkflow *workflow;

	intake_workflows_refresh();
	workflow = intake_workflows_get(workflow_id);
	if (workflow != NULL && OidIsValid(workflow->owner))
		intake_outbox_check_right(workflow->owner);
	else
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the workflow of the job has no owner here, so nobody may call"),
						errhint("intake.resume_workflow takes one that came with a dump.")));
	return workflow;
}

/*
 * SQL: intake.ask_again(job_id, event_id, workflow_id, first_call, calls, new_key): has a job, out of its
 * room, wait for calls of which it has had the end, and returns the first of the new ones. Those that were
 * not accepted are asked again with their keys, or all, with new ones. Returns NULL, and does nothing,
 * where there is none.
 */
Datum
intake_sql_ask_again(PG_FUNCTION_ARGS)
{
	Repeat repeat = {.first = PG_GETARG_INT64(3), .calls = PG_GETARG_INT32(4)};
	bool open;

	repeat.job.job_id = PG_GETARG_INT64(0);
	repeat.job.event_id = PG_GETARG_INT64(1);
	repeat.job.workflow_id = PG_GETARG_INT32(2);
	repeat.job.lane = -repeat.job.workflow_id;
	repeat.all = PG_GETARG_BOOL(5);
	PushActiveSnapshot(GetLatestSnapshot());
	open = is_any_open(&repeat);
	if (open)
	{
		repeat.workflow = find_workflow(repeat.job.workflow_id);
		ask(&repeat);
	}
	PopActiveSnapshot();
	if (!open)
		PG_RETURN_NULL();
	PG_RETURN_INT64(repeat.begun);
}
