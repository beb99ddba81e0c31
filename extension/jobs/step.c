/*
 * step.c
 *		A job at one of its steps: what it has with it, and whether it may go on.
 *
 * What forbids that is an error before the handler is called, and so the failure of an attempt like
 * any other: there is one place where jobs end as dead letters. A plain job is at its first step,
 * where nothing of this is read.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "calls/outbox.h"
#include "events/event_row.h"
#include "ground/intake.h"
#include "jobs/act.h"
#include "jobs/failure.h"
#include "jobs/step.h"

static char current[INTAKE_MAX_STEP + 1]; /* the step that runs, of a job that goes on; or empty */

/* The step that runs; NULL: there is none, or its job has not come beyond its first. */
const char *
intake_step_current(void)
{
	return current[0] != '\0' ? current : NULL;
}

/* Reads the answers to the calls that the step has waited for. */
static void
read_answers(IntakeJobStep *step)
{
	const IntakeProgress *progress = &step->progress;
	char *error = NULL;

	step->responses =
		intake_outbox_answers(step->job->job_id, progress->first_call, progress->calls,
							  progress->single, &step->input, &error);
	if (error == NULL)
		return;
	if (progress->failed != NULL)
		step->name = progress->failed;
	else if (progress->single)
		ereport(ERROR, (errcode(ERRCODE_INTAKE_CALL_FAILED), errmsg_internal("%s", error)));
}

/* Reads how far a job has come. */
static void
read_progress(IntakeJobStep *step, const IntakeWorkflow *workflow)
{
	IntakeProgress *progress = &step->progress;

	if (!intake_progress_read(step->job->job_id, progress))
		ereport(ERROR, (errcode(ERRCODE_INTAKE_PERMANENT),
						errmsg("how far job " INT64_FORMAT " has come is not known any more",
							   step->job->job_id)));
	step->name = progress->step;
	strlcpy(current, progress->step, sizeof(current));
	if (progress->steps >= workflow->max_steps)
		ereport(ERROR, (errcode(ERRCODE_INTAKE_MAX_STEPS),
						errmsg("the job has taken %d steps, and may take no more", progress->steps),
						errhint("The workflow's option max_steps says how many it may take.")));
	step->input = progress->input;
	if (progress->first_call != 0)
		read_answers(step);
	strlcpy(current, step->name, sizeof(current));
}

/* Begins a step of a job: reads what it has with it. Raises an error where it may not go on. */
void
intake_step_begin(IntakeJobStep *step, const IntakeJob *job, const IntakeWorkflow *workflow)
{
	memset(step, 0, sizeof(*step));
	current[0] = '\0';
	step->job = job;
	step->name = step->progress.step = INTAKE_FIRST_STEP;
	step->has_url = workflow->url != NULL;
	if (job->lane < 0)
		read_progress(step, workflow);
	if (job->attempts > 0)
		step->last_error = intake_failure_last_error(job->job_id);
}

/*
 * Notes when the event of the job was RECEIVED_AT. Raises an error where the job has expired.
 */
void
intake_step_age(IntakeJobStep *step, const IntakeWorkflow *workflow, TimestampTz received_at)
{
	if (step->progress.started_at == 0)
		step->progress.started_at = received_at;
	step->expires_at =
		workflow->expires > 0 ? step->progress.started_at + workflow->expires : DT_NOEND;
	if (step->expires_at <= GetCurrentTimestamp())
		ereport(ERROR, (errcode(ERRCODE_INTAKE_EXPIRED), errmsg("the job has expired"),
						errdetail("It was to end until %s.", timestamptz_to_str(step->expires_at)),
						errhint("The workflow's option expires says how old it may become.")));
}

/* When a job expires that no step of which runs; DT_NOEND: never, or its event is gone. */
TimestampTz
intake_step_expiry(const IntakeJob *job, const IntakeWorkflow *workflow)
{
	IntakeProgress progress;
	IntakeStoredEvent event;

	if (workflow->expires == 0)
		return DT_NOEND;
	if (job->lane < 0 && intake_progress_read(job->job_id, &progress))
		return progress.started_at + workflow->expires;
	return intake_event_row_read(job->event_id, &event) ? event.received_at + workflow->expires
														: DT_NOEND;
}

/* Whether a step needs no handler: the answer that it has is the job's result. */
bool
intake_step_has_result(const IntakeJobStep *step)
{
	return step->has_url && strcmp(step->name, INTAKE_FIRST_STEP) != 0;
}

/* Ends a step: moves its job to where what its handler RETURNED wants it. */
void
intake_step_end(const IntakeJobStep *step, const IntakeReturned *returned)
{
	if (step->has_url && !intake_step_has_result(step))
		intake_act_send(step, returned);
	else if (returned->kind == INTAKE_RETURNS_NEXT)
		intake_act_do(step, returned);
	else
		intake_room_complete(step->job, returned->kind == INTAKE_RETURNS_RESULT && !returned->null
											? DatumGetJsonbP(returned->value)
											: NULL);
}
