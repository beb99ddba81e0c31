/*
 * pace.h
 *		How long jobs take, and so how many make a batch.
 */
#ifndef INTAKE_PACE_H
#define INTAKE_PACE_H

#include "postgres.h"

#include "config/workflow.h"

#define INTAKE_PACE_FIRST 8 /* jobs, while it is not known how long they take */

extern int64 intake_pace_expected(const IntakeWorkflow *workflow);
extern bool intake_pace_is_short(const IntakeWorkflow *workflow, int64 time);
extern int intake_pace_batch(const IntakeWorkflow *workflow, int64 time);
extern void intake_pace_note(int32 workflow_id, int64 time, int jobs);

#endif
