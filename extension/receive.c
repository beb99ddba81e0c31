/*
 * receive.c
 *		From a raw request to a stored event and an answer: the extension's side of the shim.
 *
 * A batch has two phases. Judging (delivery.c) looks at the bytes of each request and writes
 * nothing. Storing writes the accepted events, in a
 * subtransaction; if that fails, each event is tried in a subtransaction of its own, so that
 * one that cannot be stored harms only itself. Whatever is wrong on our side becomes 503.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "delivery.h"
#include "event.h"
#include "intake.h"
#include "registry.h"
#include "rejection.h"

#define JSON_TYPE "application/json"

PG_FUNCTION_INFO_V1(intake_sql_receive);
PG_FUNCTION_INFO_V1(intake_sql_ingest);
PG_FUNCTION_INFO_V1(intake_sql_verify);
PG_FUNCTION_INFO_V1(intake_sql_verify_explain);

static void
answer_event(IntakeDelivery *delivery)
{
	delivery->status = 200;
	if (delivery->source->success_body != NULL)
	{
		delivery->content_type = "text/plain";
		delivery->body = delivery->source->success_body;
		return;
	}
	delivery->content_type = JSON_TYPE;
	delivery->body =
		psprintf("{\"status\":\"%s\",\"event_id\":\"" INT64_FORMAT "\"}",
				 delivery->event.fresh ? "accepted" : "already_accepted", delivery->event.id);
}

/* Whether an error means that nothing can be stored now, whatever it is. */
static bool
concerns_all(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_INTERNAL_ERROR:
			return true;
		default:
			return sqlerrcode == ERRCODE_READ_ONLY_SQL_TRANSACTION;
	}
}

/*
 * Stores events in a subtransaction. On an error that concerns one of them only, undoes it and
 * returns false; any other error is raised.
 */
static bool
store_in_subtransaction(IntakeEvent **events, int count)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool stored = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		intake_event_store(events, count);
		ReleaseCurrentSubTransaction();
		stored = true;
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (concerns_all(error->sqlerrcode))
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		/* The detail of an error may hold what the sender sent; the message does not. */
		if (count == 1)
			ereport(LOG, (errmsg("an event could not be stored: %s", error->message)));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return stored;
}

static void
store(IntakeDelivery *deliveries, int count)
{
	IntakeEvent **events = palloc((count + 1) * sizeof(IntakeEvent *));
	int accepted = 0;
	bool stored;

	for (int i = 0; i < count; i++)
		if (deliveries[i].accepted)
			events[accepted++] = &deliveries[i].event;
	if (accepted == 0)
		return;

	stored = store_in_subtransaction(events, accepted);
	for (int i = 0; i < count; i++)
	{
		IntakeEvent *event = &deliveries[i].event;

		if (!deliveries[i].accepted)
			continue;
		if (stored || (accepted > 1 && store_in_subtransaction(&event, 1)))
			answer_event(&deliveries[i]);
		else
		{
			deliveries[i].status = 503;
			deliveries[i].headers = "Retry-After: 5\r\n";
		}
	}
}

/* Judges and stores a batch, and records what was rejected. */
static void
process(IntakeDelivery *deliveries, int count)
{
	IntakeRejection *rejections = palloc0((count + 1) * sizeof(IntakeRejection));
	int rejected = 0;

	PreventCommandIfReadOnly("intake.receive()");
	PreventCommandDuringRecovery("intake.receive()");
	intake_registry_refresh_sources();
	intake_registry_refresh_workflows();
	for (int i = 0; i < count; i++)
		intake_delivery_judge(&deliveries[i]);
	store(deliveries, count);
	for (int i = 0; i < count; i++)
		if (deliveries[i].reason != NULL)
		{
			IntakeRejection *rejection = &rejections[rejected++];

			rejection->source = deliveries[i].source ? deliveries[i].source->name : NULL;
			rejection->reason = deliveries[i].reason;
			rejection->detail = deliveries[i].detail;
			rejection->status = deliveries[i].status;
			rejection->peer = deliveries[i].peer;
		}
	intake_rejection_record(rejections, rejected);
}

/* ---- SQL ---- */

static Datum *
array_argument(FunctionCallInfo fcinfo, int number, Oid type, int *count)
{
	ArrayType *array;
	Datum *elements;
	int n;

	if (PG_ARGISNULL(number))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("arguments of intake.receive must not be null")));
	array = PG_GETARG_ARRAYTYPE_P(number);
	if (array_contains_nulls(array))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("arrays of intake.receive must not contain nulls")));
	deconstruct_array(array, type, -1, false, TYPALIGN_INT, &elements, NULL, &n);
	if (*count >= 0 && n != *count)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("arrays of intake.receive must have the same length")));
	*count = n;
	return elements;
}

static IntakeSlice
datum_slice(Datum datum)
{
	struct varlena *value = PG_DETOAST_DATUM_PACKED(datum);

	return (IntakeSlice){VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

static int64
unix_now(void)
{
	return GetCurrentTimestamp() + INTAKE_UNIX_EPOCH;
}

static void
answer_values(const IntakeDelivery *delivery, Datum *values, bool *nulls)
{
	const char *texts[] = {delivery->content_type, delivery->headers, delivery->body};

	values[0] = Int32GetDatum(delivery->status);
	nulls[0] = false;
	for (int i = 0; i < lengthof(texts); i++)
	{
		nulls[i + 1] = texts[i] == NULL;
		values[i + 1] = texts[i] ? CStringGetTextDatum(texts[i]) : (Datum) 0;
	}
}

/* SQL: intake.receive(methods, sources, queries, headers, bodies, peers). */
Datum
intake_sql_receive(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int count = -1;
	Datum *columns[6];
	IntakeDelivery *deliveries;

	for (int i = 0; i < 6; i++)
		columns[i] = array_argument(fcinfo, i, i < 5 ? BYTEAOID : TEXTOID, &count);
	deliveries = palloc0((count + 1) * sizeof(IntakeDelivery));
	for (int i = 0; i < count; i++)
	{
		IntakeRequest *request = &deliveries[i].request;

		request->method = datum_slice(columns[0][i]);
		deliveries[i].source_name = datum_slice(columns[1][i]);
		request->query = datum_slice(columns[2][i]);
		request->headers = datum_slice(columns[3][i]);
		request->body = datum_slice(columns[4][i]);
		deliveries[i].peer = TextDatumGetCString(columns[5][i]);
		request->now = unix_now();
	}
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (count > 0)
		process(deliveries, count);
	for (int i = 0; i < count; i++)
	{
		Datum values[4];
		bool nulls[4];

		answer_values(&deliveries[i], values, nulls);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

static void
append_header(StringInfo block, const JsonbValue *name, const char *value, int length)
{
	if (memchr(value, '\n', length) != NULL || memchr(value, '\r', length) != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a header value must not contain a line break")));
	appendBinaryStringInfo(block, name->val.string.val, name->val.string.len);
	appendStringInfoString(block, ": ");
	appendBinaryStringInfo(block, value, length);
	appendStringInfoString(block, "\r\n");
}

/*
 * The header block that an object of headers stands for: each value a string, a number, or an
 * array of strings for a repeated header.
 */
static IntakeSlice
headers_argument(Jsonb *headers)
{
	StringInfoData block;
	JsonbIterator *iterator = JsonbIteratorInit(&headers->root);
	JsonbValue name = {0};
	JsonbValue value;
	JsonbIteratorToken token;

	initStringInfo(&block);
	if (!JB_ROOT_IS_OBJECT(headers))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("headers must be a JSON object of names and values")));
	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = value;
		else if ((token == WJB_VALUE || token == WJB_ELEM) && value.type == jbvString)
			append_header(&block, &name, value.val.string.val, value.val.string.len);
		else if ((token == WJB_VALUE || token == WJB_ELEM) && value.type == jbvNumeric)
		{
			char *number = DatumGetCString(
				DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));

			append_header(&block, &name, number, strlen(number));
		}
	}
	return (IntakeSlice){block.data, block.len};
}

static IntakeSlice
text_argument(FunctionCallInfo fcinfo, int number)
{
	if (PG_ARGISNULL(number))
		return (IntakeSlice){NULL, 0};
	return datum_slice(PG_GETARG_DATUM(number));
}

static void
refuse_nulls(FunctionCallInfo fcinfo, int count, const char *function)
{
	for (int i = 0; i < count; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("source, headers and body of %s must not be null", function)));
}

/* SQL: intake.ingest(source, headers, body, query, method), one request as the shim sends it. */
Datum
intake_sql_ingest(PG_FUNCTION_ARGS)
{
	IntakeDelivery delivery = {0};
	TupleDesc descriptor;
	Datum values[4];
	bool nulls[4];

	refuse_nulls(fcinfo, 3, "intake.ingest");
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "intake.ingest returns a row");
	delivery.source_name = text_argument(fcinfo, 0);
	delivery.request.headers = headers_argument(PG_GETARG_JSONB_P(1));
	delivery.request.body = text_argument(fcinfo, 2);
	delivery.request.query = text_argument(fcinfo, 3);
	delivery.request.method =
		PG_ARGISNULL(4) ? intake_slice_cstr("POST") : text_argument(fcinfo, 4);
	delivery.request.now = unix_now();
	delivery.peer = NULL;
	process(&delivery, 1);
	answer_values(&delivery, values, nulls);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}

/* The verdict on the request that the arguments of verify and verify_explain describe. */
static void
verify_arguments(FunctionCallInfo fcinfo, const char *function, IntakeVerdict *verdict)
{
	IntakeSlice name;
	IntakeSource *source;
	IntakeRequest request = {0};
	const char *mark;

	refuse_nulls(fcinfo, 3, function);
	name = text_argument(fcinfo, 0);
	intake_registry_refresh_sources();
	source = intake_registry_source(name);
	if (source == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("source \"%.*s\" does not exist", (int) name.len, name.data)));
	request.headers = headers_argument(PG_GETARG_JSONB_P(1));
	request.body = text_argument(fcinfo, 2);
	request.url = text_argument(fcinfo, 3);
	mark = request.url.data ? memchr(request.url.data, '?', request.url.len) : NULL;
	if (mark != NULL)
		request.query = (IntakeSlice){mark + 1, request.url.data + request.url.len - mark - 1};
	else
		request.query = intake_slice_cstr("");
	if (request.url.data == NULL)
		request.url = source->public_url;
	request.method = PG_ARGISNULL(4) ? intake_slice_cstr("POST") : text_argument(fcinfo, 4);
	request.now = PG_ARGISNULL(5) ? unix_now() : PG_GETARG_TIMESTAMPTZ(5) + INTAKE_UNIX_EPOCH;
	intake_delivery_verify(source, &request, verdict);
}

/* SQL: intake.verify(source, headers, body, url, method, at). */
Datum
intake_sql_verify(PG_FUNCTION_ARGS)
{
	IntakeVerdict verdict = {0};

	verify_arguments(fcinfo, "intake.verify", &verdict);
	PG_RETURN_BOOL(verdict.reason == INTAKE_OK);
}

/* SQL: intake.verify_explain, the same arguments: 'ok', or what is wrong. */
Datum
intake_sql_verify_explain(PG_FUNCTION_ARGS)
{
	IntakeVerdict verdict = {0};

	verify_arguments(fcinfo, "intake.verify_explain", &verdict);
	if (verdict.reason == INTAKE_OK)
		PG_RETURN_TEXT_P(cstring_to_text("ok"));
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s%s%s", intake_reason_name(verdict.reason),
											  verdict.detail[0] ? ": " : "", verdict.detail)));
}
