/*
 * pace.c
 *		How long jobs take, and so how many make a batch.
 *
 * What this process has seen of a workflow is kept with it, for as long as it is known here. A
 * workflow that has not run here yet is expected to be like the others.
 */
#include "postgres.h"

#include "config/workflows.h"
#include "jobs/pace.h"

static int64 usual_time = 0; /* of a job, of whatever workflow: microseconds; 0: not known */

/* How long a job of a workflow may be expected to take, in microseconds; 0: that is not known. */
int64
intake_pace_expected(const IntakeWorkflow *workflow)
{
	return workflow->job_time > 0 ? workflow->job_time : usual_time;
}

/*
 * Whether some jobs of a workflow are expected to fit into the TIME that is left of a batch. One that
 * is gone (NULL) takes none.
 */
bool
intake_pace_is_short(const IntakeWorkflow *workflow, int64 time)
{
	int64 expected = workflow ? intake_pace_expected(workflow) : 0;

	return workflow == NULL || (expected > 0 && expected <= time / INTAKE_PACE_FIRST);
}

/* How many jobs fit into the TIME that is left of a batch. */
int
intake_pace_batch(const IntakeWorkflow *workflow, int64 time)
{
	return workflow->job_time > 0 ? Max(1, time / workflow->job_time) : INTAKE_PACE_FIRST;
}

/* A moving average, to which so many JOBS are added that took so many microseconds. */
static void
average(int64 *job_time, int64 time, int jobs)
{
	int64 new = time / jobs + 1;

	*job_time = *job_time ? (*job_time * 3 + new) / 4 : new;
}

/* Notes that so many JOBS of a workflow took so many microseconds. */
void
intake_pace_note(int32 workflow_id, int64 time, int jobs)
{
	IntakeWorkflow *workflow = intake_workflows_get(workflow_id);

	if (jobs == 0)
		return;
	average(&usual_time, time, jobs);
	if (workflow != NULL)
		average(&workflow->job_time, time, jobs);
}
