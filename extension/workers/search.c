/*
 * search.c
 *		Searching for jobs that no commit has announced, or that were told in vain.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"

#include "config/workflows.h"
#include "ground/intake.h"
#include "ground/table.h"
#include "jobs/suspect.h"
#include "queue/lane.h"
#include "workers/search.h"

/* The first job behind WORKFLOW_ID and its lane: its workflow, and its position. False: none. */
static bool
find_next_lane(int32 *workflow_id, int64 *position)
{
	IntakeScan scan;
	ScanKeyData key;
	bool found;

	ScanKeyInit(&key, 1, BTGreaterStrategyNumber, F_INT4GT, Int32GetDatum(*workflow_id));
	intake_table_scan_begin(&scan, intake_table_oid("queue"), "queue_pkey", &key, 1);
	found = intake_table_scan_next(&scan);
	if (found)
	{
		*workflow_id = DatumGetInt32(INTAKE_COLUMN(scan.slot->tts_values, queue_workflow_id));
		*position = DatumGetInt64(INTAKE_COLUMN(scan.slot->tts_values, queue_position));
	}
	intake_table_scan_end(&scan);
	return found;
}

static Oid
role_of(int32 workflow_id)
{
	return intake_workflow_role(intake_workflows_get(workflow_id));
}

/*
 * Tells each lane behind *WORKFLOW_ID that has jobs, announced or not. Returns false where there was
 * no room for one, which is *WORKFLOW_ID then.
 */
static bool
tell_lanes(int32 *workflow_id)
{
	int64 position;

	while (find_next_lane(workflow_id, &position))
	{
		Oid role = role_of(*workflow_id);

		CHECK_FOR_INTERRUPTS();
		if (OidIsValid(role) && !intake_lane_tell(*workflow_id, role, position))
			return false;
	}
	return true;
}

/* Lanes of workflows that run no jobs any more, or whose jobs are another role's. */
static void
settle_lanes(void)
{
	int count;
	int32 *workflows = intake_lane_list(&count);

	for (int i = 0; i < count; i++)
		intake_lane_settle(workflows[i], role_of(workflows[i]));
	pfree(workflows);
}

/*
 * Tells the lanes that have jobs, and those of suspects. Where there is not room for all, they take
 * turns. To be called by the supervisor, in a transaction with an active snapshot.
 */
void
intake_search_do(void)
{
	static int32 told = PG_INT32_MIN; /* those up to this one had their turn, the last time */
	int32 workflow_id = told;
	bool room;

	intake_workflows_refresh();
	settle_lanes();
	room = tell_lanes(&workflow_id);
	if (room && told != PG_INT32_MIN)
	{
		workflow_id = PG_INT32_MIN;
		room = tell_lanes(&workflow_id);
	}
	told = room ? PG_INT32_MIN : workflow_id - 1;
	intake_suspect_tell();
}
