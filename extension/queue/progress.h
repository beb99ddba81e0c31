/*
 * progress.h
 *		How far a job has come that goes on by steps.
 */
#ifndef INTAKE_PROGRESS_H
#define INTAKE_PROGRESS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

#include "queue/room.h"

/* The row of a job in progress; it has one where its lane is below 0. */
typedef struct IntakeProgress
{
	const char *step;       /* that runs next */
	int32 steps;            /* after which it went on */
	Jsonb *visits;          /* steps, each with the failed attempts that it had when it was left */
	Jsonb *state;           /* or NULL */
	Jsonb *input;           /* payload of a signal, or NULL */
	int64 first_call;       /* whose answers the step gets; 0: none */
	int32 calls;            /* from that one on */
	bool single;            /* they were asked for as one call */
	const char *failed;     /* the step for calls that failed, or NULL */
	TimestampTz started_at; /* from when its age counts */
} IntakeProgress;

extern bool intake_progress_read(int64 job_id, IntakeProgress *progress);
extern void intake_progress_write(const IntakeJob *job, const IntakeProgress *progress,
								  bool before);
extern int32 intake_progress_restart(const IntakeJob *job, bool ages);

#endif
