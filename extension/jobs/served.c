/*
 * served.c
 *		The lanes that a process serves: those of its role's active workflows.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "config/workflows.h"
#include "ground/slot.h"
#include "jobs/served.h"
#include "jobs/suspect.h"

#define BATCH_TIME 50000 /* microseconds of work that a batch should be */
#define FIRST_BATCH 8    /* jobs, while it is not known how long they take */

static void
serve(IntakeServed *served, const IntakeWorkflow *workflow)
{
	IntakeServedLane *entry = &served->lanes[served->count++];

	entry->workflow_id = workflow->id;
	entry->lane = intake_lane_find(workflow->id, workflow->served_by, workflow->owner);
	entry->job_time = 0;
}

/* Whether the workflows have changed since the lanes were listed. In a transaction. */
bool
intake_served_is_old(const IntakeServed *served)
{
	intake_workflows_refresh();
	return served->version != intake_workflows_version();
}

/* Makes the list anew. */
void
intake_served_refresh(IntakeServed *served)
{
	List *workflows = intake_workflows_all();
	ListCell *cell;

	if (served->lanes != NULL)
		pfree(served->lanes);
	served->version = intake_workflows_version();
	served->lanes = MemoryContextAlloc(TopMemoryContext,
									   (list_length(workflows) + 1) * sizeof(IntakeServedLane));
	served->count = 0;
	foreach (cell, workflows)
	{
		IntakeWorkflow *workflow = lfirst(cell);

		if (workflow->active && workflow->served_by == intake_slot_self->kind &&
			workflow->owner == GetSessionUserId())
			serve(served, workflow);
	}
}

bool
intake_served_any_ready(const IntakeServed *served)
{
	for (int i = 0; i < served->count; i++)
		if (intake_lane_ready(served->lanes[i].lane))
			return true;
	return false;
}

/* How many jobs of a lane make a batch: about BATCH_TIME of work. */
int
intake_served_batch(const IntakeServedLane *lane)
{
	return lane->job_time > 0 ? Max(1, BATCH_TIME / lane->job_time) : FIRST_BATCH;
}

/* Notes that so many JOBS of a lane took so many microseconds. */
void
intake_served_note(IntakeServedLane *lane, int64 time, int jobs)
{
	int64 job_time = time / jobs + 1;

	lane->job_time = lane->job_time ? (lane->job_time * 3 + job_time) / 4 : job_time;
}

/* A workflow served here that has a suspect, or 0. In a transaction with a snapshot. */
int32
intake_served_find_suspect(const IntakeServed *served)
{
	for (int i = 0; i < served->count; i++)
		if (intake_suspect_exists(served->lanes[i].workflow_id))
			return served->lanes[i].workflow_id;
	return 0;
}
