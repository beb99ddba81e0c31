/*
 * lane.h
 *		The lanes: where each workflow's ready queue is to be read next.
 */
#ifndef INTAKE_LANE_H
#define INTAKE_LANE_H

#include "postgres.h"

#include "storage/spin.h"

#include "ground/slot.h"

/* Identity of a lane. */
typedef struct IntakeLaneTag
{
	Oid database;
	int32 workflow_id;
} IntakeLaneTag;

typedef struct IntakeLane
{
	IntakeLaneTag tag;
	IntakeWorkerKind kind; /* of the workers that serve it, */
	Oid owner;             /* and the role that they do that for */
	int64 cursor;          /* first position not read yet; written under the lane's lock */
	bool more;             /* the last claim left some; written as cursor is */
	slock_t mutex;         /* guards rewind */
	int64 rewind;          /* lowest position that arrived since, or PG_INT64_MAX */
	int64 head_time;       /* microseconds that the last claim from the head took; as rewind */
	int64 sent_at;         /* when it was sent back to its head, by intake_clock_now */
} IntakeLane;

extern Size intake_lane_shmem_size(void);
extern void intake_lane_startup(void);

extern IntakeLane *intake_lane_find(int32 workflow_id, IntakeWorkerKind kind, Oid owner);
extern bool intake_lane_ready(IntakeLane *lane);
extern void intake_lane_rewind(IntakeLane *lane, int64 position);
extern int64 intake_lane_claim_begin(IntakeLane *lane);
extern void intake_lane_claim_end(IntakeLane *lane, int64 cursor, bool more);
extern void intake_lane_claim_was_head(IntakeLane *lane, int64 microseconds);
extern void intake_lane_rewind_all(bool patient);
extern void intake_lane_poll(void);
extern void intake_lane_tell(int32 workflow_id, int64 position);

#endif
