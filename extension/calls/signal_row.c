/*
 * signal_row.c
 *		Rows of keys that are signalled, and of the jobs that wait for them.
 *
 * What the rows mean, and who may change which, is said in signal.c.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "calls/signal_row.h"
#include "config/workflows.h"
#include "ground/intake.h"
#include "queue/announce.h"
#include "queue/lane.h"

void
intake_signal_row_open(IntakeSignals *tables)
{
	intake_workflows_refresh();
	/* What this transaction has written before is to be seen, and changed. */
	CommandCounterIncrement();
	intake_table_open(&tables->signals, intake_table_oid("signal"));
	intake_table_open(&tables->awaiting, intake_table_oid("awaiting"));
}

void
intake_signal_row_close(IntakeSignals *tables)
{
	intake_table_close(&tables->awaiting);
	intake_table_close(&tables->signals);
}

/* ---- rows of keys ---- */

static void
fill_row(Datum *values, bool *nulls, text *key, int64 job_id, TimestampTz signalled_at,
		 Jsonb *payload)
{
	INTAKE_COLUMN(values, signal_key) = PointerGetDatum(key);
	INTAKE_COLUMN(nulls, signal_key) = false;
	INTAKE_COLUMN(values, signal_job_id) = Int64GetDatum(job_id);
	INTAKE_COLUMN(nulls, signal_job_id) = job_id == 0;
	INTAKE_COLUMN(values, signal_signalled_at) = TimestampTzGetDatum(signalled_at);
	INTAKE_COLUMN(nulls, signal_signalled_at) = signalled_at == 0;
	INTAKE_COLUMN(values, signal_payload) = JsonbPGetDatum(payload);
	INTAKE_COLUMN(nulls, signal_payload) = payload == NULL;
}

/* Inserts the row of a key that has none. Returns false where another transaction was faster. */
bool
intake_signal_row_insert(IntakeSignals *tables, text *key, int64 job_id, TimestampTz signalled_at,
						 Jsonb *payload)
{
	Datum values[Natts_signal];
	bool nulls[Natts_signal];

	fill_row(values, nulls, key, job_id, signalled_at, payload);
	if (!intake_table_insert_unique(&tables->signals, values, nulls))
		return false;
	if (signalled_at != 0)
		intake_announce_delay(signalled_at + INTAKE_SIGNAL_KEPT + INTAKE_SIGNAL_TOGETHER);
	return true;
}

/* The same in place of one that this transaction has removed. */
void
intake_signal_row_put(IntakeSignals *tables, text *key, int64 job_id, TimestampTz signalled_at,
					  Jsonb *payload)
{
	while (!intake_signal_row_insert(tables, key, job_id, signalled_at, payload))
		CHECK_FOR_INTERRUPTS();
}

void
intake_signal_row_read(const IntakeTable *signals, IntakeSignalRow *row)
{
	Datum *values = signals->slot->tts_values;
	bool *nulls = signals->slot->tts_isnull;

	*row = (IntakeSignalRow){0};
	if (!INTAKE_COLUMN(nulls, signal_job_id))
		row->job_id = DatumGetInt64(INTAKE_COLUMN(values, signal_job_id));
	row->signalled = !INTAKE_COLUMN(nulls, signal_signalled_at);
	if (!INTAKE_COLUMN(nulls, signal_payload))
		row->payload = DatumGetJsonbPCopy(INTAKE_COLUMN(values, signal_payload));
}

/* Finds the row of a key. Waits for transactions that write it. Returns false where it has none. */
bool
intake_signal_row_find(IntakeSignals *tables, text *key, IntakeSignalRow *row)
{
	Datum values[Natts_signal];
	bool nulls[Natts_signal];
	ItemPointerData place;

	fill_row(values, nulls, key, 0, 0, NULL);
	while (intake_table_conflicts(&tables->signals, values, nulls, &place))
	{
		CHECK_FOR_INTERRUPTS();
		/* It may go again before it is read. */
		if (!intake_table_fetch(&tables->signals, &place))
			continue;
		intake_signal_row_read(&tables->signals, row);
		return true;
	}
	return false;
}

/* The job of a row of awaiting. */
void
intake_signal_row_job(const Datum *row, IntakeJob *job)
{
	*job = (IntakeJob){
		.job_id = DatumGetInt64(INTAKE_COLUMN(row, awaiting_job_id)),
		.event_id = DatumGetInt64(INTAKE_COLUMN(row, awaiting_event_id)),
		.lane = DatumGetInt32(INTAKE_COLUMN(row, awaiting_lane)),
	};
	job->workflow_id = intake_lane_workflow(job->lane);
}

/* Puts a job that has left its room into the lane of those that go on. */
void
intake_signal_row_enqueue(IntakeTable *queue, const IntakeJob *job)
{
	Oid role = intake_workflow_role(intake_workflows_get(job->workflow_id));

	(void) intake_room_enqueue(queue, job->lane, role, job->job_id, job->event_id, 0);
}
