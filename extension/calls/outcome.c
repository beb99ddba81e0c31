/*
 * outcome.c
 *		What becomes of a call that was answered, or was not. Pure: time is an argument.
 *
 * An answer says two things that are kept apart: what is to be done with the call, and whether the
 * other side works. A call that asks for nonsense fails for good at a side that works; a side that
 * is out must cost its callers nothing (outage.c).
 */
#include "calls/outcome.h"

#include "read/timestamp.h"

#define SHORTEST_HOLD INT64_C(1000000) /* microseconds */
#define MOST_WAIT INT64_C(315576000)   /* seconds that are read: ten years */

const char *const intake_outcome_troubles[] = {
	[INTAKE_TROUBLE_NONE] = "none",           [INTAKE_TROUBLE_UNSAID] = "unsaid",
	[INTAKE_TROUBLE_PAYMENT] = "402",         [INTAKE_TROUBLE_UNAUTHORIZED] = "401",
	[INTAKE_TROUBLE_FORBIDDEN] = "403",       [INTAKE_TROUBLE_SERVER] = "5xx",
	[INTAKE_TROUBLE_TRANSPORT] = "transport", [INTAKE_TROUBLE_WAIT] = "wait",
};

/* What a courier says of a call that had no answer, or none that can be used. */
static const struct
{
	const char *word;
	IntakeVerdict verdict; /* INTAKE_CALL_RETRY: while there are attempts */
	IntakeTrouble trouble;
} errors[] = {
	{"resolve", INTAKE_CALL_RETRY, INTAKE_TROUBLE_TRANSPORT},
	{"connect", INTAKE_CALL_RETRY, INTAKE_TROUBLE_TRANSPORT},
	{"tls", INTAKE_CALL_RETRY, INTAKE_TROUBLE_TRANSPORT},
	{"timeout", INTAKE_CALL_RETRY, INTAKE_TROUBLE_TRANSPORT},
	{"reset", INTAKE_CALL_RETRY, INTAKE_TROUBLE_TRANSPORT},
	{"protocol", INTAKE_CALL_RETRY, INTAKE_TROUBLE_TRANSPORT},
	{"refused_address", INTAKE_CALL_FAILED, INTAKE_TROUBLE_UNSAID},
	{"too_large", INTAKE_CALL_FAILED, INTAKE_TROUBLE_UNSAID},
	{"encoding", INTAKE_CALL_FAILED, INTAKE_TROUBLE_UNSAID},
	{"lost", INTAKE_CALL_RETRY, INTAKE_TROUBLE_UNSAID},
	{"released", INTAKE_CALL_BACK, INTAKE_TROUBLE_UNSAID},
};

#define N_ERRORS (sizeof(errors) / sizeof(errors[0]))

/* ---- statuses ---- */

static void
add(IntakeStatuses *statuses, int first, int last)
{
	for (int status = first; status <= last; status++)
		statuses->bits[status / 8] |= 1 << status % 8;
}

static bool
has(const IntakeStatuses *statuses, int status)
{
	return status >= 0 && status < (int) sizeof(statuses->bits) * 8 &&
		   (statuses->bits[status / 8] & 1 << status % 8) != 0;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * Adds what TEXT names: a status of three digits from 100 to 599, or all that begin with a digit, such
 * as 2xx. Returns false where it is neither.
 */
bool
intake_outcome_add_statuses(IntakeStatuses *statuses, IntakeSlice text)
{
	int first;

	if (text.len != 3 || text.data[0] < '1' || text.data[0] > '5')
		return false;
	first = (text.data[0] - '0') * 100;
	if (text.data[1] == 'x' && text.data[2] == 'x')
		add(statuses, first, first + 99);
	else if (is_digit(text.data[1]) && is_digit(text.data[2]))
	{
		first += (text.data[1] - '0') * 10 + text.data[2] - '0';
		add(statuses, first, first);
	}
	else
		return false;
	statuses->given = true;
	return true;
}

static bool
is_accepted(const IntakeOutcomeRules *rules, int status)
{
	return rules->accept.given ? has(&rules->accept, status) : status / 100 == 2;
}

static bool
is_retried(const IntakeOutcomeRules *rules, int status)
{
	if (rules->retry_on.given)
		return has(&rules->retry_on, status);
	return status == 408 || status == 425 || status == 429 || status / 100 == 5;
}

static IntakeTrouble
trouble_of(int status)
{
	switch (status)
	{
		case 401:
			return INTAKE_TROUBLE_UNAUTHORIZED;
		case 402:
			return INTAKE_TROUBLE_PAYMENT;
		case 403:
			return INTAKE_TROUBLE_FORBIDDEN;
		case 408:
		case 425:
		case 429:
			return INTAKE_TROUBLE_UNSAID;
		default:
			return status / 100 == 5 ? INTAKE_TROUBLE_SERVER : INTAKE_TROUBLE_NONE;
	}
}

/* ---- errors ---- */

/* The place of the word that an error begins with, or -1. */
static int
find_error(IntakeSlice error)
{
	IntakeSlice rest;
	IntakeSlice word = intake_slice_cut(error, ":", &rest);

	for (int i = 0; i < (int) N_ERRORS; i++)
		if (intake_slice_equal(word, intake_slice_cstr(errors[i].word)))
			return i;
	return -1;
}

/* Whether an error begins with a word that couriers have. */
bool
intake_outcome_error_is_known(IntakeSlice error)
{
	return find_error(error) >= 0;
}

/* ---- Retry-After ---- */

/*
 * How long the value of a Retry-After asks to wait, in microseconds, at NOW (since the Unix epoch);
 * below 0 where it says nothing.
 */
int64_t
intake_outcome_wait(IntakeSlice retry_after, int64_t now)
{
	int64_t seconds = 0;
	int64_t at;
	size_t i = 0;

	if (retry_after.data == NULL)
		return -1;
	retry_after = intake_slice_trim(retry_after);
	while (i < retry_after.len && is_digit(retry_after.data[i]))
	{
		seconds = seconds * 10 + (retry_after.data[i++] - '0');
		if (seconds > MOST_WAIT)
			seconds = MOST_WAIT;
	}
	if (i > 0 && i == retry_after.len)
		return seconds * 1000000;
	if (!intake_timestamp_read(INTAKE_HTTP_DATE, retry_after, &at))
		return -1;
	return at > now ? at - now : 0;
}

/* ---- the outcome ---- */

/* What becomes of a call that is to be tried again, if it may. */
static IntakeVerdict
again(const IntakeOutcomeRules *rules, int attempts)
{
	return attempts + 1 < rules->max_attempts ? INTAKE_CALL_RETRY : INTAKE_CALL_FAILED;
}

static IntakeOutcome
decide_error(IntakeSlice error, const IntakeOutcomeRules *rules, int attempts)
{
	int i = find_error(error);
	IntakeOutcome outcome = {INTAKE_CALL_RETRY, INTAKE_TROUBLE_TRANSPORT, 0};

	if (i >= 0)
		outcome = (IntakeOutcome){errors[i].verdict, errors[i].trouble, 0};
	if (outcome.verdict == INTAKE_CALL_RETRY)
		outcome.verdict = again(rules, attempts);
	return outcome;
}

static IntakeOutcome
hold(int64_t wait)
{
	IntakeOutcome outcome = {INTAKE_CALL_BACK, INTAKE_TROUBLE_UNSAID, wait};

	if (wait < SHORTEST_HOLD)
		outcome.hold = SHORTEST_HOLD;
	if (wait > INTAKE_OUTCOME_LONGEST_HOLD)
	{
		outcome.hold = INTAKE_OUTCOME_LONGEST_HOLD;
		outcome.trouble = INTAKE_TROUBLE_WAIT;
	}
	return outcome;
}

/* What becomes of a call after ATTEMPTS that were charged before this one. */
IntakeOutcome
intake_outcome_decide(const IntakeCallAnswer *answer, const IntakeOutcomeRules *rules, int attempts)
{
	int status = answer->status;
	IntakeOutcome outcome = {INTAKE_CALL_FAILED, INTAKE_TROUBLE_NONE, 0};

	if (answer->error.data != NULL || status < 100)
		return decide_error(answer->error, rules, attempts);
	if (is_accepted(rules, status))
	{
		outcome.verdict = INTAKE_CALL_ACCEPTED;
		return outcome;
	}
	if ((status == 429 || status == 503) && answer->wait >= 0)
		return hold(answer->wait);
	outcome.trouble = trouble_of(status);
	if (outcome.trouble == INTAKE_TROUBLE_PAYMENT)
		outcome.verdict = INTAKE_CALL_BACK;
	else if (is_retried(rules, status))
		outcome.verdict = again(rules, attempts);
	return outcome;
}
