/*
 * asked.c
 *		A request that a step asks for: a row of type intake.request.
 *
 * A handler may have made the row without intake.request. So it is checked where the step ends, too,
 * and nothing of it is taken for granted.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "calls/credential.h"
#include "calls/field.h"
#include "calls/outcome.h"
#include "calls/asked.h"
#include "ground/datum.h"
#include "ground/duration.h"
#include "ground/rowtype.h"
#include "read/word.h"

#define MOST_LIMITS 16
#define MOST_LIMIT_NAME 100
#define MOST_STATUSES 500 /* there are no more */

enum
{
	request_method,
	request_url,
	request_headers,
	request_body,
	request_auth,
	request_limits,
	request_timeout,
	request_options,
	request_columns
};

static const Oid types[request_columns] = {TEXTOID, TEXTOID,  JSONBOID,    BYTEAOID,
										   TEXTOID, JSONBOID, INTERVALOID, JSONBOID};

/* ---- reading ---- */

static IntakeSlice
read_text(Datum value, bool null)
{
	return null ? INTAKE_ABSENT : intake_datum_bytes(value);
}

static Jsonb *
read_jsonb(Datum value, bool null)
{
	return null ? NULL : DatumGetJsonbP(value);
}

static void
read_columns(const Datum *values, const bool *nulls, IntakeAsked *request)
{
	request->has_body = !nulls[request_body];
	request->body = values[request_body];
	if (request->has_body)
		request->body_size = toast_raw_datum_size(request->body) - VARHDRSZ;
	request->method = nulls[request_method] ? intake_slice_cstr(request->has_body ? "POST" : "GET")
											: intake_datum_bytes(values[request_method]);
	request->url = read_text(values[request_url], nulls[request_url]);
	request->headers = read_jsonb(values[request_headers], nulls[request_headers]);
	request->auth = nulls[request_auth] ? NULL : TextDatumGetCString(values[request_auth]);
	request->limits = read_jsonb(values[request_limits], nulls[request_limits]);
	request->timeout = nulls[request_timeout]
						   ? INTAKE_REQUEST_TIMEOUT
						   : intake_duration_usecs(DatumGetIntervalP(values[request_timeout]));
	request->options = read_jsonb(values[request_options], nulls[request_options]);
}

/* Reads the columns of a row of type intake.request. */
static TupleDesc
read_row(Datum row, Datum **values, bool **nulls)
{
	return intake_rowtype_read(row, "intake.request", types, request_columns, values, nulls);
}

/* Gives a row a value that it has not. */
static void
give(Datum *values, bool *nulls, int column, Datum value, bool there)
{
	if (!nulls[column] || !there)
		return;
	values[column] = value;
	nulls[column] = false;
}

/* Reads a row of type intake.request. What it has stays where the row is, or is palloc'ed. */
void
intake_asked_read(Datum row, IntakeAsked *request)
{
	Datum *values;
	bool *nulls;
	TupleDesc descriptor = read_row(row, &values, &nulls);

	ReleaseTupleDesc(descriptor);
	memset(request, 0, sizeof(*request));
	read_columns(values, nulls, request);
}

/*
 * A ROW of type intake.request with what it leaves out: url and auth (NULL: none), limits (likewise) and
 * timeout (microseconds).
 */
Datum
intake_asked_complete(Datum row, const char *url, const char *auth, Jsonb *limits, int64 timeout)
{
	Datum *values;
	bool *nulls;
	TupleDesc descriptor = read_row(row, &values, &nulls);
	Interval *interval = palloc0(sizeof(Interval));

	interval->time = timeout;
	give(values, nulls, request_url, url ? CStringGetTextDatum(url) : (Datum) 0, url != NULL);
	give(values, nulls, request_auth, auth ? CStringGetTextDatum(auth) : (Datum) 0, auth != NULL);
	give(values, nulls, request_limits, JsonbPGetDatum(limits), limits != NULL);
	give(values, nulls, request_timeout, IntervalPGetDatum(interval), true);
	row = heap_copy_tuple_as_datum(heap_form_tuple(descriptor, values, nulls), descriptor);
	ReleaseTupleDesc(descriptor);
	return row;
}

/* ---- checking ---- */

static void
check_url(IntakeAsked *request)
{
	const char *problem;

	if (request->url.data == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a call needs a URL")));
	problem = intake_call_url_parse(request->url, &request->parts);
	if (problem != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the URL of a call cannot be used: %s", problem)));
}

static void
check_method(IntakeSlice method)
{
	const char *problem = intake_field_method_problem(method);

	if (problem != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the method of a call cannot be used: %s", problem)));
}

static void
check_timeout(int64 timeout)
{
	if (timeout < USECS_PER_SEC || timeout > USECS_PER_DAY)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the timeout of a call must be between 1 second and 24 hours")));
}

static void
check_body(const IntakeAsked *request)
{
	if (request->body_size > INTAKE_REQUESTS_SIZE)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("the body of a call is larger than 64 MB")));
}

static void
refuse_object(const char *what)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("the %s of a call are not a JSON object", what)));
}

static bool
is_units(const JsonbValue *value)
{
	return value->type == jbvNumeric && !numeric_is_nan(value->val.numeric) &&
		   DatumGetBool(DirectFunctionCall2(numeric_gt, NumericGetDatum(value->val.numeric),
											DirectFunctionCall1(int4_numeric, Int32GetDatum(0))));
}

/* Limits are names, and how many units of each a call takes. */
static void
check_limits(Jsonb *limits)
{
	JsonbIterator *iterator = JsonbIteratorInit(&limits->root);
	JsonbValue name;
	JsonbValue value;

	if (!JB_ROOT_IS_OBJECT(limits))
		refuse_object("limits");
	(void) JsonbIteratorNext(&iterator, &value, true);
	while (JsonbIteratorNext(&iterator, &name, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&iterator, &value, true);
		if (!is_units(&value) || name.val.string.len < 1 || name.val.string.len > MOST_LIMIT_NAME ||
			JB_ROOT_COUNT(limits) > MOST_LIMITS)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("the limits of a call are 1 to %d names of 1 to %d bytes with "
								   "numbers above 0",
								   MOST_LIMITS, MOST_LIMIT_NAME),
							errhint("Such as {\"openai-requests\": 1, \"openai-tokens\": 1500}.")));
	}
}

/* Whether an element of an option is a status, such as 404, or a hundred of them, such as "5xx". */
static bool
is_status(const JsonbValue *value)
{
	IntakeStatuses statuses = {0};
	IntakeSlice text = INTAKE_ABSENT;

	if (value->type == jbvString)
		text = (IntakeSlice){value->val.string.val, value->val.string.len};
	else if (value->type == jbvNumeric)
		text = intake_slice_cstr(
			DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric))));
	return intake_outcome_add_statuses(&statuses, text);
}

static bool
are_statuses(const JsonbValue *list)
{
	JsonbIterator *iterator;
	JsonbValue value;

	if (list->type != jbvBinary || !JsonContainerIsArray(list->val.binary.data) ||
		JsonContainerSize(list->val.binary.data) > MOST_STATUSES)
		return false;
	iterator = JsonbIteratorInit(list->val.binary.data);
	(void) JsonbIteratorNext(&iterator, &value, true);
	while (JsonbIteratorNext(&iterator, &value, true) == WJB_ELEM)
		if (!is_status(&value))
			return false;
	return true;
}

static void
check_options(Jsonb *options)
{
	static const char *const known[] = {"accept", "retry_on"};
	JsonbIterator *iterator = JsonbIteratorInit(&options->root);
	JsonbValue name;
	JsonbValue value;
	int found;

	if (!JB_ROOT_IS_OBJECT(options))
		refuse_object("options");
	(void) JsonbIteratorNext(&iterator, &value, true);
	while (JsonbIteratorNext(&iterator, &name, true) == WJB_KEY)
	{
		char *text = pnstrdup(name.val.string.val, name.val.string.len);

		(void) JsonbIteratorNext(&iterator, &value, true);
		if (!intake_word_find(text, known, lengthof(known), &found))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("option \"%s\" of a call is not known", text),
							errhint("It is one of accept, retry_on.")));
		if (!are_statuses(&value))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("option \"%s\" of a call is not a list of statuses", text),
							errhint("Such as [\"2xx\", 404].")));
	}
}

/*
 * Raises an error where a request cannot be made, whoever asks for it. Reads its URL, which need not be
 * there where it is ADDED later.
 */
void
intake_asked_check(IntakeAsked *request, bool added)
{
	if (!added || request->url.data != NULL)
		check_url(request);
	check_method(request->method);
	check_timeout(request->timeout);
	check_body(request);
	if (request->headers != NULL)
		intake_call_headers_check(request->headers, 0);
	if (request->limits != NULL)
		check_limits(request->limits);
	if (request->options != NULL)
		check_options(request->options);
}
