/*
 * signal.c
 *		Signals, and the jobs that wait for them.
 *
 * Both sides write one row, by the key: whoever comes first inserts it, and the other one finds it. A
 * row that a transaction in progress has written is waited for, so that no signal falls between looking
 * and waiting.
 *
 *		no row		nobody waits, nobody has signalled
 *		waited for	job_id; and that job has a row in awaiting
 *		early		signalled_at, payload
 *		used		signalled_at, job_id
 *
 *		no row, used -> waited for		a job waits
 *		no row -> early					a signal comes first
 *		waited for, early -> used		the job has it
 *		waited for -> no row			its time is over, or somebody takes the job away
 *		early, used -> no row			after 7 days
 *
 * A key that is waited for is changed only by him who has deleted the job's row in awaiting: so that is
 * where a signal, the end of the time and a discard meet, and one of them wins. A row that says that
 * it is waited for, and is not, is taken for none.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "calls/signal.h"
#include "calls/signal_row.h"
#include "ground/duration.h"
#include "ground/intake.h"
#include "ground/settings.h"
#include "queue/announce.h"

PG_FUNCTION_INFO_V1(intake_sql_signal);

/* ---- jobs that wait ---- */

/* Whether a job waits for a key. Its row is in the slot of the table; it may be about to go. */
static bool
find_waiting(IntakeSignals *tables, int64 job_id, text *key)
{
	return intake_table_look_up(&tables->awaiting, job_id) &&
		   DatumGetBool(DirectFunctionCall2Coll(
			   texteq, C_COLLATION_OID, PointerGetDatum(key),
			   INTAKE_COLUMN(tables->awaiting.slot->tts_values, awaiting_key)));
}

static void
put_waiting(IntakeSignals *tables, const IntakeJob *job, text *key, TimestampTz until)
{
	Datum values[Natts_awaiting];
	bool nulls[Natts_awaiting] = {0};

	INTAKE_COLUMN(values, awaiting_job_id) = Int64GetDatum(job->job_id);
	INTAKE_COLUMN(values, awaiting_event_id) = Int64GetDatum(job->event_id);
	INTAKE_COLUMN(values, awaiting_lane) = Int32GetDatum(job->lane);
	INTAKE_COLUMN(values, awaiting_attempts) = Int32GetDatum(0);
	INTAKE_COLUMN(values, awaiting_key) = PointerGetDatum(key);
	INTAKE_COLUMN(values, awaiting_until) = TimestampTzGetDatum(until);
	INTAKE_COLUMN(nulls, awaiting_until) = until == DT_NOEND;
	intake_table_insert(&tables->awaiting, values, nulls);
	if (until != DT_NOEND)
		intake_announce_delay(until);
}

static void
let_go_on(const IntakeJob *job)
{
	IntakeTable queue;

	intake_table_open(&queue, intake_table_oid("queue"));
	intake_signal_row_enqueue(&queue, job);
	intake_table_close(&queue);
}

/* Lets a job that has left awaiting go on with a payload. */
static void
give(const IntakeJob *job, Jsonb *payload)
{
	IntakeProgress progress;

	if (intake_progress_read(job->job_id, &progress))
	{
		progress.input = payload;
		intake_progress_write(job, &progress, true);
	}
	let_go_on(job);
}

/* ---- a job waits ---- */

static void
check_key(const char *key, size_t length)
{
	if (length == 0 || length > INTAKE_SIGNAL_KEY)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the key of a signal must have 1 to %d bytes", INTAKE_SIGNAL_KEY),
						errdetail("It has %zu.", length)));
}

/* The key that a step waits for. */
static text *
read_key(const IntakeNext *next)
{
	const char *key = intake_next_argument(next, "key");

	if (key != NULL)
	{
		check_key(key, strlen(key));
		return cstring_to_text(key);
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("act \"wait\" does not say which key"),
					errhint("intake.wait(key) returns what says it.")));
	pg_unreachable();
}

/* Until when it does. */
static TimestampTz
read_until(const IntakeNext *next, TimestampTz expires_at)
{
	const char *seconds = intake_next_argument(next, "timeout");
	double time;

	if (seconds == NULL)
		return expires_at;
	time = DatumGetFloat8(DirectFunctionCall1(float8in, CStringGetDatum(seconds))) * USECS_PER_SEC;
	if (!(time >= 0 && time <= INTAKE_DURATION_LONGEST))
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("the timeout of a wait is less than nothing, or too long"),
						errhint("A job waits for 10 years at most; without a timeout, for ever.")));
	return Min(GetCurrentTimestamp() + (int64) time, expires_at);
}

/* Raises an error where a job waits for the key. Returns false where it may have gone meanwhile. */
static bool
check_free(IntakeSignals *tables, const IntakeSignalRow *row, text *key)
{
	if (row->signalled || !find_waiting(tables, row->job_id, key))
		return true;
	if (intake_table_hold(&tables->awaiting, true))
		ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION),
						errmsg("job " INT64_FORMAT " waits for key \"%s\" already", row->job_id,
							   text_to_cstring(key)),
						errhint("One job at a time waits for a key.")));
	return false;
}

/* Returns false where another transaction was faster, and the key is to be looked at again. */
static bool
try_to_wait(IntakeSignals *tables, const IntakeJob *job, text *key, TimestampTz until,
			IntakeProgress *progress)
{
	IntakeSignalRow row;

	if (intake_signal_row_find(tables, key, &row))
	{
		if (!check_free(tables, &row, key) || !intake_table_remove(&tables->signals, true))
			return false;
		if (row.signalled && row.job_id == 0)
		{
			progress->input = row.payload;
			intake_signal_row_put(tables, key, job->job_id, GetCurrentTimestamp(), NULL);
			let_go_on(job);
			return true;
		}
		intake_signal_row_put(tables, key, job->job_id, 0, NULL);
	}
	else if (!intake_signal_row_insert(tables, key, job->job_id, 0, NULL))
		return false;
	put_waiting(tables, job, key, until);
	return true;
}

/* Puts a job where it waits for the signal that its step has named, or lets it go on with it. */
void
intake_signal_await(const IntakeJob *job, const IntakeNext *next, TimestampTz expires_at,
					IntakeProgress *progress)
{
	text *key = read_key(next);
	TimestampTz until = read_until(next, expires_at);
	IntakeSignals tables;

	intake_signal_row_open(&tables);
	while (!try_to_wait(&tables, job, key, until, progress))
		CHECK_FOR_INTERRUPTS();
	intake_signal_row_close(&tables);
}

/* ---- a signal ---- */

typedef enum Sent
{
	SENT,
	REFUSED, /* it was signalled before */
	AGAIN    /* another transaction was faster, and the key is to be looked at again */
} Sent;

/* A key that has a row which is not signalled. */
static Sent
send_to_waiting(IntakeSignals *tables, const IntakeSignalRow *row, text *key, Jsonb *payload)
{
	bool waits = find_waiting(tables, row->job_id, key);
	IntakeJob job;

	if (waits)
	{
		intake_signal_row_job(tables->awaiting.slot->tts_values, &job);
		if (!intake_table_remove(&tables->awaiting, true))
			return AGAIN;
		give(&job, payload);
	}
	if (intake_table_remove(&tables->signals, true))
		intake_signal_row_put(tables, key, waits ? row->job_id : 0, GetCurrentTimestamp(),
							  waits ? NULL : payload);
	else if (!waits)
		return AGAIN;
	return SENT;
}

static Sent
try_to_send(IntakeSignals *tables, text *key, Jsonb *payload)
{
	IntakeSignalRow row;

	if (!intake_signal_row_find(tables, key, &row))
		return intake_signal_row_insert(tables, key, 0, GetCurrentTimestamp(), payload) ? SENT
																						: AGAIN;
	return row.signalled ? REFUSED : send_to_waiting(tables, &row, key, payload);
}

/*
 * Signals a key. Returns false, and changes nothing, where it was signalled before, and no job has
 * waited for it since. Waits for transactions in progress that signal the key, or wait for it.
 */
bool
intake_signal_send(text *key, Jsonb *payload)
{
	IntakeSignals tables;
	Sent sent;

	check_key(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	intake_signal_row_open(&tables);
	while ((sent = try_to_send(&tables, key, payload)) == AGAIN)
		CHECK_FOR_INTERRUPTS();
	intake_signal_row_close(&tables);
	return sent == SENT;
}

static Jsonb *
make_null(void)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("null")));
}

static void
check_payload(const Jsonb *payload)
{
	int64 most = (int64) intake_settings_max_state_size * 1024;
	int64 size = VARSIZE(payload) - VARHDRSZ;

	if (size > most)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("the payload of a signal has " INT64_FORMAT " bytes", size),
						errhint("It may have " INT64_FORMAT ", as pg_intake.max_state_size says. "
								"What is larger can stand in a table.",
								most)));
}

/* SQL: intake.signal(key, payload). */
Datum
intake_sql_signal(PG_FUNCTION_ARGS)
{
	Jsonb *payload = PG_ARGISNULL(1) ? make_null() : PG_GETARG_JSONB_P(1);

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the key must not be null")));
	PreventCommandIfReadOnly("intake.signal()");
	check_payload(payload);
	PG_RETURN_BOOL(intake_signal_send(PG_GETARG_TEXT_PP(0), payload));
}
