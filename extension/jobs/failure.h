/*
 * failure.h
 *		What becomes of a job whose attempt failed.
 */
#ifndef INTAKE_FAILURE_H
#define INTAKE_FAILURE_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "config/workflow.h"
#include "queue/room.h"

/* Bytes that are kept of an error's message, detail and context each. */
#define INTAKE_MAX_ERROR 10000

typedef struct IntakeFailure
{
	TimestampTz started_at; /* of the attempt; 0: not known */
	int sqlerrcode;
	const char *error;
	const char *detail;  /* of the error, or NULL; WH002 has its delay there */
	const char *context; /* where the error was raised, or NULL */
	const char *step;    /* that ran; NULL: not known, or the job has not come beyond its first */
	bool permanent;      /* no retry, whatever the code */
	bool hurried;        /* locks are not waited for: the job stays where it is */
} IntakeFailure;

extern int64 intake_failure_backoff(const IntakeWorkflow *workflow, int32 attempts);
extern const char *intake_failure_last_error(int64 job_id);
extern void intake_failure_lost(const IntakeJob *job, IntakeLeave left,
								const IntakeFailure *failure);
extern void intake_failure_record(const IntakeJob *job, const IntakeFailure *failure);

#endif
