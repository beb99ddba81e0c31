/*
 * lost.c
 *		Couriers that were not seen for too long, and what they hold: for the supervisor.
 *
 * A call goes back to the queue, and is charged, where its courier has no row any more, or has not answered
 * in time. What others are writing just now is looked at again soon.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "calls/advance.h"
#include "calls/answer.h"
#include "calls/courier.h"
#include "calls/desk.h"
#include "calls/lost.h"
#include "calls/note.h"
#include "config/rows.h"
#include "config/workflows.h"
#include "ground/clock.h"
#include "ground/database.h"
#include "ground/intake.h"
#include "ground/table.h"

#define LOOK_SHARE 50      /* looking takes one part in so many of the time */
#define MOST_COURIERS 1024 /* that are remembered; whoever has more of them looks them up */

typedef struct Expiring
{
	IntakeDesk desk;
	IntakeLines lines;
	IntakeTable couriers;
	int64 alive[MOST_COURIERS]; /* tokens */
	TimestampTz until[MOST_COURIERS];
	int n_alive;
	TimestampTz next; /* when something is to be looked at again; DT_NOEND: not */
} Expiring;

/* Deletes couriers that were not seen for too long, and lists the others, as many as there is room for. */
static void
expire_couriers(Expiring *expiring)
{
	IntakeScan scan;
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(0));
	intake_table_scan_begin(&scan, intake_table_oid("courier"), NULL, &key, 1);
	while (intake_table_scan_next(&scan))
	{
		Datum *row = scan.slot->tts_values;
		TimestampTz until = DatumGetTimestampTz(INTAKE_COLUMN(row, courier_until));

		if (until < expiring->desk.now)
		{
			if (intake_table_delete(&expiring->couriers, &scan.slot->tts_tid))
				continue;
			/* It is seen just now. */
			until = DT_NOEND;
			intake_database_look_soon();
		}
		if (expiring->n_alive == MOST_COURIERS)
			continue;
		expiring->alive[expiring->n_alive] = DatumGetInt64(INTAKE_COLUMN(row, courier_token));
		expiring->until[expiring->n_alive++] = until;
	}
	intake_table_scan_end(&scan);
}

/* Until when a courier is there, as far as it was seen; 0: it is gone. It may have come since we looked. */
static TimestampTz
lease_of(Expiring *expiring, int64 token)
{
	for (int i = 0; i < expiring->n_alive; i++)
		if (expiring->alive[i] == token)
			return expiring->until[i];
	if (!intake_courier_find(&expiring->couriers, token))
		return 0;
	return DatumGetTimestampTz(INTAKE_COLUMN(expiring->couriers.slot->tts_values, courier_until));
}

/* Cancels that nobody will ask for leave. */
static void
forget_cancels(Expiring *expiring)
{
	IntakeTable cancels;
	IntakeScan scan;
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(0));
	intake_table_open(&cancels, intake_table_oid("call_cancel"));
	intake_table_scan_begin(&scan, intake_table_oid("call_cancel"), NULL, &key, 1);
	while (intake_table_scan_next(&scan))
	{
		int64 token = DatumGetInt64(INTAKE_COLUMN(scan.slot->tts_values, call_cancel_courier));

		if (lease_of(expiring, token) == 0)
			(void) intake_table_delete(&cancels, &scan.slot->tts_tid);
	}
	intake_table_scan_end(&scan);
	intake_table_close(&cancels);
}

/* Whether there is a row of a workflow, which stays when it is dropped. */
static bool
has_row(int32 workflow_id)
{
	IntakeRowLook look;
	bool found;

	intake_rows_look(&look, "workflow", "workflow_pkey", "id", Int32GetDatum(workflow_id));
	found = intake_rows_next(&look);
	intake_rows_end(&look);
	return found;
}

/*
 * Whether a call is this database's. In a copy that waits to be resumed, or whose tables are still being
 * filled one after the other, nothing is known of its job.
 */
static bool
is_here(const IntakeCall *call)
{
	IntakeWorkflow *workflow = intake_workflows_get(call->workflow_id);

	return workflow ? workflow->here : has_row(call->workflow_id);
}

static void
expire_call(void *argument, IntakeScan *scan, IntakeCall *call)
{
	Expiring *expiring = argument;
	IntakeDesk *desk = &expiring->desk;
	TimestampTz lease = call->courier == 0 ? call->until : lease_of(expiring, call->courier);
	TimestampTz until = Min(lease, call->until);

	if (until > desk->now)
	{
		expiring->next = Min(expiring->next, until);
		return;
	}
	if (!is_here(call))
		return;
	if (!intake_table_delete(intake_desk_table(desk, INTAKE_DESK_HELD), &scan->slot->tts_tid))
	{
		/* An answer to it may not commit. */
		intake_database_look_soon();
		return;
	}
	if (call->courier == 0)
	{
		intake_desk_give_back(desk, call, desk->now);
		return;
	}
	intake_note_held(call->line_id, -1);
	intake_answer_lose(desk, &expiring->lines, call,
					   lease == 0 ? "its courier was lost while it made the call"
								  : "its courier did not answer in time");
}

/*
 * Gives back what couriers hold that were lost, or have not answered in time. To be called in a
 * transaction with an active snapshot.
 */
void
intake_lost_expire(void)
{
	static int64 not_before = 0; /* by intake_clock_now */
	int64 start = intake_clock_now();
	Expiring *expiring;

	if (start < not_before)
	{
		(void) intake_database_note_due(
			TimestampTzPlusMilliseconds(GetCurrentTimestamp(), (not_before - start) / 1000 + 1));
		return;
	}
	intake_workflows_refresh();
	expiring = palloc0(sizeof(Expiring));
	expiring->next = DT_NOEND;
	intake_desk_open(&expiring->desk);
	intake_line_row_open(&expiring->lines, &expiring->desk);
	intake_table_open(&expiring->couriers, intake_table_oid("courier"));
	expire_couriers(expiring);
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	intake_courier_each_held(expire_call, expiring);
	forget_cancels(expiring);
	PopActiveSnapshot();
	intake_table_close(&expiring->couriers);
	intake_advance_close(&expiring->desk);
	if (expiring->next != DT_NOEND)
		(void) intake_database_note_due(expiring->next);
	not_before = intake_clock_now() + (intake_clock_now() - start) * LOOK_SHARE;
}
