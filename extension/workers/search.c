/*
 * search.c
 *		Searching for jobs that no commit has announced, or that were told in vain.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "calls/advance.h"
#include "calls/board.h"
#include "config/workflows.h"
#include "ground/database.h"
#include "ground/intake.h"
#include "ground/table.h"
#include "jobs/suspect.h"
#include "queue/lane.h"
#include "workers/search.h"

/* The first job behind *LANE: its lane, and its position. False: none. */
static bool
find_next_lane(int32 *lane, int64 *position)
{
	IntakeScan scan;
	ScanKeyData key;
	bool found;

	ScanKeyInit(&key, 1, BTGreaterStrategyNumber, F_INT4GT, Int32GetDatum(*lane));
	intake_table_scan_begin(&scan, intake_table_oid("queue"), "queue_pkey", &key, 1);
	found = intake_table_scan_next(&scan);
	if (found)
	{
		*lane = DatumGetInt32(INTAKE_COLUMN(scan.slot->tts_values, queue_lane));
		*position = DatumGetInt64(INTAKE_COLUMN(scan.slot->tts_values, queue_position));
	}
	intake_table_scan_end(&scan);
	return found;
}

static Oid
role_of(int32 lane)
{
	return intake_workflow_role(intake_workflows_get(intake_lane_workflow(lane)));
}

/*
 * Tells each lane behind *LANE that has jobs, announced or not. Returns false where there was no room
 * for one, which is *LANE then.
 */
static bool
tell_lanes(int32 *lane)
{
	int64 position;

	while (find_next_lane(lane, &position))
	{
		Oid role = role_of(*lane);

		CHECK_FOR_INTERRUPTS();
		if (OidIsValid(role) && !intake_lane_tell(*lane, role, position))
			return false;
	}
	return true;
}

/* Lanes of workflows that run no jobs any more, or whose jobs are another role's. */
static void
settle_lanes(void)
{
	int count;
	int32 *lanes = intake_lane_list(&count);

	for (int i = 0; i < count; i++)
		intake_lane_settle(lanes[i], role_of(lanes[i]));
	pfree(lanes);
}

/* The first call behind LINE_ID and its line: its line, and when it is due. False: none. */
static bool
find_next_line(int64 *line_id, TimestampTz *due)
{
	IntakeScan scan;
	ScanKeyData key;
	bool found;

	ScanKeyInit(&key, 1, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(*line_id));
	intake_table_scan_begin(&scan, intake_table_oid("call_queue"), NULL, &key, 1);
	found = intake_table_scan_next(&scan);
	if (found)
	{
		*line_id = DatumGetInt64(INTAKE_COLUMN(scan.slot->tts_values, call_queue_line_id));
		*due = DatumGetTimestampTz(INTAKE_COLUMN(scan.slot->tts_values, call_queue_due_at));
	}
	intake_table_scan_end(&scan);
	return found;
}

/*
 * Tells the lines behind *LINE_ID that have calls. Returns false when there is no room for that of
 * *LINE_ID.
 */
static bool
tell_lines(int64 *line_id)
{
	TimestampTz due;

	while (find_next_line(line_id, &due))
	{
		CHECK_FOR_INTERRUPTS();
		if (!intake_board_tell(*line_id, due))
			return false;
	}
	return true;
}

/* Tells all of them, or those whose turn it is. */
static void
tell_calls(void)
{
	static int64 told = PG_INT64_MIN; /* those up to this one had their turn, the last time */
	int64 line_id = told;
	bool room = tell_lines(&line_id);

	if (room && told != PG_INT64_MIN)
	{
		line_id = PG_INT64_MIN;
		room = tell_lines(&line_id);
	}
	told = room ? PG_INT64_MIN : line_id - 1;
	if (!room)
		intake_database_look_soon();
}

/*
 * Tells the lanes that have jobs, and those of suspects. Where there is not room for all, they take
 * turns. Does the same for calls, and for jobs whose calls have all ended. To be called by the
 * supervisor, in a transaction with an active snapshot.
 */
void
intake_search_do(void)
{
	static int32 told = PG_INT32_MIN; /* those up to this one had their turn, the last time */
	static bool advanced = false;
	int32 lane = told;
	bool room;

	intake_workflows_refresh();
	settle_lanes();
	room = tell_lanes(&lane);
	if (room && told != PG_INT32_MIN)
	{
		lane = PG_INT32_MIN;
		room = tell_lanes(&lane);
	}
	told = room ? PG_INT32_MIN : lane - 1;
	intake_suspect_tell();
	tell_calls();
	/* Later ones are told: what is searched for is what another server, or a crash, has left. */
	if (!advanced)
		intake_advance_search();
	advanced = true;
}
