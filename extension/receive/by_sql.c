/*
 * by_sql.c
 *		Requests from SQL: to deliver one, to examine one, and to sign one as its sender would.
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "common/scratch.h"
#include "config/sources.h"
#include "ground/datum.h"
#include "ground/settings.h"
#include "read/headers.h"
#include "receive/by_sql.h"
#include "receive/receive.h"
#include "receive/split.h"
#include "verify/content.h"
#include "verify/sign.h"

#define SHOWN 32 /* bytes of a message at either end */

PG_FUNCTION_INFO_V1(intake_sql_ingest);
PG_FUNCTION_INFO_V1(intake_sql_verify);
PG_FUNCTION_INFO_V1(intake_sql_verify_explain);
PG_FUNCTION_INFO_V1(intake_sql_sign);

/* ---- arguments ---- */

static void
append_header(StringInfo block, const JsonbValue *name, const char *value, int length)
{
	if (memchr(value, '\n', length) != NULL || memchr(value, '\r', length) != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a header value must not contain a line break")));
	if (memchr(name->val.string.val, '\n', name->val.string.len) != NULL ||
		memchr(name->val.string.val, '\r', name->val.string.len) != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a header name must not contain a line break")));
	appendBinaryStringInfo(block, name->val.string.val, name->val.string.len);
	appendStringInfoString(block, ": ");
	appendBinaryStringInfo(block, value, length);
	appendStringInfoString(block, "\r\n");
}

/*
 * The header block that an object of headers stands for: each value a string, a number, or an
 * array of strings for a repeated header.
 */
IntakeSlice
intake_by_sql_headers(Jsonb *headers)
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
	return intake_datum_bytes(PG_GETARG_DATUM(number));
}

static void
refuse_nulls(FunctionCallInfo fcinfo, int count, const char *function)
{
	for (int i = 0; i < count; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("arguments of %s must not be null", function)));
}

/* The source of a name, with what is there of it now; an error where there is none. */
IntakeSource *
intake_by_sql_source(IntakeSlice name)
{
	IntakeSource *source;

	intake_sources_refresh();
	source = intake_sources_find(name);
	if (source == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("source \"%.*s\" does not exist", (int) name.len, name.data)));
	return source;
}

/* ---- delivering ---- */

/* SQL: intake.ingest(source, headers, body, query, method, peer), as the shim sends it. */
Datum
intake_sql_ingest(PG_FUNCTION_ARGS)
{
	IntakeDelivery delivery = {0};
	TupleDesc descriptor;

	refuse_nulls(fcinfo, 3, "intake.ingest");
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "intake.ingest returns a row");
	delivery.source_name = text_argument(fcinfo, 0);
	delivery.request.headers = intake_by_sql_headers(PG_GETARG_JSONB_P(1));
	delivery.event.body = PointerGetDatum(PG_GETARG_BYTEA_PP(2));
	delivery.request.body = intake_datum_bytes(delivery.event.body);
	delivery.request.query = text_argument(fcinfo, 3);
	delivery.request.method =
		PG_ARGISNULL(4) ? intake_slice_cstr("POST") : text_argument(fcinfo, 4);
	delivery.request.now = intake_receive_now();
	delivery.peer = PG_ARGISNULL(5) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(5));
	intake_receive_process(&delivery, 1);
	PG_RETURN_DATUM(
		HeapTupleGetDatum(intake_receive_answer(&delivery, BlessTupleDesc(descriptor))));
}

/* ---- examining ---- */

/*
 * The request that the arguments of verify and verify_explain describe, and the verdict on it. Returns
 * the source.
 */
static IntakeSource *
verify_arguments(FunctionCallInfo fcinfo, const char *function, IntakeRequest *request,
				 IntakeVerdict *verdict)
{
	IntakeSource *source;
	IntakeSecret *secret;
	const char *mark;

	intake_scratch_restart();
	refuse_nulls(fcinfo, 3, function);
	source = intake_by_sql_source(text_argument(fcinfo, 0));
	request->headers = intake_by_sql_headers(PG_GETARG_JSONB_P(1));
	request->body = text_argument(fcinfo, 2);
	request->most = (size_t) intake_settings_max_body_size * 1024;
	request->url = text_argument(fcinfo, 3);
	if (request->url.data == NULL)
		request->url = source->public_url;
	mark = request->url.data ? memchr(request->url.data, '?', request->url.len) : NULL;
	if (mark != NULL)
		request->query = (IntakeSlice){mark + 1, request->url.data + request->url.len - mark - 1};
	else
		request->query = intake_slice_cstr("");
	request->method = PG_ARGISNULL(4) ? intake_slice_cstr("POST") : text_argument(fcinfo, 4);
	request->now =
		PG_ARGISNULL(5) ? intake_receive_now() : PG_GETARG_TIMESTAMPTZ(5) + INTAKE_UNIX_EPOCH;
	intake_judge_verify(source, request, verdict, &secret);
	return source;
}

/* SQL: intake.verify(source, headers, body, url, method, at). */
Datum
intake_sql_verify(PG_FUNCTION_ARGS)
{
	IntakeVerdict verdict = {0};
	IntakeRequest request = {0};

	(void) verify_arguments(fcinfo, "intake.verify", &request, &verdict);
	PG_RETURN_BOOL(verdict.reason == INTAKE_OK);
}

/* Appends bytes in quotes; those that are not printable ASCII as \xNN. */
static void
append_bytes(StringInfo out, const char *bytes, size_t count)
{
	appendStringInfoChar(out, '"');
	for (size_t i = 0; i < count; i++)
	{
		unsigned char byte = bytes[i];

		if (byte < 0x20 || byte > 0x7E)
			appendStringInfo(out, "\\x%02x", byte);
		else
			appendStringInfo(out, byte == '"' || byte == '\\' ? "\\%c" : "%c", byte);
	}
	appendStringInfoChar(out, '"');
}

/*
 * Appends what is known of signed content: enough to tell a wrong secret from another body. A
 * verify_token does not stand in it, and no digest is made with it: somebody could guess it.
 */
static void
append_content(StringInfo out, const IntakeRequest *request, const IntakeVerdict *verdict)
{
	bool has_token = intake_template_uses(verdict->scheme->message, "token");
	IntakeSlice content = intake_signature_content(
		verdict, request, has_token ? intake_slice_cstr("{token}") : INTAKE_ABSENT,
		verdict->timestamp);
	size_t shown = Min(content.len, SHOWN);
	IntakeDigest digest;
	char hex[2 * INTAKE_DIGEST_MAX + 1];

	if (content.data == NULL || !intake_digest_plain(INTAKE_SHA256, &content, 1, &digest))
		return;
	intake_encoding_hex(digest.bytes, digest.len, hex);
	appendStringInfo(
		out, "; signed content%s%s: %zu bytes, SHA-256 %s, begins with ",
		intake_template_uses(verdict->scheme->message, "secret") ? " without the secret" : "",
		has_token ? " with {token} for the verify_token" : "", content.len, hex);
	append_bytes(out, content.data, shown);
	appendStringInfoString(out, ", ends with ");
	append_bytes(out, content.data + content.len - shown, shown);
}

/* Appends how many events a verified request is, where its source splits it. */
static void
append_items(StringInfo out, IntakeSource *source, const IntakeScheme *scheme,
			 const IntakeRequest *request)
{
	IntakeDelivery delivery = {.source = source, .request = *request};

	if (source->profile->split == NULL)
		return;
	intake_content_look(&delivery.request);
	if (intake_split_delivery(&delivery, scheme))
		appendStringInfo(out, ": %d item%s", delivery.event.n_items,
						 delivery.event.n_items == 1 ? "" : "s");
	else if (delivery.reason != NULL)
		appendStringInfo(out, ": %s: %s", delivery.reason, delivery.detail);
	else
		appendStringInfoString(out, ": no items, so it is one event");
}

/* SQL: intake.verify_explain, the same arguments: 'ok', or what is wrong. */
Datum
intake_sql_verify_explain(PG_FUNCTION_ARGS)
{
	IntakeVerdict verdict = {0};
	IntakeRequest request = {0};
	IntakeSource *source;
	StringInfoData out;
	const char *problem = NULL;

	source = verify_arguments(fcinfo, "intake.verify_explain", &request, &verdict);
	initStringInfo(&out);
	request = verdict.opened;
	if (verdict.reason == INTAKE_OK)
		problem = intake_content_problem(verdict.scheme, verdict.scheme->content, &request);
	if (problem != NULL)
		appendStringInfo(&out, "%s: it verifies, but is no event: %s",
						 intake_content_reason(verdict.scheme->content), problem);
	else
		appendStringInfoString(&out, intake_reason_name(verdict.reason));
	if (verdict.detail[0] != '\0')
		appendStringInfo(&out, ": %s", verdict.detail);
	if (verdict.reason == INTAKE_OK && problem == NULL)
		append_items(&out, source, verdict.scheme, &request);
	if (verdict.reason == INTAKE_MISMATCH && verdict.scheme->message != NULL)
		append_content(&out, &request, &verdict);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

/* ---- signing ---- */

static IntakeSlice
random_id(void)
{
	Datum uuid = DirectFunctionCall1(gen_random_uuid, (Datum) 0);

	return intake_slice_cstr(DatumGetCString(DirectFunctionCall1(uuid_out, uuid)));
}

/* The headers of a block as an object; names as they are written, the last of a name counts. */
static Jsonb *
block_object(IntakeSlice block)
{
	JsonbParseState *state = NULL;
	IntakeHeaderIterator iterator = intake_headers_begin(block);
	IntakeSlice name;
	IntakeSlice text;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	while (intake_headers_next(&iterator, &name, &text))
	{
		JsonbValue value = {.type = jbvString};

		value.val.string.val = (char *) name.data;
		value.val.string.len = name.len;
		pushJsonbValue(&state, WJB_KEY, &value);
		value.val.string.val = (char *) text.data;
		value.val.string.len = text.len;
		pushJsonbValue(&state, WJB_VALUE, &value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* SQL: intake.sign(source, body, headers, at). */
Datum
intake_sql_sign(PG_FUNCTION_ARGS)
{
	IntakeSource *source;
	IntakeRequest request = {0};
	IntakeSigner signer = {0};
	IntakeSlice headers;
	IntakeSlice rest;
	const char *why = "it has no secret";

	refuse_nulls(fcinfo, 4, "intake.sign");
	source = intake_by_sql_source(text_argument(fcinfo, 0));
	request.method = intake_slice_cstr("POST");
	request.body = text_argument(fcinfo, 1);
	request.headers = intake_by_sql_headers(PG_GETARG_JSONB_P(2));
	request.now = PG_GETARG_TIMESTAMPTZ(3) + INTAKE_UNIX_EPOCH;
	request.url = source->public_url;
	(void) intake_slice_cut(source->public_url, "?", &rest);
	request.query = rest.data ? rest : intake_slice_cstr("");
	signer.scheme = source->profile->scheme;
	signer.token = source->token;
	signer.event_key = source->profile->key;
	signer.id = random_id();
	for (int i = source->n_secrets - 1; i >= 0; i--)
		if (source->secrets[i].from <= PG_GETARG_TIMESTAMPTZ(3) &&
			PG_GETARG_TIMESTAMPTZ(3) < source->secrets[i].until)
			signer.key = &source->secrets[i].key;
	if (source->problem != NULL)
		why = source->problem;
	if (source->problem != NULL ||
		(signer.key == NULL && source->profile->scheme->kind != INTAKE_UNSIGNED) ||
		!intake_sign(&signer, &request, &headers, &why))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("cannot sign for source \"%s\": %s", source->name, why)));
	PG_RETURN_JSONB_P(block_object(headers));
}
