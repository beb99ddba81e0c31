/*
 * outcome.h
 *		What becomes of a call that was answered, or was not. Pure: time is an argument.
 */
#ifndef INTAKE_OUTCOME_H
#define INTAKE_OUTCOME_H

#include <stdint.h>

#include "common/slice.h"

/* What becomes of the call. */
typedef enum IntakeVerdict
{
	INTAKE_CALL_ACCEPTED, /* its step gets the answer */
	INTAKE_CALL_RETRY,    /* it is made again later; an attempt is charged */
	INTAKE_CALL_BACK,     /* it is made again later, and nothing is charged */
	INTAKE_CALL_FAILED    /* for good */
} IntakeVerdict;

/* What the answer says of the other side. From INTAKE_TROUBLE_PAYMENT on, it is out. */
typedef enum IntakeTrouble
{
	INTAKE_TROUBLE_NONE,   /* it works */
	INTAKE_TROUBLE_UNSAID, /* nothing */
	INTAKE_TROUBLE_PAYMENT,
	INTAKE_TROUBLE_UNAUTHORIZED,
	INTAKE_TROUBLE_FORBIDDEN,
	INTAKE_TROUBLE_SERVER,
	INTAKE_TROUBLE_TRANSPORT,
	INTAKE_TROUBLE_WAIT /* it asks for more than an hour */
} IntakeTrouble;

extern const char *const intake_outcome_troubles[]; /* their names */

/* Which statuses a caller has named. All zero: he has not. */
typedef struct IntakeStatuses
{
	bool given;
	unsigned char bits[75]; /* 0 to 599 */
} IntakeStatuses;

typedef struct IntakeOutcomeRules
{
	IntakeStatuses accept;   /* given: instead of 2xx */
	IntakeStatuses retry_on; /* given: instead of 408, 425, 429 and 5xx */
	int max_attempts;
} IntakeOutcomeRules;

typedef struct IntakeCallAnswer
{
	int status;        /* 0: there was none */
	IntakeSlice error; /* one of the courier's words, and what it adds; absent: none */
	int64_t wait;      /* microseconds that the answer asks for; below 0: it asks for nothing */
} IntakeCallAnswer;

typedef struct IntakeOutcome
{
	IntakeVerdict verdict;
	IntakeTrouble trouble;
	int64_t hold; /* microseconds for which no such call is to be made; 0: none */
} IntakeOutcome;

#define INTAKE_OUTCOME_LONGEST_HOLD INT64_C(3600000000) /* microseconds */

extern bool intake_outcome_add_statuses(IntakeStatuses *statuses, IntakeSlice text);
extern bool intake_outcome_error_is_known(IntakeSlice error);
extern int64_t intake_outcome_wait(IntakeSlice retry_after, int64_t now);
extern IntakeOutcome intake_outcome_decide(const IntakeCallAnswer *answer,
										   const IntakeOutcomeRules *rules, int attempts);

#endif
