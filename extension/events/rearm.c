/*
 * rearm.c
 *		Dead jobs of events that came again.
 *
 * Whoever sends an event once more wants it done. So its dead jobs go back into their lanes, with all
 * their attempts before them; those that are not safe to repeat stay. The items of a delivery that came
 * again have not been looked for; they are now, by what they are known by, where there are dead letters
 * at all.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "fmgr.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "config/workflows.h"
#include "events/key_row.h"
#include "events/rearm.h"
#include "ground/intake.h"
#include "queue/progress.h"
#include "queue/room.h"

#define MOST_LOOKS 100

PG_FUNCTION_INFO_V1(intake_sql_job_enqueue);
PG_FUNCTION_INFO_V1(intake_sql_job_go_on);

/* Whether there may be dead letters, of whatever event. */
static bool
may_have_dead_letters(void)
{
	IntakeScan scan;
	bool found;

	intake_table_scan_begin(&scan, intake_table_oid("dead_letter"), NULL, NULL, 0);
	found = intake_table_scan_any(&scan, MOST_LOOKS);
	intake_table_scan_end(&scan);
	return found;
}

/*
 * The events that came again, and whose source wants them done. Those of items are not known yet:
 * they are left out where there are no dead letters.
 */
static IntakeEvent **
select_repeated(IntakeEvent **events, int count, int *selected)
{
	IntakeEvent **repeated = palloc(count * sizeof(IntakeEvent *));

	bool looked = false;
	bool any = false;

	*selected = 0;
	for (int i = 0; i < count; i++)
	{
		if (events[i]->fresh || !events[i]->replay_dead || events[i]->replayed)
			continue;
		if (events[i]->id == 0 && !looked)
			any = may_have_dead_letters();
		looked |= events[i]->id == 0;
		if (events[i]->id != 0 || any)
			repeated[(*selected)++] = events[i];
	}
	return repeated;
}

/* Their ids. Those of items were committed with their delivery, maybe a moment ago. */
static int64 *
find_ids(IntakeEvent **events, int count)
{
	int64 *ids = palloc(count * sizeof(int64));
	IntakeEventKey *keys = palloc(count * sizeof(IntakeEventKey));
	int unknown = 0;

	for (int i = 0; i < count; i++)
		if (events[i]->id == 0)
			keys[unknown++] = events[i]->stored_key;
	PushActiveSnapshot(GetLatestSnapshot());
	intake_key_row_read(keys, unknown, ids);
	PopActiveSnapshot();
	for (int i = 0; i < count; i++)
		if (events[i]->id != 0)
			ids[unknown++] = events[i]->id;
	return ids;
}

/* Has a job that has left its room begin again, at the end of its lane. */
static void
begin_again(IntakeTable *queue, const IntakeJob *job)
{
	IntakeWorkflow *workflow = intake_workflows_get(job->workflow_id);
	int32 lane = intake_progress_restart(job, workflow != NULL && workflow->expires > 0);

	intake_room_enqueue(queue, lane, intake_workflow_role(workflow), job->job_id, job->event_id, 0);
}

/* Puts the jobs that SCAN finds among the DEAD back into their lanes. */
static void
rearm(IntakeTable *queue, IntakeTable *dead, IntakeScan *scan)
{
	while (intake_table_scan_next(scan))
	{
		Datum *row = scan->slot->tts_values;
		IntakeJob job = {
			.job_id = DatumGetInt64(INTAKE_COLUMN(row, dead_letter_job_id)),
			.event_id = DatumGetInt64(INTAKE_COLUMN(row, dead_letter_event_id)),
			.workflow_id = DatumGetInt32(INTAKE_COLUMN(row, dead_letter_workflow_id)),
		};
		IntakeWorkflow *workflow = intake_workflows_get(job.workflow_id);

		if (workflow != NULL && workflow->replay_safe &&
			intake_table_delete(dead, &scan->slot->tts_tid))
			begin_again(queue, &job);
	}
}

/* Re-arms those of COUNT events, of which some may be stored now, that came again. */
void
intake_rearm_repeated(IntakeTable *queue, IntakeEvent **events, int count)
{
	IntakeTable dead;
	IntakeScan scan;
	ScanKeyData key;
	int64 *ids;

	events = select_repeated(events, count, &count);
	if (count == 0)
		return;
	ids = find_ids(events, count);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(ids[0]));
	intake_table_open(&dead, intake_table_oid("dead_letter"));
	intake_table_scan_begin(&scan, intake_table_oid("dead_letter"), "dead_letter_event", &key, 1);
	for (int i = 0; i < count; i++)
	{
		key.sk_argument = Int64GetDatum(ids[i]);
		if (i > 0)
			intake_table_scan_again(&scan, &key, 1);
		rearm(queue, &dead, &scan);
	}
	intake_table_scan_end(&scan);
	intake_table_close(&dead);
}

/* SQL: has a job that the caller took out of its room begin again. */
Datum
intake_sql_job_enqueue(PG_FUNCTION_ARGS)
{
	IntakeJob job = {.job_id = PG_GETARG_INT64(0),
					 .event_id = PG_GETARG_INT64(1),
					 .workflow_id = PG_GETARG_INT32(2)};
	IntakeTable queue;

	intake_workflows_refresh();
	intake_table_open(&queue, intake_table_oid("queue"));
	begin_again(&queue, &job);
	intake_table_close(&queue);
	PG_RETURN_VOID();
}

/* SQL: has such a job go on, at the step that its row in progress says. */
Datum
intake_sql_job_go_on(PG_FUNCTION_ARGS)
{
	int32 workflow_id = PG_GETARG_INT32(2);
	IntakeTable queue;

	intake_workflows_refresh();
	intake_table_open(&queue, intake_table_oid("queue"));
	intake_room_enqueue(&queue, -workflow_id,
						intake_workflow_role(intake_workflows_get(workflow_id)), PG_GETARG_INT64(0),
						PG_GETARG_INT64(1), 0);
	intake_table_close(&queue);
	PG_RETURN_VOID();
}
