/*
 * parcel.c
 *		What a call asks for, as it is stored, and as a courier sends it.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/stratnum.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "calls/credential.h"
#include "calls/parcel.h"
#include "ground/datum.h"
#include "ground/intake.h"

#define USER_AGENT "pg_intake"
#define UNIX_EPOCH INT64CONST(946684800000000) /* of PostgreSQL, in microseconds of Unix */

/* ---- reading ---- */

static void
begin_or_move(IntakeParcelReader *reader, ScanKey keys)
{
	MemoryContext old = CurrentMemoryContext;

	if (reader->open)
	{
		intake_table_scan_again(&reader->scan, keys, 2);
		return;
	}
	if (reader->context != NULL)
		MemoryContextSwitchTo(reader->context);
	intake_table_scan_begin(&reader->scan, intake_table_oid("call_request"), NULL, keys, 2);
	MemoryContextSwitchTo(old);
	reader->open = true;
}

static void
read_row(const TupleTableSlot *slot, IntakeParcel *request)
{
	Datum *row = slot->tts_values;
	bool *nulls = slot->tts_isnull;
	bool secret = !INTAKE_COLUMN(nulls, call_request_secret_id);

	request->job_id = DatumGetInt64(INTAKE_COLUMN(row, call_request_job_id));
	request->call_id = DatumGetInt64(INTAKE_COLUMN(row, call_request_call_id));
	request->method = TextDatumGetCString(INTAKE_COLUMN(row, call_request_method));
	request->scheme = TextDatumGetCString(INTAKE_COLUMN(row, call_request_scheme));
	request->host = TextDatumGetCString(INTAKE_COLUMN(row, call_request_host));
	request->port = DatumGetInt32(INTAKE_COLUMN(row, call_request_port));
	request->target = intake_datum_bytes(INTAKE_COLUMN(row, call_request_target));
	request->headers = INTAKE_COLUMN(nulls, call_request_headers)
						   ? NULL
						   : DatumGetJsonbP(INTAKE_COLUMN(row, call_request_headers));
	request->body =
		INTAKE_COLUMN(nulls, call_request_body) ? (Datum) 0 : INTAKE_COLUMN(row, call_request_body);
	request->secret_id = secret ? DatumGetInt32(INTAKE_COLUMN(row, call_request_secret_id)) : 0;
	request->milliseconds = DatumGetInt64(INTAKE_COLUMN(row, call_request_milliseconds));
	request->idempotency_key = *DatumGetUUIDP(INTAKE_COLUMN(row, call_request_idempotency_key));
	request->options = INTAKE_COLUMN(nulls, call_request_options)
						   ? NULL
						   : DatumGetJsonbP(INTAKE_COLUMN(row, call_request_options));
	request->traceparent = INTAKE_COLUMN(nulls, call_request_traceparent)
							   ? NULL
							   : TextDatumGetCString(INTAKE_COLUMN(row, call_request_traceparent));
}

/*
 * Reads the request of a call, by the snapshot that was active when the reader read its first one.
 * Returns false where it is not there.
 */
bool
intake_parcel_find(IntakeParcelReader *reader, const IntakeCall *call, IntakeParcel *request)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(call->job_id));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(call->call_id));
	begin_or_move(reader, keys);
	if (!intake_table_scan_next(&reader->scan))
		return false;
	read_row(reader->scan.slot, request);
	return true;
}

void
intake_parcel_close(IntakeParcelReader *reader)
{
	if (reader->open)
		intake_table_scan_end(&reader->scan);
	reader->open = false;
}

/* How many bytes it is, about. */
size_t
intake_parcel_size(const IntakeParcel *request)
{
	size_t size = request->target.len + 500;

	if (request->headers != NULL)
		size += VARSIZE(request->headers);
	if (request->body != (Datum) 0)
		size += toast_raw_datum_size(request->body);
	return size;
}

/* Where it goes: host and port. */
char *
intake_parcel_place(const IntakeParcel *request)
{
	return psprintf("%s:%d", request->host, request->port);
}

/* ---- options ---- */

/* Adds the statuses that an option names. What is none was refused when the call was made. */
static void
read_statuses(Jsonb *options, const char *name, IntakeStatuses *statuses)
{
	JsonbValue room;
	JsonbValue *list = getKeyJsonValueFromContainer(&options->root, name, strlen(name), &room);
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue value;

	if (list == NULL || list->type != jbvBinary)
		return;
	iterator = JsonbIteratorInit(list->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		IntakeSlice text = INTAKE_ABSENT;

		if (token != WJB_ELEM)
			continue;
		if (value.type == jbvString)
			text = (IntakeSlice){value.val.string.val, value.val.string.len};
		else if (value.type == jbvNumeric)
			text = intake_slice_cstr(DatumGetCString(
				DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric))));
		(void) intake_outcome_add_statuses(statuses, text);
	}
}

/* Adds what the options of a call, or NULL, say of its outcome. */
void
intake_parcel_rules(Jsonb *options, IntakeOutcomeRules *rules)
{
	if (options == NULL || !JB_ROOT_IS_OBJECT(options))
		return;
	read_statuses(options, "accept", &rules->accept);
	read_statuses(options, "retry_on", &rules->retry_on);
}

/* ---- writing ---- */

static bool
is_named(const JsonbValue *name, const char *header)
{
	return intake_slice_equal_nocase((IntakeSlice){name->val.string.val, name->val.string.len},
									 intake_slice_cstr(header));
}

/* Which headers of ours a step has given itself. */
typedef struct Given
{
	bool key;
	bool agent;
	bool trace;
} Given;

/* Appends the headers that the step gave, and says which of ours are among them. */
static void
write_given(Jsonb *headers, StringInfo out, Given *given)
{
	JsonbIterator *iterator = JsonbIteratorInit(&headers->root);
	JsonbIteratorToken token;
	JsonbValue value;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			given->key |= is_named(&value, "idempotency-key");
			given->agent |= is_named(&value, "user-agent");
			given->trace |= is_named(&value, "traceparent");
			appendBinaryStringInfo(out, value.val.string.val, value.val.string.len);
		}
		else if (token == WJB_VALUE && value.type == jbvString)
			appendStringInfo(out, ": %.*s\r\n", value.val.string.len, value.val.string.val);
		else if (token == WJB_VALUE)
			appendStringInfoString(out, ":\r\n");
	}
}

static char *
key_of(const IntakeParcel *request)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&request->idempotency_key)));
}

/*
 * Writes the headers and the target as they are sent, with the secret in them, for a workflow of OWNER.
 * Says *WHY where that cannot be.
 */
IntakeCredentialOutcome
intake_parcel_write(const IntakeParcel *request, Oid owner, StringInfo headers, StringInfo target,
					const char **why)
{
	Given given = {0};
	char *key = key_of(request);
	IntakeCallUrl url = {strcmp(request->scheme, "https") == 0, intake_slice_cstr(request->host),
						 request->port, request->target};
	IntakeCredentialUse use = {request->secret_id, owner, &url, INTAKE_ABSENT, key};

	if (request->headers != NULL)
		write_given(request->headers, headers, &given);
	if (!given.key)
		appendStringInfo(headers, "Idempotency-Key: %s\r\n", key);
	if (!given.agent)
		appendStringInfoString(headers, "User-Agent: " USER_AGENT "\r\n");
	if (!given.trace && request->traceparent != NULL)
		appendStringInfo(headers, "traceparent: %s\r\n", request->traceparent);
	appendBinaryStringInfo(target, request->target.data, request->target.len);
	if (request->secret_id == 0)
		return INTAKE_CREDENTIAL_APPLIED;
	use.now = GetCurrentTimestamp() + UNIX_EPOCH;
	if (request->body != (Datum) 0)
		use.body = intake_datum_bytes(request->body);
	return intake_credential_apply(&use, headers, target, why);
}
