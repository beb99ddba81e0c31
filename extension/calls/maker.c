/*
 * maker.c
 *		SQL: intake.request, intake.call and intake.calls make what a handler returns that asks for calls.
 *
 * What they refuse would be refused when the step ends; here the error comes with the line of the
 * handler that is wrong.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "calls/asked.h"
#include "calls/maker.h"
#include "calls/next.h"
#include "ground/datum.h"

PG_FUNCTION_INFO_V1(intake_sql_request);
PG_FUNCTION_INFO_V1(intake_sql_call);
PG_FUNCTION_INFO_V1(intake_sql_calls);

#define MOST_STEP 100 /* bytes */

static const NullableDatum none = {(Datum) 0, true};

static NullableDatum
text_of(const char *text)
{
	return (NullableDatum){CStringGetTextDatum(text), false};
}

/* ---- requests ---- */

/* JSON as it is sent. */
static NullableDatum
body_of(NullableDatum json, NullableDatum raw)
{
	char *text;
	char *sent;

	if (!json.isnull && !raw.isnull)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a call has body or raw, not both"),
						errhint("body is JSON, and raw is bytes as they are.")));
	if (json.isnull)
		return raw;
	text = JsonbToCString(NULL, &DatumGetJsonbP(json.value)->root, 0);
	sent = pg_server_to_any(text, (int) strlen(text), PG_UTF8);
	return (NullableDatum){PointerGetDatum(cstring_to_text(sent)), false};
}

static bool
is_content_type(const JsonbValue *name)
{
	return intake_slice_equal_nocase((IntakeSlice){name->val.string.val, name->val.string.len},
									 intake_slice_cstr("content-type"));
}

/* Headers with the type of JSON, unless they say one. Which headers they are is checked later. */
static NullableDatum
with_type(NullableDatum headers)
{
	static char name[] = "Content-Type";
	static char type[] = "application/json";
	JsonbValue key = {.type = jbvString, .val.string = {strlen(name), name}};
	JsonbValue value = {.type = jbvString, .val.string = {strlen(type), type}};
	JsonbParseState *state = NULL;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue item;

	if (!headers.isnull && !JB_ROOT_IS_OBJECT(DatumGetJsonbP(headers.value)))
		return headers;
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	iterator = headers.isnull ? NULL : JsonbIteratorInit(&DatumGetJsonbP(headers.value)->root);
	if (iterator != NULL)
		(void) JsonbIteratorNext(&iterator, &item, true);
	while (iterator != NULL &&
		   (token = JsonbIteratorNext(&iterator, &item, true)) != WJB_END_OBJECT)
	{
		if (token == WJB_KEY && is_content_type(&item))
			return headers;
		(void) pushJsonbValue(&state, token, &item);
	}
	(void) pushJsonbValue(&state, WJB_KEY, &key);
	(void) pushJsonbValue(&state, WJB_VALUE, &value);
	return (NullableDatum){
		JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL))), false};
}

/* What the functions call their arguments. */
typedef struct Arguments
{
	NullableDatum url, body, auth, limits, headers, method, raw, timeout, options;
	bool url_added; /* where it is none, there will be one */
} Arguments;

/* A row of type intake.request, checked. */
static Datum
make_request(const Arguments *arguments)
{
	NullableDatum body = body_of(arguments->body, arguments->raw);
	NullableDatum method =
		arguments->method.isnull ? text_of(body.isnull ? "GET" : "POST") : arguments->method;
	NullableDatum headers =
		arguments->body.isnull ? arguments->headers : with_type(arguments->headers);
	NullableDatum columns[] = {method,
							   arguments->url,
							   headers,
							   body,
							   arguments->auth,
							   arguments->limits,
							   arguments->timeout,
							   arguments->options};
	Datum row = intake_next_form("request", columns, lengthof(columns));
	IntakeAsked request;

	intake_asked_read(row, &request);
	intake_asked_check(&request, arguments->url_added);
	return row;
}

/* SQL: intake.request(url, body, auth, limits, headers, method, raw, timeout, options). */
Datum
intake_sql_request(PG_FUNCTION_ARGS)
{
	Arguments arguments = {
		fcinfo->args[0], fcinfo->args[1], fcinfo->args[2], fcinfo->args[3], fcinfo->args[4],
		fcinfo->args[5], fcinfo->args[6], fcinfo->args[7], fcinfo->args[8], true};

	PG_RETURN_DATUM(make_request(&arguments));
}

/* A request with a BODY and without a URL. */
Datum
intake_maker_post(Jsonb *body)
{
	Arguments arguments = {.url = none,
						   .body = {JsonbPGetDatum(body), false},
						   .auth = none,
						   .limits = none,
						   .headers = none,
						   .method = none,
						   .raw = none,
						   .timeout = none,
						   .options = none,
						   .url_added = true};

	return make_request(&arguments);
}

/* ---- what comes next ---- */

static void
check_step(NullableDatum step, const char *what)
{
	size_t length = step.isnull ? 1 : intake_datum_bytes(step.value).len;

	if (length < 1 || length > MOST_STEP)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s has a name of 1 to %d bytes", what, MOST_STEP)));
}

/* The options of OPTIONS that are of the step, or the others; NULL where there are none. */
static NullableDatum
pick(NullableDatum options, bool of_step)
{
	JsonbParseState *state = NULL;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue item;
	bool wanted = false;
	bool any = false;

	if (options.isnull || !JB_ROOT_IS_OBJECT(DatumGetJsonbP(options.value)))
		return of_step ? none : options;
	iterator = JsonbIteratorInit(&DatumGetJsonbP(options.value)->root);
	(void) pushJsonbValue(&state, JsonbIteratorNext(&iterator, &item, true), NULL);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_END_OBJECT)
	{
		if (token == WJB_KEY)
			wanted = intake_slice_equal((IntakeSlice){item.val.string.val, item.val.string.len},
										intake_slice_cstr("failed")) == of_step;
		any |= wanted;
		if (wanted)
			(void) pushJsonbValue(&state, token, &item);
	}
	if (!any)
		return none;
	return (NullableDatum){
		JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL))), false};
}

/* The options of a step, of which there is one: failed, which names another step. */
static void
check_options(NullableDatum options)
{
	JsonbValue name;

	if (options.isnull)
		return;
	if (!JB_ROOT_IS_OBJECT(DatumGetJsonbP(options.value)))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the options of calls are not a JSON object")));
	if (!pick(options, false).isnull)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("calls have one option, failed"),
				 errhint("Other options are of a request: intake.request takes them.")));
	if (getKeyJsonValueFromContainer(&DatumGetJsonbP(options.value)->root, "failed", 6, &name) ==
		NULL)
		return;
	if (name.type != jbvString)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"failed\" is not the name of a step")));
	check_step((NullableDatum){PointerGetDatum(cstring_to_text_with_len(name.val.string.val,
																		name.val.string.len)),
							   false},
			   "the step for calls that fail");
}

static Datum
make_next(const char *act, NullableDatum step, NullableDatum state, NullableDatum args,
		  ArrayType *requests)
{
	NullableDatum columns[] = {text_of(act), step, state, args, {PointerGetDatum(requests), false}};

	check_step(step, "a step");
	check_options(args);
	return intake_next_form("next", columns, lengthof(columns));
}

/* SQL: intake.call(url, body, step, auth, limits, headers, method, raw, timeout, state, options). */
Datum
intake_sql_call(PG_FUNCTION_ARGS)
{
	NullableDatum options = fcinfo->args[10];
	Arguments arguments = {
		.url = fcinfo->args[0],
		.body = fcinfo->args[1],
		.auth = fcinfo->args[3],
		.limits = fcinfo->args[4],
		.headers = fcinfo->args[5],
		.method = fcinfo->args[6],
		.raw = fcinfo->args[7],
		.timeout = fcinfo->args[8],
		.options = pick(options, false),
	};
	Datum request = make_request(&arguments);
	ArrayType *requests =
		construct_array(&request, 1, intake_next_type("request"), -1, false, TYPALIGN_DOUBLE);

	PG_RETURN_DATUM(
		make_next("call", fcinfo->args[2], fcinfo->args[9], pick(options, true), requests));
}

static void
check_requests(ArrayType *requests)
{
	Datum *rows;
	bool *nulls;
	int count;
	size_t size = 0;
	IntakeAsked request;

	deconstruct_array(requests, ARR_ELEMTYPE(requests), -1, false, TYPALIGN_DOUBLE, &rows, &nulls,
					  &count);
	for (int i = 0; i < count && count <= INTAKE_REQUESTS_MAX; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("request %d of the calls is NULL", i + 1)));
		intake_asked_read(rows[i], &request);
		intake_asked_check(&request, false);
		size += request.body_size;
	}
	if (count < 1 || count > INTAKE_REQUESTS_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a step makes 1 to %d calls, not %d", INTAKE_REQUESTS_MAX, count)));
	if (size > INTAKE_REQUESTS_SIZE)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("the bodies of a step's calls are larger than 64 MB together")));
}

/* SQL: intake.calls(requests, step, state, options). */
Datum
intake_sql_calls(PG_FUNCTION_ARGS)
{
	ArrayType *requests;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("calls need requests"),
						errhint("intake.request makes one.")));
	requests = PG_GETARG_ARRAYTYPE_P(0);
	check_requests(requests);
	PG_RETURN_DATUM(
		make_next("calls", fcinfo->args[1], fcinfo->args[2], fcinfo->args[3], requests));
}
