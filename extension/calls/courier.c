/*
 * courier.c
 *		Who makes calls, and until when what it holds is its own.
 *
 * A courier has a row while it lives, and what it is known by is a random number in it. The row is
 * written anew at most every 5 s. The supervisor deletes one that was not seen for 30 s; as long as the
 * row is there, the courier is. Calls in call_held whose courier has no row, or that were not answered in
 * time, go back to the queue, and are charged.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "calls/advance.h"
#include "calls/board.h"
#include "calls/courier.h"
#include "calls/desk.h"
#include "calls/note.h"
#include "calls/overstay.h"
#include "calls/wire.h"
#include "config/workflows.h"
#include "ground/database.h"
#include "ground/intake.h"
#include "ground/table.h"
#include "queue/announce.h"

#define LEASE 30000     /* milliseconds */
#define SEEN_AGAIN 5000 /* milliseconds, before it is written that it was seen */
#define MAX_NAME 200    /* bytes */
#define TOKEN_BITS 53   /* a number that any client can hold */
#define TRIES 3

PG_FUNCTION_INFO_V1(intake_sql_enter_courier);
PG_FUNCTION_INFO_V1(intake_sql_leave_courier);

/* ---- rows ---- */

static int64
make_token(void)
{
	uint64 token = 0;

	while (token == 0)
	{
		if (!pg_strong_random(&token, sizeof(token)))
			ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not make a token")));
		token >>= 64 - TOKEN_BITS;
	}
	return (int64) token;
}

/* SQL: intake.enter_courier(name). */
Datum
intake_sql_enter_courier(PG_FUNCTION_ARGS)
{
	IntakeTable table;
	Datum values[Natts_courier];
	bool nulls[Natts_courier] = {0};
	TimestampTz now = GetCurrentTimestamp();
	int64 token = make_token();

	intake_board_require();
	intake_wire_require_private();
	PreventCommandIfReadOnly("intake.enter_courier()");
	if (VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(0)) > MAX_NAME)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the name of a courier has more than %d bytes", MAX_NAME)));
	INTAKE_COLUMN(values, courier_token) = Int64GetDatum(token);
	INTAKE_COLUMN(values, courier_name) = PG_GETARG_DATUM(0);
	INTAKE_COLUMN(values, courier_role) =
		CStringGetTextDatum(GetUserNameFromId(GetSessionUserId(), false));
	INTAKE_COLUMN(values, courier_entered_at) = TimestampTzGetDatum(now);
	INTAKE_COLUMN(values, courier_seen_at) = TimestampTzGetDatum(now);
	INTAKE_COLUMN(values, courier_until) =
		TimestampTzGetDatum(TimestampTzPlusMilliseconds(now, LEASE));
	intake_table_open(&table, intake_table_oid("courier"));
	intake_table_insert(&table, values, nulls);
	intake_table_close(&table);
	/* Nobody may have told the lines that have calls. */
	intake_database_call(INTAKE_CALL_SEARCH | INTAKE_CALL_DUTIES);
	PG_RETURN_INT64(token);
}

/* Finds the row of a courier, which another session of its own may be writing anew. */
bool
intake_courier_find(IntakeTable *table, int64 token)
{
	for (int i = 0; i < TRIES; i++)
		if (intake_table_look_up(table, token))
			return true;
	return false;
}

static _Noreturn void
raise_ended(void)
{
	ereport(ERROR, (errcode(ERRCODE_INTAKE_STALE_LEASE),
					errmsg("this courier has ended: it was not seen for %d seconds, or has left",
						   LEASE / 1000),
					errhint("End all transfers, and enter again.")));
}

/*
 * A courier is there. Returns until when what it holds is its own. Raises an error where it has ended.
 */
TimestampTz
intake_courier_see(int64 token)
{
	IntakeTable table;
	Datum *row;
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until;

	intake_wire_require_private();
	intake_overstay_watch(LEASE);
	intake_table_open(&table, intake_table_oid("courier"));
	if (!intake_courier_find(&table, token))
		raise_ended();
	row = table.slot->tts_values;
	until = DatumGetTimestampTz(INTAKE_COLUMN(row, courier_until));
	if (until < TimestampTzPlusMilliseconds(now, LEASE - SEEN_AGAIN))
	{
		Datum values[Natts_courier];
		bool nulls[Natts_courier] = {0};

		memcpy(values, row, sizeof(values));
		INTAKE_COLUMN(values, courier_name) =
			PointerGetDatum(DatumGetTextPCopy(INTAKE_COLUMN(row, courier_name)));
		INTAKE_COLUMN(values, courier_role) =
			PointerGetDatum(DatumGetTextPCopy(INTAKE_COLUMN(row, courier_role)));
		INTAKE_COLUMN(values, courier_seen_at) = TimestampTzGetDatum(now);
		if (intake_table_remove(&table, false))
		{
			until = TimestampTzPlusMilliseconds(now, LEASE);
			INTAKE_COLUMN(values, courier_until) = TimestampTzGetDatum(until);
			intake_table_insert(&table, values, nulls);
		}
		else if (until < now)
			raise_ended();
	}
	intake_table_close(&table);
	return until;
}

/* ---- what couriers hold ---- */

/* Does something with each call that is held. */
void
intake_courier_each_held(IntakeHeldAction action, void *argument)
{
	IntakeScan scan;
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(0));
	intake_table_scan_begin(&scan, intake_table_oid("call_held"), NULL, &key, 1);
	while (intake_table_scan_next(&scan))
	{
		IntakeCall call;

		intake_desk_read_held(scan.slot->tts_values, &call);
		action(argument, &scan, &call);
	}
	intake_table_scan_end(&scan);
}

/* Whose calls go back, but for those that are named. */
typedef struct Release
{
	IntakeDesk *desk;
	int64 token;
	const int64 *named; /* ascending */
	int count;
} Release;

static int
compare(const void *a, const void *b)
{
	int64 left = *(const int64 *) a;
	int64 right = *(const int64 *) b;

	return left < right ? -1 : left > right;
}

static void
give_back(void *argument, IntakeScan *scan, IntakeCall *call)
{
	Release *of = argument;

	if (call->courier != of->token ||
		(of->count > 0 &&
		 bsearch(&call->call_id, of->named, of->count, sizeof(int64), compare) != NULL) ||
		!intake_table_delete(intake_desk_table(of->desk, INTAKE_DESK_HELD), &scan->slot->tts_tid))
		return;
	intake_note_held(call->line_id, -1);
	intake_desk_give_back(of->desk, call, of->desk->now);
}

/*
 * Gives back what a courier holds, but for COUNT calls that are NAMED, and charges nothing. Sorts the
 * names. The workflows are fresh.
 */
void
intake_courier_release(IntakeDesk *desk, int64 token, int64 *named, int count)
{
	Release of = {desk, token, named, count};

	if (count > 0)
		qsort(named, count, sizeof(int64), compare);
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	intake_courier_each_held(give_back, &of);
	PopActiveSnapshot();
}

/* SQL: intake.leave_courier(token). */
Datum
intake_sql_leave_courier(PG_FUNCTION_ARGS)
{
	int64 token = PG_GETARG_INT64(0);
	IntakeDesk desk;
	IntakeTable table;

	intake_board_require();
	intake_board_require_whole("intake.leave_courier");
	PreventCommandIfReadOnly("intake.leave_courier()");
	intake_workflows_refresh();
	intake_overstay_watch(LEASE);
	intake_table_open(&table, intake_table_oid("courier"));
	if (!intake_courier_find(&table, token))
		raise_ended();
	(void) intake_table_remove(&table, true);
	intake_table_close(&table);
	intake_desk_open(&desk);
	intake_courier_release(&desk, token, NULL, 0);
	intake_advance_close(&desk);
	/* The supervisor looks for what it was to be told. */
	intake_announce_delay(GetCurrentTimestamp());
	PG_RETURN_VOID();
}
