/*
 * test_times.c
 *		Times in their exact forms, and those of tokens.
 */
#include <string.h>

#include "read/timestamp.h"
#include "verify/jwt.h"
#include "check.h"

#define NONE INT64_MIN

static int64_t
time_of(IntakeTimeUnit unit, const char *text)
{
	int64_t microseconds;

	return intake_timestamp_read(unit, intake_slice_cstr(text), &microseconds) ? microseconds
																			   : NONE;
}

static void
test_numbers(void)
{
	CHECK(time_of(INTAKE_SECONDS, "1700000000") == INT64_C(1700000000000000));
	CHECK(time_of(INTAKE_MILLISECONDS, "1700000000123") == INT64_C(1700000000123000));
	CHECK(time_of(INTAKE_SECONDS, "0000000000") == 0);
	CHECK(time_of(INTAKE_SECONDS, "") == NONE);
	CHECK(time_of(INTAKE_SECONDS, "-5") == NONE);
	CHECK(time_of(INTAKE_SECONDS, "1700000000x") == NONE);
	CHECK(time_of(INTAKE_SECONDS, "170000000") == NONE);
	CHECK(time_of(INTAKE_SECONDS, "01700000000") == NONE);
	CHECK(time_of(INTAKE_SECONDS, "17000000001") == NONE);
	CHECK(time_of(INTAKE_SECONDS, " 1700000000") == NONE);
	CHECK(time_of(INTAKE_SECONDS, "1700000000.5") == NONE);
	CHECK(time_of(INTAKE_SECONDS, "+170000000") == NONE);
	CHECK(time_of(INTAKE_SECONDS, "1700000000123") == NONE);
	CHECK(time_of(INTAKE_MILLISECONDS, "1700000000") == NONE);
	CHECK(time_of(INTAKE_MILLISECONDS, "01700000000123") == NONE);
	CHECK(time_of(INTAKE_MILLISECONDS, "170000000012") == NONE);
	CHECK(time_of(INTAKE_MILLISECONDS, "1700000000123.0") == NONE);
}

static void
test_iso8601(void)
{
	static const char *const wrong[] = {
		"2023-11-14T22:13:20",
		"2023-11-14t22:13:20Z",
		"2023-11-14T22:13:20z",
		"2023-11-14 22:13:20Z",
		"2023-11-14T22:13:20ZZ",
		"2023-11-14T22:13:20.Z",
		"2023-11-14T22:13:20,5Z",
		"2023-11-14T22:13Z",
		"20231114T221320Z",
		"2023-11-14T22:13:20+2:00",
		"2023-11-14T22:13:20+02",
		"2023-11-14T22:13:20+15:00",
		"2023-11-14T22:13:20+02:60",
		"2023-11-14T22:13:20 Z",
		"2023-13-14T22:13:20Z",
		"2023-02-29T22:13:20Z",
		"1900-02-29T22:13:20Z",
		"2023-04-31T22:13:20Z",
		"0000-01-01T00:00:00Z",
		"2023-11-14T24:00:00Z",
		"2023-11-14T22:60:00Z",
		"2023-11-14T22:13:61Z",
		"+2023-11-14T22:13:20Z",
		"2023-11-14T22:13:20+02:00Z",
		"2023-11-14T22:13:20+",
		"2023-11-14T22:13:20UTC",
		"2023-11-14T22:13:20-0a:00",
		"12023-11-14T22:13:20Z",
		"2023-11-14T22:13:20+02:0 ",
		"2023-11-14T22:13:20+02:000",
		"2023-11-14",
		"",
	};

	CHECK(time_of(INTAKE_ISO8601, "2023-11-14T22:13:20Z") == INT64_C(1700000000000000));
	CHECK(time_of(INTAKE_ISO8601, "2023-11-14T22:13:20.1Z") == INT64_C(1700000000100000));
	CHECK(time_of(INTAKE_ISO8601, "2023-11-14T22:13:20.123456789Z") == INT64_C(1700000000123456));
	CHECK(time_of(INTAKE_ISO8601, "2023-11-14T22:13:20.123456789012Z") ==
		  INT64_C(1700000000123456));
	CHECK(time_of(INTAKE_ISO8601, "2023-11-14T22:13:20.1234567890123Z") == NONE);
	CHECK(time_of(INTAKE_ISO8601, "2023-11-15T00:13:20+02:00") == INT64_C(1700000000000000));
	CHECK(time_of(INTAKE_ISO8601, "2023-11-14T15:13:20.5-0700") == INT64_C(1700000000500000));
	CHECK(time_of(INTAKE_ISO8601, "2024-02-29T00:00:00Z") == INT64_C(1709164800000000));
	CHECK(time_of(INTAKE_ISO8601, "2000-02-29T00:00:00Z") == INT64_C(951782400000000));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		check_that(time_of(INTAKE_ISO8601, wrong[i]) == NONE, wrong[i], __FILE__, __LINE__);
	CHECK(time_of(INTAKE_ISO8601_LOCAL, "2023-11-14T22:13:20") == INT64_C(1700000000000000));
	CHECK(time_of(INTAKE_ISO8601_LOCAL, "2023-11-14T22:13:20.551") == INT64_C(1700000000551000));
	CHECK(time_of(INTAKE_ISO8601_LOCAL, "2023-11-14T22:13:20Z") == NONE);
	CHECK(time_of(INTAKE_ISO8601_LOCAL, "2023-11-14T22:13:20+00:00") == NONE);
	CHECK(time_of(INTAKE_ISO8601_LOCAL, "2023-11-14T22:13:20.") == NONE);
}

static void
test_http_dates(void)
{
	CHECK(time_of(INTAKE_HTTP_DATE, "Tue, 14 Nov 2023 22:13:20 GMT") == INT64_C(1700000000000000));
	CHECK(time_of(INTAKE_HTTP_DATE, "Thu, 01 Jan 1970 00:00:00 GMT") == 0);
	CHECK(time_of(INTAKE_HTTP_DATE, "Wed, 31 Dec 1969 23:59:59 GMT") == -1000000);
	CHECK(time_of(INTAKE_HTTP_DATE, "Mon, 14 Nov 2023 22:13:20 GMT") == NONE);
	CHECK(time_of(INTAKE_HTTP_DATE, "Tue, 14 Nov 2023 22:13:20 CET") == NONE);
	CHECK(time_of(INTAKE_HTTP_DATE, "Tue, 14 Nov 2023 22:13:20 UTC") == NONE);
	CHECK(time_of(INTAKE_HTTP_DATE, "Tue, 14 Nov 2023 22:13:20 GMT ") == NONE);
	CHECK(time_of(INTAKE_HTTP_DATE, "tue, 14 nov 2023 22:13:20 gmt") == NONE);
	CHECK(time_of(INTAKE_HTTP_DATE, "Tuesday, 14-Nov-23 22:13:20 GMT") == NONE);
	CHECK(time_of(INTAKE_HTTP_DATE, "Tue Nov 14 22:13:20 2023") == NONE);
	CHECK(time_of(INTAKE_HTTP_DATE, "Tue, 4 Nov 2023 22:13:20 GMT") == NONE);
}

/* What is written is read again, to the second, and is what else says it. */
static void
test_writing(void)
{
	static const int64_t times[] = {0, 951782399, 951782400, 1700000000, 1709164800, 9999999999};
	char text[INTAKE_TIMESTAMP_TEXT];

	for (int unit = INTAKE_SECONDS; unit <= INTAKE_HTTP_DATE; unit++)
		for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		{
			int length = intake_timestamp_write(unit, times[i] * 1000000, text);

			CHECK(length == (int) strlen(text) && time_of(unit, text) == times[i] * 1000000);
		}
	CHECK(intake_timestamp_write(INTAKE_ISO8601, INT64_C(1700000000999999), text) > 0 &&
		  strcmp(text, "2023-11-14T22:13:20Z") == 0);
	CHECK(intake_timestamp_write(INTAKE_ISO8601_LOCAL, INT64_C(1700000000999999), text) > 0 &&
		  strcmp(text, "2023-11-14T22:13:20") == 0);
	CHECK(intake_timestamp_write(INTAKE_HTTP_DATE, INT64_C(1700000000999999), text) > 0 &&
		  strcmp(text, "Tue, 14 Nov 2023 22:13:20 GMT") == 0);
	CHECK(intake_timestamp_write(INTAKE_SECONDS, 5000000, text) > 0 &&
		  strcmp(text, "0000000005") == 0);
	CHECK(intake_timestamp_write(INTAKE_SECONDS, -1, text) == 0);
	CHECK(intake_timestamp_write(INTAKE_SECONDS, INT64_C(10000000000000000), text) == 0);
	CHECK(intake_timestamp_write(INTAKE_ISO8601, INT64_MAX, text) == 0);
}

/* The time of exp in the claims: -1 where it is not there. */
static int64_t
expiry(const char *claims)
{
	IntakeJwt token = {.claims = intake_slice_cstr(claims)};
	int64_t time = 0;
	bool present;

	if (!intake_jwt_time(&token, "/exp", &present, &time))
		return NONE;
	return present ? time : -1;
}

static void
test_claims(void)
{
	CHECK(expiry("{}") == -1);
	CHECK(expiry("{\"exp\":1700000000}") == INT64_C(1700000000000000));
	CHECK(expiry("{\"exp\":1700000000.75}") == INT64_C(1700000000000000));
	CHECK(expiry("{\"exp\":253402300799}") == INT64_C(253402300799000000));
	CHECK(expiry("{\"exp\":1.7e9}") == NONE);
	CHECK(expiry("{\"exp\":1700000000.0e9}") == NONE);
	CHECK(expiry("{\"exp\":1e99}") == NONE);
	CHECK(expiry("{\"exp\":\"1700000000\"}") == NONE);
	CHECK(expiry("{\"exp\":-1}") == NONE);
	CHECK(expiry("{\"exp\":null}") == NONE);
	CHECK(expiry("{\"exp\":[1700000000]}") == NONE);
	CHECK(expiry("{\"exp\":1700000000000000}") == NONE);
}

void
test_times(void)
{
	test_numbers();
	test_iso8601();
	test_http_dates();
	test_writing();
	test_claims();
}
