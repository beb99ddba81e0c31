/*
 * desk.c
 *		The rooms of calls, and the moves between them.
 *
 * A call is in call_queue, in call_held, or has ended: then it has a row in response. A move is a delete
 * and an insert in one transaction. Nobody waits for a lock on a row here. Whoever ends a job that waits
 * for calls takes its row out of calling first, and then its calls out of the queue; so a call goes back
 * to the queue only under a lock on that row, or else the one that was just put back would be left.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "calls/desk.h"
#include "calls/note.h"
#include "ground/intake.h"
#include "queue/announce.h"

static const char *const names[INTAKE_DESK_TABLES] = {
	[INTAKE_DESK_QUEUE] = "call_queue",       [INTAKE_DESK_HELD] = "call_held",
	[INTAKE_DESK_RESPONSE] = "call_response", [INTAKE_DESK_ATTEMPT] = "attempt",
	[INTAKE_DESK_CALLING] = "calling",        [INTAKE_DESK_JOBS] = "queue",
};

/* Opens a desk in the current memory context. No table is open yet. */
void
intake_desk_open(IntakeDesk *desk)
{
	memset(desk, 0, sizeof(*desk));
	desk->now = GetCurrentTimestamp();
	desk->context = CurrentMemoryContext;
}

/* A table, opened when it is first needed. */
IntakeTable *
intake_desk_table(IntakeDesk *desk, IntakeDeskTable table)
{
	MemoryContext old;

	if (desk->open[table])
		return &desk->tables[table];
	old = MemoryContextSwitchTo(desk->context);
	intake_table_open(&desk->tables[table], intake_table_oid(names[table]));
	MemoryContextSwitchTo(old);
	desk->open[table] = true;
	return &desk->tables[table];
}

/* Writes what is not written yet. At a desk where calls may have ended, intake_advance_close does it. */
void
intake_desk_close(IntakeDesk *desk)
{
	Assert(desk->n_ended == 0);
	for (int i = 0; i < INTAKE_DESK_TABLES; i++)
		if (desk->open[i])
			intake_table_close(&desk->tables[i]);
}

/* ---- reading ---- */

/* The call of the row of call_queue that a scan has come to. */
void
intake_desk_read_queue(const IntakeScan *scan, IntakeCall *call)
{
	Datum *row = scan->slot->tts_values;

	call->call_id = DatumGetInt64(INTAKE_COLUMN(row, call_queue_call_id));
	call->job_id = DatumGetInt64(INTAKE_COLUMN(row, call_queue_job_id));
	call->line_id = DatumGetInt64(INTAKE_COLUMN(row, call_queue_line_id));
	call->workflow_id = DatumGetInt32(INTAKE_COLUMN(row, call_queue_workflow_id));
	call->attempts = DatumGetInt32(INTAKE_COLUMN(row, call_queue_attempts));
	call->options = DatumGetBool(INTAKE_COLUMN(row, call_queue_options));
	call->courier = 0;
	call->taken_at = call->until = 0;
}

/* The call of a ROW of call_held. */
void
intake_desk_read_held(const Datum *row, IntakeCall *call)
{
	call->call_id = DatumGetInt64(INTAKE_COLUMN(row, call_held_call_id));
	call->job_id = DatumGetInt64(INTAKE_COLUMN(row, call_held_job_id));
	call->line_id = DatumGetInt64(INTAKE_COLUMN(row, call_held_line_id));
	call->workflow_id = DatumGetInt32(INTAKE_COLUMN(row, call_held_workflow_id));
	call->attempts = DatumGetInt32(INTAKE_COLUMN(row, call_held_attempts));
	call->options = DatumGetBool(INTAKE_COLUMN(row, call_held_options));
	call->courier = DatumGetInt64(INTAKE_COLUMN(row, call_held_courier));
	call->taken_at = DatumGetTimestampTz(INTAKE_COLUMN(row, call_held_taken_at));
	call->until = DatumGetTimestampTz(INTAKE_COLUMN(row, call_held_until));
}

/* ---- writing ---- */

/* Puts a call into the queue, and tells its line when the transaction commits. */
void
intake_desk_queue(IntakeDesk *desk, const IntakeCall *call, TimestampTz due)
{
	Datum values[Natts_call_queue];
	bool nulls[Natts_call_queue] = {0};

	INTAKE_COLUMN(values, call_queue_line_id) = Int64GetDatum(call->line_id);
	INTAKE_COLUMN(values, call_queue_due_at) = TimestampTzGetDatum(due);
	INTAKE_COLUMN(values, call_queue_call_id) = Int64GetDatum(call->call_id);
	INTAKE_COLUMN(values, call_queue_job_id) = Int64GetDatum(call->job_id);
	INTAKE_COLUMN(values, call_queue_workflow_id) = Int32GetDatum(call->workflow_id);
	INTAKE_COLUMN(values, call_queue_attempts) = Int32GetDatum(call->attempts);
	INTAKE_COLUMN(values, call_queue_options) = BoolGetDatum(call->options);
	intake_table_add(intake_desk_table(desk, INTAKE_DESK_QUEUE), values, nulls, NULL);
	intake_note_due(call->line_id, due);
}

/* Puts a call, out of the queue, into the hands of its courier, or of nobody. */
void
intake_desk_hold(IntakeDesk *desk, const IntakeCall *call)
{
	Datum values[Natts_call_held];
	bool nulls[Natts_call_held] = {0};

	INTAKE_COLUMN(values, call_held_call_id) = Int64GetDatum(call->call_id);
	INTAKE_COLUMN(values, call_held_job_id) = Int64GetDatum(call->job_id);
	INTAKE_COLUMN(values, call_held_line_id) = Int64GetDatum(call->line_id);
	INTAKE_COLUMN(values, call_held_workflow_id) = Int32GetDatum(call->workflow_id);
	INTAKE_COLUMN(values, call_held_courier) = Int64GetDatum(call->courier);
	INTAKE_COLUMN(values, call_held_taken_at) = TimestampTzGetDatum(call->taken_at);
	INTAKE_COLUMN(values, call_held_until) = TimestampTzGetDatum(call->until);
	INTAKE_COLUMN(values, call_held_attempts) = Int32GetDatum(call->attempts);
	INTAKE_COLUMN(values, call_held_options) = BoolGetDatum(call->options);
	intake_table_add(intake_desk_table(desk, INTAKE_DESK_HELD), values, nulls, NULL);
	if (call->courier != 0)
		intake_note_held(call->line_id, 1);
}

static Datum
interval_datum(int64 microseconds)
{
	Interval *interval = palloc0(sizeof(Interval));

	interval->time = microseconds;
	return IntervalPGetDatum(interval);
}

/* Keeps the record of an attempt of a call, the one behind those that were charged. */
void
intake_desk_attempt(IntakeDesk *desk, const IntakeCall *call, const IntakeCallEnd *end)
{
	Datum values[Natts_attempt];
	bool nulls[Natts_attempt] = {0};
	bool failed = end->error != NULL;

	INTAKE_COLUMN(values, attempt_job_id) = Int64GetDatum(call->job_id);
	INTAKE_COLUMN(values, attempt_started_at) = TimestampTzGetDatum(call->taken_at);
	INTAKE_COLUMN(nulls, attempt_started_at) = call->taken_at == 0;
	INTAKE_COLUMN(values, attempt_finished_at) = TimestampTzGetDatum(desk->now);
	INTAKE_COLUMN(values, attempt_workflow_id) = Int32GetDatum(call->workflow_id);
	INTAKE_COLUMN(values, attempt_attempt) = Int32GetDatum(call->attempts + 1);
	INTAKE_COLUMN(values, attempt_sqlstate) =
		CStringGetTextDatum(failed ? unpack_sql_state(ERRCODE_INTAKE_CALL_FAILED) : "00000");
	INTAKE_COLUMN(values, attempt_error) = CStringGetTextDatum(failed ? end->error : "");
	INTAKE_COLUMN(nulls, attempt_step) = true;
	INTAKE_COLUMN(values, attempt_step) = (Datum) 0;
	INTAKE_COLUMN(values, attempt_call_id) = Int64GetDatum(call->call_id);
	INTAKE_COLUMN(values, attempt_status) = Int32GetDatum(end->status);
	INTAKE_COLUMN(nulls, attempt_status) = end->status == 0;
	INTAKE_COLUMN(values, attempt_duration) = interval_datum(Max(end->duration, 0));
	INTAKE_COLUMN(nulls, attempt_duration) = end->duration < 0;
	intake_table_add(intake_desk_table(desk, INTAKE_DESK_ATTEMPT), values, nulls, NULL);
}

/* Notes that the job of a call is to be looked at when the desk is closed. */
static void
note_ended(IntakeDesk *desk, const IntakeCall *call)
{
	if (desk->n_ended == desk->room)
	{
		Size size;

		desk->room = Max(64, 2 * desk->room);
		size = desk->room * sizeof(IntakeCallOfJob);
		desk->ended =
			desk->ended ? repalloc(desk->ended, size) : MemoryContextAlloc(desk->context, size);
	}
	desk->ended[desk->n_ended++] = (IntakeCallOfJob){call->job_id, call->call_id};
}

/* Ends a call that was taken out of its room. */
void
intake_desk_end(IntakeDesk *desk, const IntakeCall *call, const IntakeCallEnd *end)
{
	Datum values[Natts_call_response];
	bool nulls[Natts_call_response] = {0};

	INTAKE_COLUMN(values, call_response_job_id) = Int64GetDatum(call->job_id);
	INTAKE_COLUMN(values, call_response_call_id) = Int64GetDatum(call->call_id);
	INTAKE_COLUMN(values, call_response_status) = Int32GetDatum(end->status);
	INTAKE_COLUMN(nulls, call_response_status) = end->status == 0;
	INTAKE_COLUMN(values, call_response_headers) = JsonbPGetDatum(end->headers);
	INTAKE_COLUMN(nulls, call_response_headers) = end->headers == NULL;
	INTAKE_COLUMN(values, call_response_body) = end->body;
	INTAKE_COLUMN(nulls, call_response_body) = end->body == (Datum) 0;
	INTAKE_COLUMN(nulls, call_response_error) = end->error == NULL;
	INTAKE_COLUMN(values, call_response_error) =
		end->error ? CStringGetTextDatum(end->error) : (Datum) 0;
	INTAKE_COLUMN(values, call_response_duration) = interval_datum(Max(end->duration, 0));
	INTAKE_COLUMN(nulls, call_response_duration) = end->duration < 0;
	INTAKE_COLUMN(values, call_response_ended_at) = TimestampTzGetDatum(desk->now);
	intake_table_add(intake_desk_table(desk, INTAKE_DESK_RESPONSE), values, nulls, NULL);
	note_ended(desk, call);
}

/* Ends a call whose job waits for it no more. */
static void
end_cancelled(IntakeDesk *desk, const IntakeCall *call)
{
	IntakeCallEnd end = {.error = "cancelled", .duration = -1};

	intake_desk_end(desk, call, &end);
}

/* Whether the row of calling that was looked up is for this call: a job that was replayed waits for others. */
static bool
is_waited_for(const IntakeTable *calling, const IntakeCall *call)
{
	Datum *row = calling->slot->tts_values;

	return call->call_id >= DatumGetInt64(INTAKE_COLUMN(row, calling_first_call));
}

/*
 * Puts a call that was taken out of call_held into the queue again, to be made at DUE at the earliest. If
 * somebody has just locked its job, it is nobody's until then, and the supervisor puts it back.
 */
void
intake_desk_give_back(IntakeDesk *desk, const IntakeCall *call, TimestampTz due)
{
	IntakeTable *calling = intake_desk_table(desk, INTAKE_DESK_CALLING);
	IntakeCall nobodys = *call;

	if (!intake_table_look_up(calling, call->job_id) || !is_waited_for(calling, call))
		end_cancelled(desk, call);
	else if (intake_table_hold(calling, false))
		intake_desk_queue(desk, call, due);
	else
	{
		nobodys.courier = 0;
		nobodys.until = Max(due, TimestampTzPlusMilliseconds(desk->now, 1000));
		intake_desk_hold(desk, &nobodys);
		intake_announce_delay(nobodys.until);
	}
}
