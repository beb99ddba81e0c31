/*
 * backlog.c
 *		How many jobs of a workflow may begin beside those that wait for calls.
 *
 * Events may come faster than the other side answers, for hours. Each job that begins makes a call, or
 * many, and so the rooms of calls would grow without bound, in place of the queue of events, which is
 * made for that. So no job of a workflow begins while others of it wait for too many calls; those that go
 * on do.
 *
 * What waits is counted where jobs are claimed, in the rows themselves: there is nothing to be kept right,
 * or to be lost in a restart. The bound is not exact: jobs that other executors have just begun are not
 * counted yet.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "calls/backlog.h"
#include "calls/next.h"
#include "ground/clock.h"
#include "ground/database.h"
#include "ground/intake.h"
#include "ground/settings.h"
#include "ground/table.h"

#define AMPLE 1000      /* so much room is not used up at once */
#define HOLDS 100       /* milliseconds that a count holds where there is such room */
#define HOLDS_FULL 1000 /* likewise, where there is none; the supervisor looks as often */

/* Whether jobs of a workflow can make calls at all. */
static bool
may_call(const IntakeWorkflow *workflow)
{
	HeapTuple tuple;
	Oid type;

	if (workflow->url != NULL)
		return true;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(workflow->handler));
	if (!HeapTupleIsValid(tuple))
		return false;
	type = ((Form_pg_proc) GETSTRUCT(tuple))->prorettype;
	ReleaseSysCache(tuple);
	return type != VOIDOID && getBaseType(type) == intake_next_type("next");
}

/* How many calls the jobs of a workflow wait for, MOST at most. */
static int
count_calls(int32 workflow_id, int most)
{
	IntakeScan scan;
	ScanKeyData key;
	int64 count = 0;

	PushActiveSnapshot(GetLatestSnapshot());
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(-workflow_id));
	intake_table_scan_begin(&scan, intake_table_oid("calling"), "calling_lane", &key, 1);
	while (count < most && intake_table_scan_next(&scan))
		count += DatumGetInt32(INTAKE_COLUMN(scan.slot->tts_values, calling_calls));
	intake_table_scan_end(&scan);
	PopActiveSnapshot();
	return (int) Min(count, most);
}

/*
 * How many jobs of a lane of a workflow may run, if each that begins makes a call. Where that is none, the supervisor tells its
 * lane again in a while. To be called in a transaction.
 */
int
intake_backlog_room(IntakeWorkflow *workflow, int32 lane)
{
	int64 now;

	if (lane < 0 || !may_call(workflow))
		return PG_INT32_MAX;
	now = intake_clock_ms();
	if (now >= workflow->room_until)
	{
		int most = intake_settings_max_waiting_calls;

		workflow->room = most - count_calls(workflow->id, most);
		workflow->room_until = now + (workflow->room == 0       ? HOLDS_FULL
									  : workflow->room >= AMPLE ? HOLDS
																: 1);
	}
	if (workflow->room <= 0)
		intake_database_look_soon();
	return Max(workflow->room, 0);
}

/* So many jobs of a lane of the workflow run. */
void
intake_backlog_fill(IntakeWorkflow *workflow, int32 lane, int jobs)
{
	if (lane < 0)
		return;
	workflow->room -= Min(workflow->room, jobs);
	if (workflow->room == 0)
		workflow->room_until = 0;
}
