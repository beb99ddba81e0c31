/*
 * lane.h
 *		The lanes that have work, and where each is to be read next.
 */
#ifndef INTAKE_LANE_H
#define INTAKE_LANE_H

#include "postgres.h"

#include "queue/crew.h"

#define INTAKE_LANE_NOWHERE (PG_INT64_MAX - 1) /* a position behind all jobs */

/*
 * The workflow of a lane. A workflow has two: the lane of its id, for jobs at their first step, and
 * that of the negative, for jobs that go on, which is served first.
 */
static inline int32
intake_lane_workflow(int32 lane)
{
	return lane < 0 ? -lane : lane;
}

/* A lane that this process reads. */
typedef struct IntakeReading
{
	int32 lane;
	int64 start; /* the position to read from */
	bool again;  /* it has had a turn, and has more */
	int32 next;  /* the workflow whose lane waits behind it; 0: none does */
} IntakeReading;

extern Size intake_lane_shmem_size(void);
extern void intake_lane_startup(void);

extern bool intake_lane_tell(int32 lane, Oid role, int64 position);
extern void intake_lane_foretell(int32 lane, Oid role, int64 position);
extern int32 *intake_lane_list(int *count);
extern void intake_lane_settle(int32 lane, Oid role);

extern void intake_lane_open(void);
extern bool intake_lane_take(IntakeReading *reading);
extern void intake_lane_put(int64 cursor, bool more);
extern void intake_lane_forget(Oid database);

#endif
