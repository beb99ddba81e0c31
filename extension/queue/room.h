/*
 * room.h
 *		The rooms of a job and the moves between them.
 */
#ifndef INTAKE_ROOM_H
#define INTAKE_ROOM_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/itemptr.h"
#include "utils/jsonb.h"

#include "ground/table.h"
#include "queue/lane.h"

/* A job in the hands of a holder: its row stands in running, or in suspect. */
typedef struct IntakeJob
{
	int64 job_id;
	int64 event_id;
	int32 workflow_id;
	int32 lane;     /* below 0: it goes on, and has a row in progress */
	int32 attempts; /* before the present one */
	bool suspect;
	int32 crashes;       /* of a suspect */
	int64 lease;         /* that its row has; 0: it is a suspect that does not run */
	ItemPointerData tid; /* where its row was last seen: a hint */
	int64 position;      /* that it had in its lane; 0: not known */
	bool again;          /* its lane had had a turn before the one that it was read in */
	int64 turn;          /* likewise, the position with which its turn came */
	bool more;           /* the one that its holder starts next is of the same event */
} IntakeJob;

/* What is kept of an attempt: an execution of a job that failed, or any attempt of a call. */
typedef struct IntakeAttempt
{
	int64 job_id;
	int32 workflow_id;
	int32 attempt;          /* its number, from 1 */
	TimestampTz started_at; /* 0: not known */
	const char *sqlstate;
	const char *error;
	const char *step; /* NULL: the job has not come beyond its first */
	int64 call_id;    /* 0: it is no call's */
	int32 status;     /* of the answer; 0: none */
	int64 duration;   /* microseconds; 0: not known */
} IntakeAttempt;

/* What came of taking a job out of its room. */
typedef enum IntakeLeave
{
	INTAKE_LEFT,
	INTAKE_BUSY, /* another transaction has its row locked, and the job is where it was */
	INTAKE_LOST  /* it is not there, or not under its lease: the holder has lost it */
} IntakeLeave;

extern int64 intake_room_enqueue(IntakeTable *queue, int32 lane, Oid role, int64 job_id,
								 int64 event_id, int32 attempts);
extern void intake_room_put_back(IntakeTable *queue, const IntakeJob *job, Oid role);
extern void intake_room_delay(int32 lane, int64 job_id, int64 event_id, int32 attempts,
							  TimestampTz run_at);

extern int intake_room_read(const IntakeReading *reading, int64 lease, int most, IntakeJob *jobs);
extern int intake_room_claim(IntakeJob *jobs, int count);
extern IntakeLeave intake_room_take(IntakeTable *table, const IntakeJob *job, bool wait);
extern IntakeLeave intake_room_leave(const IntakeJob *job, bool wait);
extern void intake_room_leave_surely(const IntakeJob *job);
extern void intake_room_complete(const IntakeJob *job, const Jsonb *result);
extern void intake_room_attempt(const IntakeAttempt *attempt);
extern void intake_room_bury(const IntakeJob *job, const char *workflow, const char *step,
							 const char *sqlstate, const char *error);

#endif
