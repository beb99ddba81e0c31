/*
 * answer.h
 *		Answers that a courier brings, and what becomes of their calls.
 */
#ifndef INTAKE_ANSWER_H
#define INTAKE_ANSWER_H

#include "postgres.h"

#include "calls/desk.h"
#include "calls/outage.h"
#include "common/slice.h"

typedef struct IntakeAnswer
{
	int64 call_id;
	int64 job_id;
	int status;
	IntakeSlice headers; /* lines, or absent */
	Datum body;          /* a bytea; 0: none */
	IntakeSlice error;   /* one of the courier's words, and more; absent: none */
	int64 duration;      /* microseconds */
} IntakeAnswer;

extern void intake_answer_settle(IntakeDesk *desk, IntakeLines *lines, int64 courier,
								 const IntakeAnswer *answers, int count);
extern void intake_answer_lose(IntakeDesk *desk, IntakeLines *lines, IntakeCall *call,
							   const char *error);

#endif
