/*
 * payload.c
 *		JSON made from the bytes of a request, without ever raising an error for them.
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "config/json_field.h"
#include "events/jsonb.h"
#include "events/payload.h"
#include "ground/datum.h"
#include "ground/intake.h"
#include "ground/settings.h"
#include "read/body.h"
#include "read/headers.h"
#include "read/json.h"
#include "read/work.h"

PG_FUNCTION_INFO_V1(intake_sql_payload);

/*
 * Makes jsonb of valid JSON, in the context KEEPS, or NULL where that raises an error: it may be
 * deeper than the stack. No subtransaction is needed to go on after that, for all that was done is to
 * compute; nor may there be one, where the query runs in parallel.
 */
static Jsonb *
try_jsonb(IntakeSlice body, bool uses_up, MemoryContext keeps)
{
	MemoryContext context = CurrentMemoryContext;
	Jsonb *volatile made = NULL;

	PG_TRY();
	{
		made = intake_jsonb_write(body, uses_up, keeps);
	}
	PG_CATCH();
	{
		int category = ERRCODE_TO_CATEGORY(geterrcode());

		if (category == ERRCODE_INSUFFICIENT_RESOURCES || category == ERRCODE_OPERATOR_INTERVENTION)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	return made;
}

/*
 * A text as jsonb, in the context KEEPS, or NULL where it is not JSON that jsonb can hold. KNOWN is
 * what it is, where somebody has looked. That it can be held is looked at again, for it may be read
 * otherwise than it was when it came in: not all headers are stored. With USES_UP nobody reads the text
 * afterwards.
 */
static Jsonb *
parse(IntakeSlice body, IntakeJson known, bool uses_up, MemoryContext keeps)
{
	body = intake_json_unmarked(body);
	if (known == INTAKE_JSON_UNKNOWN || known == INTAKE_JSON_HELD)
		known = intake_json_look(body, NULL);
	return known == INTAKE_JSON_HELD ? try_jsonb(body, uses_up, keeps) : NULL;
}

/* Appends a header, as it was stored, to a block. */
static void
add_header(StringInfo block, Jsonb *headers, const char *name)
{
	JsonbValue room;
	JsonbValue *value = getKeyJsonValueFromContainer(&headers->root, name, strlen(name), &room);

	if (value != NULL && value->type == jbvString)
		appendStringInfo(block, "%s: %.*s\r\n", name, value->val.string.len, value->val.string.val);
}

/* The headers that say how a stored body is to be read. */
IntakeSlice
intake_payload_head(Jsonb *headers)
{
	StringInfoData block;

	initStringInfo(&block);
	if (JB_ROOT_IS_OBJECT(headers))
	{
		add_header(&block, headers, "content-type");
		add_header(&block, headers, "content-encoding");
	}
	return (IntakeSlice){block.data, block.len};
}

/* The JSON in a body; where that is a form, in FIELD of it, or absent. */
static Jsonb *
payload_of(Jsonb *headers, IntakeSlice body, IntakeSlice field, IntakeJson known, bool uses_up,
		   MemoryContext keeps)
{
	IntakeRequest request = {.body = body, .most = (size_t) intake_settings_max_body_size * 1024};

	if (headers != NULL)
		request.headers = intake_payload_head(headers);
	intake_work_begin(body.len + request.most, 0);
	intake_body_open(&request, field);
	return parse(intake_request_text(&request), known, uses_up, keeps);
}

/* Whether a body is JSON by its beginning. Then it is no form, and nobody reads what was configured. */
bool
intake_payload_is_json(IntakeSlice body)
{
	char first = intake_body_first(body);

	return first == '{' || first == '[';
}

/* The field of forms that has the JSON of a source. */
static IntakeSlice
field_of(int32 source_id, IntakeSlice body)
{
	return intake_payload_is_json(body) ? INTAKE_ABSENT : intake_json_field(source_id);
}

/*
 * The payload of an event of a source, or NULL where it has none. KNOWN is what was found when its
 * request was judged, where it was.
 */
Jsonb *
intake_payload_of_event(int32 source_id, Jsonb *headers, IntakeSlice body, IntakeJson known)
{
	return payload_of(headers, body, field_of(source_id, body), known, false, CurrentMemoryContext);
}

/*
 * The same of a stored event, of which nobody knows anything: in the context KEEPS. What it is made
 * of goes into a context of its own, and is given back.
 */
Jsonb *
intake_payload_of_stored(const IntakeStoredEvent *event, MemoryContext keeps)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "pg_intake payload", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	/* An item is JSON, whatever its delivery is. */
	int32 source_id = event->position > 0 ? INTAKE_SOURCE_INTERNAL : event->source_id;
	IntakeSlice body = intake_datum_bytes(event->body);
	/* One that is stored elsewhere was fetched for this alone. */
	bool uses_up = VARATT_IS_EXTERNAL(DatumGetPointer(event->body));
	Jsonb *payload = payload_of(event->headers, body, field_of(source_id, body),
								INTAKE_JSON_UNKNOWN, uses_up, keeps);

	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return payload;
}

/* SQL: intake.payload(body, json_from, headers). */
Datum
intake_sql_payload(PG_FUNCTION_ARGS)
{
	IntakeSlice field = INTAKE_ABSENT;
	Jsonb *payload;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (!PG_ARGISNULL(1))
		(void) intake_slice_cut(intake_datum_bytes(PG_GETARG_DATUM(1)), ":", &field);
	payload = payload_of(PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2),
						 intake_datum_bytes(PG_GETARG_DATUM(0)), field, INTAKE_JSON_UNKNOWN, false,
						 CurrentMemoryContext);
	if (payload == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(payload);
}

/*
 * Bytes as UTF-8: as they are when they are that, and otherwise as ISO 8859-1, which is what HTTP
 * once gave header values. NUL bytes are left out.
 */
static IntakeSlice
as_text(IntakeSlice bytes)
{
	char *out;
	size_t n = 0;

	if (intake_datum_is_text(bytes))
		return bytes;
	out = palloc(2 * bytes.len);
	for (size_t i = 0; i < bytes.len; i++)
	{
		unsigned char byte = bytes.data[i];

		if (byte >= 0x80)
		{
			out[n++] = 0xC0 | (byte >> 6);
			out[n++] = 0x80 | (byte & 0x3F);
		}
		else if (byte != 0)
			out[n++] = byte;
	}
	return (IntakeSlice){out, n};
}

static IntakeSlice
lower_case(IntakeSlice text)
{
	char *out = palloc(text.len + 1);

	for (size_t i = 0; i < text.len; i++)
		out[i] = pg_ascii_tolower(text.data[i]);
	return (IntakeSlice){out, text.len};
}

/* One header: its name in lower case, and its values so far. */
typedef struct Header
{
	IntakeSlice name;
	IntakeSlice value; /* absent: it is not shown */
	StringInfo joined; /* where the value is, if there were several */
} Header;

#define MAX_HEADERS 256

typedef struct Headers
{
	IntakeSlice block;
	const IntakeReaders *readers;
	Header list[MAX_HEADERS];
	int count;
} Headers;

static void
join(Header *header, IntakeSlice value)
{
	if (header->joined == NULL)
	{
		header->joined = makeStringInfo();
		appendBinaryStringInfo(header->joined, header->value.data, header->value.len);
	}
	appendStringInfoString(header->joined, ", ");
	appendBinaryStringInfo(header->joined, value.data, value.len);
	header->value = (IntakeSlice){header->joined->data, header->joined->len};
}

/*
 * Adds a header; VALUE is absent where it must not be shown. Where the first of its name is all that
 * counts, the others are passed over, and so is what would only be called so when it is shown.
 */
static void
collect_header(Headers *headers, IntakeSlice written, IntakeSlice value)
{
	IntakeSlice name = lower_case(as_text(written));

	if (headers->readers != NULL && !intake_slice_equal_nocase(name, written) &&
		intake_single_header(headers->readers, name, headers->block))
		return;
	for (int i = 0; i < headers->count; i++)
	{
		Header *header = &headers->list[i];

		if (!intake_slice_equal(header->name, name))
			continue;
		if (value.data == NULL || (headers->readers != NULL &&
								   intake_single_header(headers->readers, name, headers->block)))
			return;
		if (header->value.data != NULL)
			join(header, as_text(value));
		else
			header->value = as_text(value);
		return;
	}
	if (value.data != NULL)
		value = as_text(value);
	headers->list[headers->count++] = (Header){name, value, NULL};
}

static void
push_string(JsonbParseState **state, JsonbIteratorToken token, IntakeSlice text)
{
	JsonbValue value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, text.data);
	value.val.string.len = text.len;
	pushJsonbValue(state, token, &value);
}

#define LEAST_SECRET 4 /* bytes that are not there by chance */

/* Whether the value of a header has a secret in it. */
static bool
has_secret(IntakeSlice value, IntakeSlice secret)
{
	return secret.len >= LEAST_SECRET && value.len >= secret.len &&
		   memmem(value.data, value.len, secret.data, secret.len) != NULL;
}

/* The text of a payload that was given as jsonb, a bytea: what the body of its event is. */
Datum
intake_payload_body(Jsonb *payload)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoSpaces(&text, VARHDRSZ);
	(void) JsonbToCString(&text, &payload->root, VARSIZE(payload));
	SET_VARSIZE(text.data, text.len);
	return PointerGetDatum(text.data);
}

/*
 * The headers of a request as an object, names in lower case, repeated ones joined with a comma,
 * but for those that READERS look at: of these the first is there. Credentials are left out, and so
 * are headers where the scheme finds signatures, those that have SECRET (or absent) in them, and
 * what follows the 256th name. Where READERS is NULL, which is so for an answer, nothing is left out for
 * what it is.
 */
Jsonb *
intake_payload_headers(IntakeSlice block, const IntakeReaders *readers, IntakeSlice secret)
{
	Headers headers = {.block = block, .readers = readers, .count = 0};
	IntakeHeaderIterator iterator = intake_headers_begin(block);
	IntakeSlice name;
	IntakeSlice value;
	JsonbParseState *state = NULL;

	while (headers.count < MAX_HEADERS && intake_headers_next(&iterator, &name, &value))
		if (readers == NULL || !intake_scheme_header_is_credential(readers->scheme, name))
			collect_header(&headers, name, has_secret(value, secret) ? INTAKE_ABSENT : value);

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < headers.count; i++)
	{
		if (headers.list[i].value.data == NULL)
			continue;
		push_string(&state, WJB_KEY, headers.list[i].name);
		push_string(&state, WJB_VALUE, headers.list[i].value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}
