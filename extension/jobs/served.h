/*
 * served.h
 *		The lanes that a process serves: those of its role's active workflows.
 */
#ifndef INTAKE_SERVED_H
#define INTAKE_SERVED_H

#include "postgres.h"

#include "queue/lane.h"

typedef struct IntakeServedLane
{
	IntakeLane *lane;
	int32 workflow_id;
	int64 job_time; /* microseconds, a moving average; 0: not known */
} IntakeServedLane;

typedef struct IntakeServed
{
	IntakeServedLane *lanes; /* in TopMemoryContext */
	int count;
	uint64 version; /* of the workflows that they were listed from */
} IntakeServed;

extern bool intake_served_is_old(const IntakeServed *served);
extern void intake_served_refresh(IntakeServed *served);
extern bool intake_served_any_ready(const IntakeServed *served);
extern int intake_served_batch(const IntakeServedLane *lane);
extern void intake_served_note(IntakeServedLane *lane, int64 time, int jobs);
extern int32 intake_served_find_suspect(const IntakeServed *served);

#endif
