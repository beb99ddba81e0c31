/*
 * cancel.c
 *		The calls of a job that somebody ends: intake.end_calls, a trigger on calling.
 *
 * Jobs leave calling without SQL when their calls have ended, and triggers have no say then. Whoever takes
 * one out by SQL ends it, and its calls: those that wait leave the queue, and couriers are told to stop
 * those that they make. A call goes back to the queue only under a lock on the job's row, which is deleted
 * by now; so of what other transactions do, the last that committed counts, whatever this one has seen
 * before: it may be one that repeats its reads.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "calls/desk.h"
#include "calls/note.h"
#include "ground/intake.h"
#include "ground/table.h"

PG_FUNCTION_INFO_V1(intake_sql_end_calls);

/* Takes the calls of a job out of the queue. Waits for couriers that are taking one. */
static void
take_out_of_queue(int64 job_id)
{
	IntakeTable queue;
	IntakeScan scan;
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(job_id));
	PushActiveSnapshot(GetLatestSnapshot());
	intake_table_open(&queue, intake_table_oid("call_queue"));
	intake_table_scan_begin(&scan, intake_table_oid("call_queue"), "call_queue_job", &key, 1);
	while (intake_table_scan_next(&scan))
	{
		ItemPointerData place = scan.slot->tts_tid;

		/* One that is gone meanwhile is held. */
		if (intake_table_look(&queue, &place))
			(void) intake_table_remove(&queue, true);
	}
	intake_table_scan_end(&scan);
	intake_table_close(&queue);
	PopActiveSnapshot();
}

/* Tells the courier of a call that is held to stop it. Returns false where it has none. */
static bool
tell(IntakeTable *held, IntakeTable *cancels, int64 call_id)
{
	Datum values[Natts_call_cancel];
	bool nulls[Natts_call_cancel] = {0};
	IntakeCall call;

	if (!intake_table_look_up(held, call_id))
		return false;
	intake_desk_read_held(held->slot->tts_values, &call);
	if (call.courier == 0)
		return false;
	INTAKE_COLUMN(values, call_cancel_courier) = Int64GetDatum(call.courier);
	INTAKE_COLUMN(values, call_cancel_call_id) = Int64GetDatum(call_id);
	INTAKE_COLUMN(values, call_cancel_job_id) = Int64GetDatum(call.job_id);
	return intake_table_insert_unique(cancels, values, nulls);
}

/* Tells couriers to stop the calls of a job from FIRST on. */
static void
stop_held(int64 job_id, int64 first)
{
	IntakeTable held;
	IntakeTable cancels;
	IntakeScan scan;
	ScanKeyData keys[2];
	bool any = false;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(job_id));
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(first));
	PushActiveSnapshot(GetLatestSnapshot());
	intake_table_open(&held, intake_table_oid("call_held"));
	intake_table_open(&cancels, intake_table_oid("call_cancel"));
	intake_table_scan_begin(&scan, intake_table_oid("call_request"), NULL, keys, 2);
	while (intake_table_scan_next(&scan))
		any |= tell(&held, &cancels,
					DatumGetInt64(INTAKE_COLUMN(scan.slot->tts_values, call_request_call_id)));
	intake_table_scan_end(&scan);
	intake_table_close(&cancels);
	intake_table_close(&held);
	PopActiveSnapshot();
	if (any)
		intake_note_cancel();
}

static int64
number_in(const TriggerData *trigger, int column)
{
	bool null;

	return DatumGetInt64(
		heap_getattr(trigger->tg_trigtuple, column, RelationGetDescr(trigger->tg_relation), &null));
}

/* SQL: the trigger end_calls, for each row. */
Datum
intake_sql_end_calls(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	int64 job_id;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		RelationGetRelid(trigger->tg_relation) != intake_table_oid("calling"))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("intake.end_calls is a trigger on intake.calling")));
	job_id = number_in(trigger, Anum_calling_job_id);
	take_out_of_queue(job_id);
	stop_held(job_id, number_in(trigger, Anum_calling_first_call));
	return PointerGetDatum(NULL);
}
