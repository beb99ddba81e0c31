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

#include "calls/answer.h"
#include "calls/board.h"
#include "calls/courier.h"
#include "calls/desk.h"
#include "calls/note.h"
#include "calls/overstay.h"
#include "calls/wire.h"
#include "config/workflows.h"
#include "ground/clock.h"
#include "ground/database.h"
#include "ground/intake.h"
#include "ground/table.h"
#include "queue/announce.h"

#define LEASE 30000     /* milliseconds */
#define SEEN_AGAIN 5000 /* milliseconds, before it is written that it was seen */
#define MAX_NAME 200    /* bytes */
#define TOKEN_BITS 53   /* a number that any client can hold */
#define LOOK_SHARE 50   /* looking takes one part in so many of the time */
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
static bool
find(IntakeTable *table, int64 token)
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
	if (!find(&table, token))
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

/* What is done with a call that is held, which a scan has found. */
typedef void (*HeldAction)(void *argument, IntakeScan *scan, IntakeCall *call);

static void
for_each_held(HeldAction action, void *argument)
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
	for_each_held(give_back, &of);
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
	if (!find(&table, token))
		raise_ended();
	(void) intake_table_remove(&table, true);
	intake_table_close(&table);
	intake_desk_open(&desk);
	intake_courier_release(&desk, token, NULL, 0);
	intake_desk_close(&desk);
	/* The supervisor looks for what it was to be told. */
	intake_announce_delay(GetCurrentTimestamp());
	PG_RETURN_VOID();
}

/* ---- for the supervisor ---- */

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
	if (!find(&expiring->couriers, token))
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
	IntakeScan scan;
	ScanKeyData key;
	bool found;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(workflow_id));
	intake_table_scan_begin(&scan, intake_table_oid("workflow"), NULL, &key, 1);
	found = intake_table_scan_next(&scan);
	intake_table_scan_end(&scan);
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
intake_courier_expire(void)
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
	for_each_held(expire_call, expiring);
	forget_cancels(expiring);
	PopActiveSnapshot();
	intake_table_close(&expiring->couriers);
	intake_desk_close(&expiring->desk);
	if (expiring->next != DT_NOEND)
		(void) intake_database_note_due(expiring->next);
	not_before = intake_clock_now() + (intake_clock_now() - start) * LOOK_SHARE;
}
