/*
 * overdue.c
 *		Jobs whose signal has not come in time, and signals that are kept no longer.
 *
 * Both are looked for when the first of them is due: see intake_database_note_due.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "calls/overdue.h"
#include "calls/signal_row.h"
#include "ground/database.h"
#include "ground/intake.h"

/* Removes the row of a key that a job has waited for. Waits for nobody. */
static void
forget_key(IntakeSignals *tables, int64 job_id, Datum key)
{
	IntakeScan scan;
	ScanKeyData scan_key;
	IntakeSignalRow row;

	ScanKeyEntryInitialize(&scan_key, 0, 1, BTEqualStrategyNumber, TEXTOID, C_COLLATION_OID,
						   F_TEXTEQ, key);
	intake_table_scan_begin(&scan, intake_table_oid("signal"), NULL, &scan_key, 1);
	if (intake_table_scan_next(&scan))
	{
		ItemPointerData place = scan.slot->tts_tid;

		if (intake_table_look(&tables->signals, &place))
		{
			intake_signal_row_read(&tables->signals, &row);
			if (!row.signalled && row.job_id == job_id)
				(void) intake_table_remove(&tables->signals, false);
		}
	}
	intake_table_scan_end(&scan);
}

/* Begins a scan of a table by when its rows are due. */
static void
scan_by_time(IntakeScan *scan, const char *table, const char *index)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE,
				TimestampTzGetDatum(DT_NOBEGIN));
	intake_table_scan_begin(scan, intake_table_oid(table), index, &key, 1);
}

/* Lets a job go on whose time is over. Returns false where somebody else has its row. */
static bool
end_wait(IntakeSignals *tables, IntakeTable *queue, IntakeScan *scan)
{
	Datum *row = scan->slot->tts_values;
	IntakeJob job;

	if (!intake_table_delete(&tables->awaiting, &scan->slot->tts_tid))
		return false;
	intake_signal_row_job(row, &job);
	forget_key(tables, job.job_id, INTAKE_COLUMN(row, awaiting_key));
	intake_signal_row_enqueue(queue, &job);
	return true;
}

/*
 * Lets up to MOST jobs go on whose time is over, and notes when that is so next. Returns how many. To be
 * called in a transaction with an active snapshot.
 */
int
intake_overdue_end_waits(int most)
{
	TimestampTz now = GetCurrentTimestamp();
	IntakeSignals tables;
	IntakeTable queue;
	IntakeScan scan;
	int ended = 0;
	bool more = true;

	intake_signal_row_open(&tables);
	intake_table_open(&queue, intake_table_oid("queue"));
	scan_by_time(&scan, "awaiting", "awaiting_until");
	while (more && intake_table_scan_next(&scan))
	{
		TimestampTz until =
			DatumGetTimestampTz(INTAKE_COLUMN(scan.slot->tts_values, awaiting_until));

		more = until <= now && ended < most;
		if (!more)
			(void) intake_database_note_due(until);
		else if (end_wait(&tables, &queue, &scan))
			ended++;
		else
			intake_database_look_soon();
	}
	intake_table_scan_end(&scan);
	intake_table_close(&queue);
	intake_signal_row_close(&tables);
	return ended;
}

/* Forgets up to MOST signals that are too old, and notes when that is to be done next. */
void
intake_overdue_forget_signals(int most)
{
	TimestampTz now = GetCurrentTimestamp();
	IntakeTable signals;
	IntakeScan scan;
	bool more = true;

	intake_table_open(&signals, intake_table_oid("signal"));
	scan_by_time(&scan, "signal", "signal_signalled");
	while (more && intake_table_scan_next(&scan))
	{
		TimestampTz leaves_at =
			DatumGetTimestampTz(INTAKE_COLUMN(scan.slot->tts_values, signal_signalled_at)) +
			INTAKE_SIGNAL_KEPT;

		more = leaves_at <= now && most-- > 0;
		if (more)
			(void) intake_table_delete(&signals, &scan.slot->tts_tid);
		else
			(void) intake_database_note_due(leaves_at > now ? leaves_at + INTAKE_SIGNAL_TOGETHER
															: now);
	}
	intake_table_scan_end(&scan);
	intake_table_close(&signals);
}
