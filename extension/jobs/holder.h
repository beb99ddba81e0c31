/*
 * holder.h
 *		Jobs in the hands of a process: claimed under its lease, run one after the other, and given
 *		back where they did not end.
 */
#ifndef INTAKE_HOLDER_H
#define INTAKE_HOLDER_H

#include "postgres.h"

#include "queue/lane.h"
#include "queue/room.h"

#define INTAKE_HOLDER_MOST 256
#define INTAKE_HOLDER_LANES 64

typedef struct IntakeHolder
{
	int64 lease;
	IntakeJob jobs[INTAKE_HOLDER_MOST];
	int count;
	int next;                                    /* the first one not started */
	int uncommitted;                             /* the first one whose end is not committed */
	bool running;                                /* the one before next is running */
	IntakeReading readings[INTAKE_HOLDER_LANES]; /* that a claim in progress has begun */
	int n_readings;
	int found;            /* jobs of the claim in progress */
	MemoryContext memory; /* for the job that runs */
} IntakeHolder;

extern void intake_holder_open(IntakeHolder *holder);
extern void intake_holder_claim_begin(IntakeHolder *holder);
extern int intake_holder_claim(IntakeHolder *holder, const IntakeReading *reading, int most,
							   int together);
extern bool intake_holder_is_full(const IntakeHolder *holder);
extern bool intake_holder_has_others(const IntakeHolder *holder);
extern void intake_holder_claim_end(IntakeHolder *holder);
extern void intake_holder_give_back(IntakeHolder *holder);
extern int intake_holder_claim_suspect(IntakeHolder *holder, int32 workflow_id);
extern const IntakeJob *intake_holder_start(IntakeHolder *holder);
extern void intake_holder_ended(IntakeHolder *holder);
extern void intake_holder_committed(IntakeHolder *holder);
extern void intake_holder_aborted(IntakeHolder *holder);

#endif
