/*
 * step.h
 *		A job at one of its steps.
 */
#ifndef INTAKE_STEP_H
#define INTAKE_STEP_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

#include "config/workflow.h"
#include "jobs/handler.h"
#include "queue/progress.h"
#include "queue/room.h"

typedef struct IntakeJobStep
{
	const IntakeJob *job;
	const char *name;
	bool has_url; /* its workflow: the first step makes a call, and the next has the answer */
	IntakeProgress progress; /* up to it; of a job at its first step, as if it had a row */
	Jsonb *input;            /* what the handler gets, or NULL */
	Datum responses;         /* likewise, of type intake.response[]; 0: none */
	const char *last_error;  /* or NULL */
	const char *traceparent; /* of the event, or NULL */
	TimestampTz expires_at;  /* or DT_NOEND */
} IntakeJobStep;

extern void intake_step_begin(IntakeJobStep *step, const IntakeJob *job,
							  const IntakeWorkflow *workflow);
extern void intake_step_age(IntakeJobStep *step, const IntakeWorkflow *workflow,
							TimestampTz received_at);
extern bool intake_step_has_result(const IntakeJobStep *step);
extern void intake_step_end(const IntakeJobStep *step, const IntakeReturned *returned);
extern const char *intake_step_current(void);
extern TimestampTz intake_step_expiry(const IntakeJob *job, const IntakeWorkflow *workflow);

#endif
