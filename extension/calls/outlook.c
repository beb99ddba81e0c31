/*
 * outlook.c
 *		SQL: intake.done, intake.again, intake.sleep, intake.sleep_until and intake.wait make what a handler
 *		returns that asks for no calls.
 *
 * They only make a row, which is judged when the step ends, whoever has made it. They refuse what is a
 * mistake in any case: then the error comes with the line of the handler that is wrong.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "calls/next.h"
#include "ground/datum.h"
#include "ground/duration.h"

PG_FUNCTION_INFO_V1(intake_sql_done);
PG_FUNCTION_INFO_V1(intake_sql_again);
PG_FUNCTION_INFO_V1(intake_sql_sleep);
PG_FUNCTION_INFO_V1(intake_sql_sleep_until);
PG_FUNCTION_INFO_V1(intake_sql_wait);

static const NullableDatum none = {(Datum) 0, true};

/* ---- what a row says beside its step ---- */

/* A member of an object. */
typedef struct Member
{
	const char *name;
	JsonbValue value;
} Member;

static NullableDatum
object_of(Member *members, int count)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < count; i++)
	{
		JsonbValue name = {.type = jbvString};

		name.val.string.val = (char *) members[i].name;
		name.val.string.len = (int) strlen(members[i].name);
		(void) pushJsonbValue(&state, WJB_KEY, &name);
		(void) pushJsonbValue(&state, WJB_VALUE, &members[i].value);
	}
	return (NullableDatum){
		JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL))), false};
}

static JsonbValue
string_of(IntakeSlice text)
{
	JsonbValue value = {.type = jbvString};

	value.val.string.val = (char *) text.data;
	value.val.string.len = (int) text.len;
	return value;
}

/* A text, or JSON null. */
static JsonbValue
text_of(NullableDatum text)
{
	JsonbValue null = {.type = jbvNull};

	return text.isnull ? null : string_of(intake_datum_bytes(text.value));
}

/* The seconds of an interval whose bounds are checked, or JSON null. */
static JsonbValue
seconds_of(const char *parameter, NullableDatum interval)
{
	JsonbValue value = {.type = jbvNull};

	if (interval.isnull)
		return value;
	intake_duration_check(parameter, DatumGetIntervalP(interval.value));
	value.type = jbvNumeric;
	value.val.numeric =
		int64_div_fast_to_numeric(intake_duration_usecs(DatumGetIntervalP(interval.value)), 6);
	return value;
}

/* ---- rows of type intake.next ---- */

static Datum
make(const char *act, NullableDatum step, NullableDatum state, NullableDatum args)
{
	NullableDatum columns[] = {{CStringGetTextDatum(act), false}, step, state, args, none};

	return intake_next_form("next", columns, lengthof(columns));
}

static void
refuse_null(NullableDatum argument, const char *what)
{
	if (argument.isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the %s must not be null", what)));
}

/* SQL: intake.done(result). */
Datum
intake_sql_done(PG_FUNCTION_ARGS)
{
	Member result = {.name = "result"};

	if (PG_ARGISNULL(0))
		PG_RETURN_DATUM(make("done", none, none, none));
	if (!JsonbExtractScalar(&PG_GETARG_JSONB_P(0)->root, &result.value))
		JsonbToJsonbValue(PG_GETARG_JSONB_P(0), &result.value);
	PG_RETURN_DATUM(make("done", none, none, object_of(&result, 1)));
}

/* SQL: intake.again(step, error, state). */
Datum
intake_sql_again(PG_FUNCTION_ARGS)
{
	Member error = {"error", text_of(fcinfo->args[1])};

	PG_RETURN_DATUM(make("again", fcinfo->args[0], fcinfo->args[2], object_of(&error, 1)));
}

/* SQL: intake.sleep(delay, step, state). */
Datum
intake_sql_sleep(PG_FUNCTION_ARGS)
{
	Member seconds = {.name = "seconds"};

	refuse_null(fcinfo->args[0], "delay");
	seconds.value = seconds_of("delay", fcinfo->args[0]);
	PG_RETURN_DATUM(make("sleep", fcinfo->args[1], fcinfo->args[2], object_of(&seconds, 1)));
}

/* SQL: intake.sleep_until(at, step, state). */
Datum
intake_sql_sleep_until(PG_FUNCTION_ARGS)
{
	Member until = {.name = "until"};

	refuse_null(fcinfo->args[0], "time");
	if (TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(0)))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_FIELD_OVERFLOW), errmsg("the time must be finite")));
	until.value = string_of(
		intake_slice_cstr(JsonEncodeDateTime(NULL, PG_GETARG_DATUM(0), TIMESTAMPTZOID, NULL)));
	PG_RETURN_DATUM(make("sleep", fcinfo->args[1], fcinfo->args[2], object_of(&until, 1)));
}

/* SQL: intake.wait(key, timeout, step, state). */
Datum
intake_sql_wait(PG_FUNCTION_ARGS)
{
	Member members[] = {{.name = "key"}, {.name = "timeout"}};

	refuse_null(fcinfo->args[0], "key");
	members[0].value = text_of(fcinfo->args[0]);
	members[1].value = seconds_of("timeout", fcinfo->args[1]);
	PG_RETURN_DATUM(make("wait", fcinfo->args[2], fcinfo->args[3], object_of(members, 2)));
}
