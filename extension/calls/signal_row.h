/*
 * signal_row.h
 *		Rows of keys that are signalled, and of the jobs that wait for them.
 */
#ifndef INTAKE_SIGNAL_ROW_H
#define INTAKE_SIGNAL_ROW_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

#include "ground/table.h"
#include "queue/room.h"

#define INTAKE_SIGNAL_KEPT (7 * USECS_PER_DAY)
#define INTAKE_SIGNAL_TOGETHER USECS_PER_HOUR /* signals of so long a time leave together */

typedef struct IntakeSignals
{
	IntakeTable signals;
	IntakeTable awaiting;
} IntakeSignals;

/* What the row of a key says; it is in the slot of the table. */
typedef struct IntakeSignalRow
{
	int64 job_id; /* 0: none */
	bool signalled;
	Jsonb *payload; /* or NULL */
} IntakeSignalRow;

extern void intake_signal_row_open(IntakeSignals *tables);
extern bool intake_signal_row_insert(IntakeSignals *tables, text *key, int64 job_id,
									 TimestampTz signalled_at, Jsonb *payload);
extern void intake_signal_row_put(IntakeSignals *tables, text *key, int64 job_id,
								  TimestampTz signalled_at, Jsonb *payload);
extern void intake_signal_row_read(const IntakeTable *signals, IntakeSignalRow *row);
extern bool intake_signal_row_find(IntakeSignals *tables, text *key, IntakeSignalRow *row);
extern void intake_signal_row_job(const Datum *row, IntakeJob *job);
extern void intake_signal_row_enqueue(IntakeTable *queue, const IntakeJob *job);
extern void intake_signal_row_close(IntakeSignals *tables);

#endif
