/*
 * lane.h
 *		The lanes that have work, and where each is to be read next.
 */
#ifndef INTAKE_LANE_H
#define INTAKE_LANE_H

#include "postgres.h"

#include "queue/crew.h"

#define INTAKE_LANE_NOWHERE (PG_INT64_MAX - 1) /* a position behind all jobs */

/* A lane that this process reads. */
typedef struct IntakeReading
{
	int32 workflow_id;
	int64 start; /* the position to read from */
	bool again;  /* it has had a turn, and has more */
	int32 next;  /* the workflow whose lane waits behind it; 0: none does */
} IntakeReading;

extern Size intake_lane_shmem_size(void);
extern void intake_lane_startup(void);

extern bool intake_lane_tell(int32 workflow_id, Oid role, int64 position);
extern void intake_lane_foretell(int32 workflow_id, Oid role, int64 position);
extern int32 *intake_lane_list(int *count);
extern void intake_lane_settle(int32 workflow_id, Oid role);

extern void intake_lane_open(void);
extern bool intake_lane_take(IntakeReading *reading);
extern void intake_lane_put(int64 cursor, bool more);
extern void intake_lane_forget(Oid database);

#endif
