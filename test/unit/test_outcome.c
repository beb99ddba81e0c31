/*
 * test_outcome.c
 *		What becomes of a call that was answered, or was not.
 */
#include "calls/outcome.h"
#include "check.h"

#define SECOND INT64_C(1000000)

static IntakeOutcomeRules rules = {.max_attempts = 3};

static IntakeOutcome
decide(int status, const char *error, int64_t wait, int attempts)
{
	IntakeCallAnswer answer = {status, intake_slice_cstr(error), wait};

	return intake_outcome_decide(&answer, &rules, attempts);
}

static bool
is(IntakeOutcome outcome, IntakeVerdict verdict, IntakeTrouble trouble)
{
	return outcome.verdict == verdict && outcome.trouble == trouble;
}

static void
statuses(void)
{
	IntakeStatuses none = {0};

	CHECK(is(decide(200, NULL, -1, 0), INTAKE_CALL_ACCEPTED, INTAKE_TROUBLE_NONE));
	CHECK(is(decide(299, NULL, -1, 9), INTAKE_CALL_ACCEPTED, INTAKE_TROUBLE_NONE));
	CHECK(is(decide(302, NULL, -1, 0), INTAKE_CALL_FAILED, INTAKE_TROUBLE_NONE));
	CHECK(is(decide(404, NULL, -1, 0), INTAKE_CALL_FAILED, INTAKE_TROUBLE_NONE));
	CHECK(is(decide(404, NULL, 5 * SECOND, 0), INTAKE_CALL_FAILED, INTAKE_TROUBLE_NONE));
	CHECK(is(decide(401, NULL, -1, 0), INTAKE_CALL_FAILED, INTAKE_TROUBLE_UNAUTHORIZED));
	CHECK(is(decide(403, NULL, -1, 0), INTAKE_CALL_FAILED, INTAKE_TROUBLE_FORBIDDEN));
	CHECK(is(decide(402, NULL, -1, 2), INTAKE_CALL_BACK, INTAKE_TROUBLE_PAYMENT));
	CHECK(is(decide(408, NULL, -1, 1), INTAKE_CALL_RETRY, INTAKE_TROUBLE_UNSAID));
	CHECK(is(decide(425, NULL, -1, 1), INTAKE_CALL_RETRY, INTAKE_TROUBLE_UNSAID));
	CHECK(is(decide(429, NULL, -1, 2), INTAKE_CALL_FAILED, INTAKE_TROUBLE_UNSAID));
	CHECK(is(decide(500, NULL, -1, 1), INTAKE_CALL_RETRY, INTAKE_TROUBLE_SERVER));
	CHECK(is(decide(599, NULL, -1, 2), INTAKE_CALL_FAILED, INTAKE_TROUBLE_SERVER));
	CHECK(is(decide(101, NULL, -1, 0), INTAKE_CALL_FAILED, INTAKE_TROUBLE_NONE));
	CHECK(is(decide(999, NULL, -1, 0), INTAKE_CALL_FAILED, INTAKE_TROUBLE_NONE));
	CHECK(is(decide(-7, NULL, -1, 0), INTAKE_CALL_RETRY, INTAKE_TROUBLE_TRANSPORT));
	CHECK(!intake_outcome_add_statuses(&none, intake_slice_cstr("2x0")));
	CHECK(!intake_outcome_add_statuses(&none, intake_slice_cstr("600")));
	CHECK(!intake_outcome_add_statuses(&none, intake_slice_cstr("99")));
	CHECK(!intake_outcome_add_statuses(&none, intake_slice_cstr("")));
	CHECK(!none.given);
}

static void
named_statuses(void)
{
	rules = (IntakeOutcomeRules){.max_attempts = 3};
	CHECK(intake_outcome_add_statuses(&rules.accept, intake_slice_cstr("404")));
	CHECK(intake_outcome_add_statuses(&rules.accept, intake_slice_cstr("2xx")));
	CHECK(intake_outcome_add_statuses(&rules.retry_on, intake_slice_cstr("409")));
	CHECK(decide(404, NULL, -1, 0).verdict == INTAKE_CALL_ACCEPTED);
	CHECK(decide(204, NULL, -1, 0).verdict == INTAKE_CALL_ACCEPTED);
	CHECK(decide(409, NULL, -1, 0).verdict == INTAKE_CALL_RETRY);
	CHECK(decide(500, NULL, -1, 0).verdict == INTAKE_CALL_FAILED);
	rules = (IntakeOutcomeRules){.max_attempts = 3};
}

static void
errors(void)
{
	CHECK(is(decide(0, "resolve", -1, 0), INTAKE_CALL_RETRY, INTAKE_TROUBLE_TRANSPORT));
	CHECK(is(decide(0, "connect: no route", -1, 2), INTAKE_CALL_FAILED, INTAKE_TROUBLE_TRANSPORT));
	CHECK(is(decide(200, "reset: after 3 bytes", -1, 0), INTAKE_CALL_RETRY,
			 INTAKE_TROUBLE_TRANSPORT));
	CHECK(is(decide(0, "refused_address: 10.0.0.1", -1, 0), INTAKE_CALL_FAILED,
			 INTAKE_TROUBLE_UNSAID));
	CHECK(is(decide(200, "too_large", -1, 0), INTAKE_CALL_FAILED, INTAKE_TROUBLE_UNSAID));
	CHECK(is(decide(200, "encoding", -1, 0), INTAKE_CALL_FAILED, INTAKE_TROUBLE_UNSAID));
	CHECK(is(decide(0, "lost: the database", -1, 0), INTAKE_CALL_RETRY, INTAKE_TROUBLE_UNSAID));
	CHECK(is(decide(0, "lost", -1, 2), INTAKE_CALL_FAILED, INTAKE_TROUBLE_UNSAID));
	CHECK(is(decide(0, "released", -1, 2), INTAKE_CALL_BACK, INTAKE_TROUBLE_UNSAID));
	CHECK(is(decide(0, "strange", -1, 0), INTAKE_CALL_RETRY, INTAKE_TROUBLE_TRANSPORT));
	CHECK(is(decide(0, NULL, -1, 0), INTAKE_CALL_RETRY, INTAKE_TROUBLE_TRANSPORT));
	CHECK(intake_outcome_error_is_known(intake_slice_cstr("tls: expired")));
	CHECK(!intake_outcome_error_is_known(intake_slice_cstr("tlsx")));
}

static void
holds(void)
{
	IntakeOutcome outcome = decide(429, NULL, 30 * SECOND, 2);

	CHECK(is(outcome, INTAKE_CALL_BACK, INTAKE_TROUBLE_UNSAID) && outcome.hold == 30 * SECOND);
	CHECK(decide(503, NULL, 0, 2).hold == SECOND);
	CHECK(decide(500, NULL, 30 * SECOND, 0).hold == 0);
	outcome = decide(503, NULL, 3601 * SECOND, 0);
	CHECK(is(outcome, INTAKE_CALL_BACK, INTAKE_TROUBLE_WAIT));
	CHECK(outcome.hold == INTAKE_OUTCOME_LONGEST_HOLD);
}

static void
retry_after(void)
{
	int64_t now = INT64_C(784111777) * SECOND; /* Sun, 06 Nov 1994 08:49:37 GMT */

	CHECK(intake_outcome_wait(INTAKE_ABSENT, now) == -1);
	CHECK(intake_outcome_wait(intake_slice_cstr(""), now) == -1);
	CHECK(intake_outcome_wait(intake_slice_cstr(" 120 "), now) == 120 * SECOND);
	CHECK(intake_outcome_wait(intake_slice_cstr("0"), now) == 0);
	CHECK(intake_outcome_wait(intake_slice_cstr("99999999999999999999999999"), now) ==
		  315576000 * SECOND);
	CHECK(intake_outcome_wait(intake_slice_cstr("-1"), now) == -1);
	CHECK(intake_outcome_wait(intake_slice_cstr("1.5"), now) == -1);
	CHECK(intake_outcome_wait(intake_slice_cstr("Sun, 06 Nov 1994 08:50:37 GMT"), now) ==
		  60 * SECOND);
	CHECK(intake_outcome_wait(intake_slice_cstr("Sun, 06 Nov 1994 08:48:37 GMT"), now) == 0);
	CHECK(intake_outcome_wait(intake_slice_cstr("soon"), now) == -1);
}

void
test_outcome(void)
{
	statuses();
	named_statuses();
	errors();
	holds();
	retry_after();
}
