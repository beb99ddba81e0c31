/*
 * duration.c
 *		Lengths of time that people write as intervals, in microseconds.
 *
 * An interval holds more than 64 bits of microseconds do, and may be negative in ways that a
 * comparison of intervals does not see: '-1 year 361 days' is not below zero for the server,
 * which compares by years of 360 days, and is 4.25 days below it in seconds. So bounds are
 * checked in microseconds, as extract(epoch FROM ...) counts them.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "ground/duration.h"

PG_FUNCTION_INFO_V1(intake_sql_check_duration);

/*
 * An interval in microseconds, or the nearest number that fits. A double is exact within the bounds
 * of any duration.
 */
int64
intake_duration_usecs(const Interval *interval)
{
	double days = (interval->month / MONTHS_PER_YEAR) * (double) DAYS_PER_YEAR +
				  (interval->month % MONTHS_PER_YEAR) * (double) DAYS_PER_MONTH + interval->day;
	double usecs = days * USECS_PER_DAY + (double) interval->time;

	if (usecs >= (double) PG_INT64_MAX)
		return PG_INT64_MAX;
	if (usecs <= (double) PG_INT64_MIN)
		return PG_INT64_MIN;
	return (int64) usecs;
}

static char *
interval_text(const Interval *interval)
{
	return DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(interval)));
}

/* An error unless VALUE is between LOW and HIGH, inclusive. */
static void
check(const char *parameter, const Interval *value, const Interval *low, const Interval *high)
{
	int64 usecs = intake_duration_usecs(value);

	if (usecs < intake_duration_usecs(low) || usecs > intake_duration_usecs(high))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s must be between %s and %s", parameter, interval_text(low),
							   interval_text(high)),
						errdetail("It is %s.", interval_text(value))));
}

/* An error unless VALUE is between nothing and ten years. */
void
intake_duration_check(const char *parameter, const Interval *value)
{
	const Interval nothing = {0};
	const Interval longest = {.month = 10 * MONTHS_PER_YEAR};

	check(parameter, value, &nothing, &longest);
}

/* SQL: intake.check_duration(parameter, value, low, high). */
Datum
intake_sql_check_duration(PG_FUNCTION_ARGS)
{
	check(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_INTERVAL_P(1), PG_GETARG_INTERVAL_P(2),
		  PG_GETARG_INTERVAL_P(3));
	PG_RETURN_VOID();
}
