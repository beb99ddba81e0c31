/*
 * exchange.c
 *		What a courier and the database say to each other: intake.exchange and intake.wait_for_calls.
 *
 * An exchange is one transaction: it settles the answers that the courier brings, and gives it calls. Its
 * commit is flushed, so that what the courier has been given is on disk before it sends anything (it
 * waits for the server to be ready again), and what it forgets is, too.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "calls/advance.h"
#include "calls/answer.h"
#include "calls/bell.h"
#include "calls/board.h"
#include "calls/courier.h"
#include "calls/desk.h"
#include "calls/outage.h"
#include "calls/take.h"
#include "config/workflows.h"
#include "ground/bgworker.h"
#include "ground/datum.h"
#include "ground/duration.h"
#include "ground/intake.h"
#include "ground/settings.h"
#include "ground/table.h"

#define MOST_CALLS 10000                 /* taken in one exchange */
#define MOST_BYTES INT64CONST(268435456) /* of them: they stand in memory, or a temporary file */
#define LONGEST_WAIT 20000 /* milliseconds, so that its lease does not end while a courier waits */

PG_FUNCTION_INFO_V1(intake_sql_exchange);
PG_FUNCTION_INFO_V1(intake_sql_wait_for_calls);

/* Arguments, and columns of the rows. */
enum
{
	arg_token,
	arg_most,
	arg_most_bytes,
	arg_call_ids,
	arg_job_ids,
	arg_statuses,
	arg_headers,
	arg_bodies,
	arg_errors,
	arg_durations
};

enum
{
	row_kind,
	row_call_id,
	row_job_id,
	row_method,
	row_scheme,
	row_host,
	row_port,
	row_target,
	row_headers,
	row_body,
	row_milliseconds,
	row_most_bytes,
	row_columns
};

#define KIND_REQUEST 'r'
#define KIND_CANCEL 'c'
#define KIND_WAIT 'w'

/* ---- what comes in ---- */

typedef struct Column
{
	Datum *elements;
	bool *nulls;
	int count;
} Column;

static Column
read_column(FunctionCallInfo fcinfo, int number, Oid type)
{
	bool wide = type == INT8OID;
	Column column;

	if (PG_ARGISNULL(number))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("arguments of intake.exchange must not be null")));
	if (wide || type == INT4OID)
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(number), type, wide ? 8 : 4,
						  wide ? FLOAT8PASSBYVAL : true, wide ? TYPALIGN_DOUBLE : TYPALIGN_INT,
						  &column.elements, &column.nulls, &column.count);
	else
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(number), type, -1, false, TYPALIGN_INT,
						  &column.elements, &column.nulls, &column.count);
	return column;
}

static IntakeSlice
bytes_of(const Column *column, int i)
{
	return column->nulls[i] ? INTAKE_ABSENT : intake_datum_bytes(column->elements[i]);
}

static int64
number_of(const Column *column, int i, bool wide)
{
	if (column->nulls[i])
		return 0;
	return wide ? DatumGetInt64(column->elements[i]) : DatumGetInt32(column->elements[i]);
}

static IntakeAnswer *
read_answers(FunctionCallInfo fcinfo, int *count)
{
	static const Oid types[] = {INT8OID, INT8OID, INT4OID, BYTEAOID, BYTEAOID, TEXTOID, INT8OID};
	Column columns[lengthof(types)] = {0};
	IntakeAnswer *answers;

	for (int i = 0; i < lengthof(types); i++)
	{
		columns[i] = read_column(fcinfo, arg_call_ids + i, types[i]);
		if (columns[i].count != columns[0].count)
			ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
							errmsg("arrays of intake.exchange must have the same length")));
	}
	*count = columns[0].count;
	answers = palloc0((*count + 1) * sizeof(IntakeAnswer));
	for (int i = 0; i < *count; i++)
	{
		answers[i].call_id = number_of(&columns[0], i, true);
		answers[i].job_id = number_of(&columns[1], i, true);
		answers[i].status = number_of(&columns[2], i, false);
		answers[i].headers = bytes_of(&columns[3], i);
		answers[i].body = columns[4].nulls[i] ? (Datum) 0 : columns[4].elements[i];
		answers[i].error = bytes_of(&columns[5], i);
		answers[i].duration = Min(Max(number_of(&columns[6], i, true), 0), INTAKE_DURATION_LONGEST);
	}
	return answers;
}

/* ---- a lost connection ---- */

/*
 * A courier whose connection was lost in an exchange does not know what it holds. It names all that it
 * knows of; the rest goes back.
 */
static void
release_others(IntakeDesk *desk, int64 token, const IntakeAnswer *answers, int count)
{
	IntakeSlice word = intake_slice_cstr("held");
	int64 *named = palloc((count + 1) * sizeof(int64));
	bool asked = false;

	for (int i = 0; i < count; i++)
	{
		named[i] = answers[i].call_id;
		asked |= intake_slice_equal(answers[i].error, word);
	}
	if (asked)
		intake_courier_release(desk, token, named, count);
}

/* ---- what goes out ---- */

static void
put_row(ReturnSetInfo *result, char kind, const Datum *values, bool *nulls)
{
	Datum row[row_columns];

	memcpy(row, values, sizeof(row));
	row[row_kind] = CharGetDatum(kind);
	nulls[row_kind] = false;
	tuplestore_putvalues(result->setResult, result->setDesc, row, nulls);
}

static Datum
bytea_of(const StringInfo bytes)
{
	return PointerGetDatum(cstring_to_text_with_len(bytes->data, bytes->len));
}

/* Gives a request to the courier. */
static void
put_request(void *argument, const IntakeParcel *request, StringInfo headers, StringInfo target)
{
	Datum values[row_columns] = {0};
	bool nulls[row_columns] = {0};

	values[row_call_id] = Int64GetDatum(request->call_id);
	values[row_job_id] = Int64GetDatum(request->job_id);
	values[row_method] = CStringGetTextDatum(request->method);
	values[row_scheme] = CStringGetTextDatum(request->scheme);
	values[row_host] = CStringGetTextDatum(request->host);
	values[row_port] = Int32GetDatum(request->port);
	values[row_target] = bytea_of(target);
	values[row_headers] = bytea_of(headers);
	values[row_body] = request->body;
	nulls[row_body] = request->body == (Datum) 0;
	values[row_milliseconds] = Int64GetDatum(request->milliseconds);
	values[row_most_bytes] = Int64GetDatum((int64) intake_settings_max_response_size * 1024);
	put_row(argument, KIND_REQUEST, values, nulls);
}

/* Tells the courier which of its calls to stop. */
static void
put_cancels(ReturnSetInfo *result, int64 token)
{
	IntakeTable table;
	IntakeScan scan;
	ScanKeyData key;

	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(token));
	intake_table_open(&table, intake_table_oid("call_cancel"));
	intake_table_scan_begin(&scan, intake_table_oid("call_cancel"), NULL, &key, 1);
	while (intake_table_scan_next(&scan))
	{
		Datum values[row_columns] = {0};
		bool nulls[row_columns];

		memset(nulls, true, sizeof(nulls));
		nulls[row_call_id] = nulls[row_job_id] = false;
		values[row_call_id] = INTAKE_COLUMN(scan.slot->tts_values, call_cancel_call_id);
		values[row_job_id] = INTAKE_COLUMN(scan.slot->tts_values, call_cancel_job_id);
		if (intake_table_delete(&table, &scan.slot->tts_tid))
			put_row(result, KIND_CANCEL, values, nulls);
	}
	intake_table_scan_end(&scan);
	intake_table_close(&table);
	PopActiveSnapshot();
}

/* Milliseconds until the next call is due; -1: none is. */
static long
until_due(void)
{
	TimestampTz due = intake_bell_due();

	if (due == DT_NOBEGIN)
		return 0;
	if (due == DT_NOEND)
		return -1;
	return Min(TimestampDifferenceMilliseconds(GetCurrentTimestamp(), due) + 1, INTAKE_NO_WAIT);
}

static void
put_wait(ReturnSetInfo *result)
{
	Datum values[row_columns] = {0};
	bool nulls[row_columns];

	memset(nulls, true, sizeof(nulls));
	nulls[row_milliseconds] = false;
	values[row_milliseconds] = Int64GetDatum(until_due());
	put_row(result, KIND_WAIT, values, nulls);
}

/* ---- which cancels a courier has been told about ---- */

static uint64 told = 0;   /* all up to there */
static int64 told_to = 0; /* the courier; 0: nobody knows */

/* What a transaction told that is undone is to be told again, or its courier would wait for nothing. */
static void
forget_told(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT)
		told_to = 0;
}

/* Tells a courier which of its calls to stop, where there may be some since it was told last. */
static void
tell_cancels(ReturnSetInfo *result, int64 token, uint64 cancels)
{
	static bool registered = false;

	if (!registered)
		RegisterXactCallback(forget_told, NULL);
	registered = true;
	if (told != cancels || told_to != token)
		put_cancels(result, token);
	told = cancels;
	told_to = token;
}

/* ---- the functions ---- */

/* Settles answers, and takes calls. Returns how many were taken. */
static int
work(FunctionCallInfo fcinfo, const IntakeAnswer *answers, int count)
{
	int64 token = PG_GETARG_INT64(arg_token);
	IntakeDesk desk;
	IntakeLines lines;
	IntakeTaking taking = {.desk = &desk, .lines = &lines, .courier = token, .put = put_request};

	taking.courier_until = intake_courier_see(token);
	taking.most = Min(PG_GETARG_INT32(arg_most), MOST_CALLS);
	taking.bytes = Min(PG_GETARG_INT64(arg_most_bytes), MOST_BYTES);
	taking.argument = fcinfo->resultinfo;
	intake_desk_open(&desk);
	intake_line_row_open(&lines, &desk);
	release_others(&desk, token, answers, count);
	intake_answer_settle(&desk, &lines, token, answers, count);
	intake_take_calls(&taking);
	intake_outage_close(&lines);
	intake_advance_close(&desk);
	return taking.taken;
}

/* SQL: intake.exchange(token, most, most_bytes, answers as arrays). */
Datum
intake_sql_exchange(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	uint64 cancels;
	int count;
	IntakeAnswer *answers;

	intake_board_require();
	intake_board_require_whole("intake.exchange");
	PreventCommandIfReadOnly("intake.exchange()");
	if (PG_ARGISNULL(arg_token) || PG_ARGISNULL(arg_most) || PG_ARGISNULL(arg_most_bytes))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("arguments of intake.exchange must not be null")));
	answers = read_answers(fcinfo, &count);
	InitMaterializedSRF(fcinfo, 0);
	intake_workflows_refresh();
	cancels = intake_bell_cancels();
	if (work(fcinfo, answers, count) > 0 || count > 0)
		ForceSyncCommit();
	tell_cancels(result, PG_GETARG_INT64(arg_token), cancels);
	put_wait(result);
	return (Datum) 0;
}

/* Whether calls of a courier were cancelled that it has not been told about. */
static bool
has_cancels(int64 token)
{
	IntakeScan scan;
	ScanKeyData key;
	bool any;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(token));
	PushActiveSnapshot(GetLatestSnapshot());
	intake_table_scan_begin(&scan, intake_table_oid("call_cancel"), NULL, &key, 1);
	any = intake_table_scan_next(&scan);
	intake_table_scan_end(&scan);
	PopActiveSnapshot();
	return any;
}

/* SQL: CALL intake.wait_for_calls(token, at_most). */
Datum
intake_sql_wait_for_calls(PG_FUNCTION_ARGS)
{
	CallContext *context = castNode(CallContext, fcinfo->context);
	int64 token;
	long most;
	uint64 cancels;
	bool cancelled;

	/* No procedure is strict. */
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("arguments of intake.wait_for_calls must not be null")));
	token = PG_GETARG_INT64(0);
	most = Min(Max(intake_duration_usecs(PG_GETARG_INTERVAL_P(1)) / 1000, 0), LONGEST_WAIT);
	intake_board_require();
	if (context->atomic)
		ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
						errmsg("intake.wait_for_calls cannot be called in a transaction block"),
						errhint("It would keep the transaction open.")));
	cancels = intake_bell_cancels();
	(void) intake_courier_see(token);
	cancelled = has_cancels(token);
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	/* No snapshot is left, and no lock. */
	SPI_commit();
	if (!cancelled)
		intake_bell_wait(cancels, most);
	SPI_finish();
	PG_RETURN_VOID();
}
