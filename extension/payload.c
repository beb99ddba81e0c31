/*
 * payload.c
 *		JSON made from the bytes of a request, without ever raising an error for them.
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "headers.h"
#include "json.h"
#include "payload.h"

PG_FUNCTION_INFO_V1(intake_sql_payload);

/* The body as jsonb, or NULL where it is not JSON that jsonb can hold. */
Jsonb *
intake_payload_parse(IntakeSlice body)
{
	if (!intake_json_valid(body))
		return NULL;
	return DatumGetJsonbP(
		DirectFunctionCall1(jsonb_in, CStringGetDatum(pnstrdup(body.data, body.len))));
}

/* SQL: the same for a bytea. */
Datum
intake_sql_payload(PG_FUNCTION_ARGS)
{
	bytea *body = PG_GETARG_BYTEA_PP(0);
	IntakeSlice slice = {VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body)};
	Jsonb *payload = intake_payload_parse(slice);

	if (payload == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(payload);
}

/* Whether the bytes can be a text: valid UTF-8 without NUL. */
bool
intake_payload_text_valid(IntakeSlice text)
{
	return text.len == 0 || (memchr(text.data, 0, text.len) == NULL &&
							 pg_verify_mbstr(PG_UTF8, text.data, text.len, true));
}

/*
 * Appends bytes as UTF-8: as they are when they are that, and otherwise as ISO 8859-1, which
 * is what HTTP once gave header values. NUL bytes are left out.
 */
static void
append_text(StringInfo out, IntakeSlice text)
{
	if (intake_payload_text_valid(text))
	{
		appendBinaryStringInfo(out, text.data, text.len);
		return;
	}
	for (size_t i = 0; i < text.len; i++)
	{
		unsigned char byte = text.data[i];

		if (byte >= 0x80)
		{
			appendStringInfoChar(out, 0xC0 | (byte >> 6));
			appendStringInfoChar(out, 0x80 | (byte & 0x3F));
		}
		else if (byte != 0)
			appendStringInfoChar(out, byte);
	}
}

static JsonbValue
string_value(StringInfo text)
{
	JsonbValue value;

	value.type = jbvString;
	value.val.string.val = text->data;
	value.val.string.len = text->len;
	return value;
}

/* One header: its name in lower case, and its values so far. */
typedef struct Header
{
	StringInfoData name;
	StringInfoData value;
} Header;

static Header *
find_header(Header *headers, int count, StringInfo name)
{
	for (int i = 0; i < count; i++)
		if (headers[i].name.len == name->len &&
			memcmp(headers[i].name.data, name->data, name->len) == 0)
			return &headers[i];
	return NULL;
}

static void
collect_header(Header *headers, int *count, IntakeSlice name, IntakeSlice value)
{
	StringInfoData lower;
	Header *header;

	initStringInfo(&lower);
	append_text(&lower, name);
	for (int i = 0; i < lower.len; i++)
		lower.data[i] = pg_ascii_tolower(lower.data[i]);
	header = find_header(headers, *count, &lower);
	if (header == NULL)
	{
		header = &headers[(*count)++];
		header->name = lower;
		initStringInfo(&header->value);
	}
	else
		appendStringInfoString(&header->value, ", ");
	append_text(&header->value, value);
}

#define MAX_HEADERS 256
#define LEAST_SECRET 4 /* bytes that are not there by chance */

/* Whether the value of a header has a secret in it. */
static bool
has_secret(IntakeSlice value, IntakeSlice secret)
{
	return secret.len >= LEAST_SECRET && value.len >= secret.len &&
		   memmem(value.data, value.len, secret.data, secret.len) != NULL;
}

/*
 * The headers of a request as an object, names in lower case, repeated ones joined with a
 * comma. Credentials are left out, and so are headers where SCHEME finds signatures, those that
 * have SECRET (or absent) in them, and what follows the 256th name.
 */
Jsonb *
intake_payload_headers(IntakeSlice block, const IntakeScheme *scheme, IntakeSlice secret)
{
	Header headers[MAX_HEADERS];
	int count = 0;
	IntakeHeaderIterator iterator = intake_headers_begin(block);
	IntakeSlice name;
	IntakeSlice value;
	JsonbParseState *state = NULL;
	JsonbValue text;

	while (count < MAX_HEADERS && intake_headers_next(&iterator, &name, &value))
		if (!intake_scheme_header_is_credential(scheme, name) && !has_secret(value, secret))
			collect_header(headers, &count, name, value);

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < count; i++)
	{
		text = string_value(&headers[i].name);
		pushJsonbValue(&state, WJB_KEY, &text);
		text = string_value(&headers[i].value);
		pushJsonbValue(&state, WJB_VALUE, &text);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}
