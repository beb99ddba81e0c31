/*
 * take.c
 *		Calls that a courier takes.
 *
 * Lines take turns, as lanes do. Of one line couriers make at most a quarter of what they can make, so
 * that a host that is slow leaves room for others.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "calls/board.h"
#include "calls/note.h"
#include "calls/outbox.h"
#include "calls/take.h"
#include "config/workflows.h"
#include "ground/database.h"
#include "ground/intake.h"
#include "queue/announce.h"

#define TURN 64            /* calls of a line, before the next one has its turn */
#define MARGIN 10000       /* milliseconds that a call is held beyond its time */
#define LOOK_AGAIN 1000    /* milliseconds, where another courier is about to probe */
#define LOOK_FOR_KEY 30000 /* milliseconds, where a secret cannot be read */

/* A line that is read. */
typedef struct Reading
{
	IntakeTaking *taking;
	const IntakeWorkflow *workflow;
	int most;              /* calls of it that may be taken now */
	bool probing;          /* it is suspended: one call goes */
	MemoryContext scratch; /* for one call */
	IntakeParcelReader requests;
	bool allowed; /* the owner of the workflow may still make calls */
	bool skipped; /* a row that somebody else is changing */
} Reading;

/* What came of taking a call. */
typedef enum Took
{
	TOOK,    /* it is not in the queue any more */
	NO_ROOM, /* for want of memory */
	LOCKED   /* its secret cannot be read now */
} Took;

/* A call that was taken out of the queue fails before it was made. */
static void
fail(IntakeTaking *taking, const IntakeCall *call, const char *error)
{
	MemoryContext old = MemoryContextSwitchTo(taking->desk->context);
	IntakeCallEnd end = {.error = pstrdup(error), .duration = -1};

	intake_desk_attempt(taking->desk, call, &end);
	intake_desk_end(taking->desk, call, &end);
	MemoryContextSwitchTo(old);
}

/* Gives a call that was taken out of the queue to the courier. */
static void
give(Reading *reading, IntakeCall *call, const IntakeParcel *request, StringInfo headers,
	 StringInfo target)
{
	IntakeTaking *taking = reading->taking;

	call->courier = taking->courier;
	call->taken_at = taking->desk->now;
	call->until = TimestampTzPlusMilliseconds(taking->desk->now, request->milliseconds + MARGIN);
	intake_desk_hold(taking->desk, call);
	taking->put(taking->argument, request, headers, target);
	taking->bytes -= intake_parcel_size(request);
	taking->taken++;
	reading->most--;
}

/* Takes the call of a row of the queue, at PLACE, whose request is there. */
static Took
take_request(Reading *reading, ItemPointer place, IntakeCall *call, const IntakeParcel *request)
{
	IntakeTaking *taking = reading->taking;
	IntakeCredentialOutcome outcome;
	StringInfoData headers;
	StringInfoData target;
	const char *why = NULL;

	taking->full = taking->taken > 0 && (int64) intake_parcel_size(request) > taking->bytes;
	if (taking->full)
		return NO_ROOM;
	initStringInfo(&headers);
	initStringInfo(&target);
	outcome = INTAKE_CREDENTIAL_GONE;
	why = "the owner of the workflow may not make calls any more";
	if (reading->allowed)
		outcome = intake_parcel_write(request, reading->workflow->owner, &headers, &target, &why);
	if (outcome == INTAKE_CREDENTIAL_LOCKED)
		return LOCKED;
	if (!intake_table_delete(intake_desk_table(taking->desk, INTAKE_DESK_QUEUE), place))
		reading->skipped = true;
	else if (outcome == INTAKE_CREDENTIAL_APPLIED)
		give(reading, call, request, &headers, &target);
	else
		fail(taking, call, why);
	return TOOK;
}

/* Takes the call of a row of the queue. */
static Took
take(Reading *reading, IntakeScan *scan)
{
	MemoryContext old = MemoryContextSwitchTo(reading->scratch);
	IntakeCall call;
	IntakeParcel request;
	Took took = TOOK;

	intake_desk_read_queue(scan, &call);
	if (intake_parcel_find(&reading->requests, &call, &request))
		took = take_request(reading, &scan->slot->tts_tid, &call, &request);
	else if (intake_table_delete(intake_desk_table(reading->taking->desk, INTAKE_DESK_QUEUE),
								 &scan->slot->tts_tid))
		fail(reading->taking, &call, "its request is gone");
	MemoryContextSwitchTo(old);
	MemoryContextReset(reading->scratch);
	return took;
}

/* Takes calls in the order in which they are due, and puts the line back. */
static void
take_due(Reading *reading, IntakeScan *scan)
{
	IntakeTaking *taking = reading->taking;
	int turn = TURN;

	do
	{
		TimestampTz due =
			DatumGetTimestampTz(INTAKE_COLUMN(scan->slot->tts_values, call_queue_due_at));
		bool full = reading->most <= 0;
		Took took = NO_ROOM;

		if (due <= taking->desk->now && !full && turn-- > 0 && taking->taken < taking->most)
			took = take(reading, scan);
		if (took == TOOK)
			continue;
		if (took == LOCKED)
			intake_board_block(TimestampTzPlusMilliseconds(taking->desk->now, LOOK_FOR_KEY));
		else if (full && !reading->probing && due <= taking->desk->now)
			intake_board_cap(due);
		else
			intake_board_put(due, due);
		return;
	} while (intake_table_scan_next(scan));
	intake_board_put(DT_NOEND, DT_NOEND);
}

/* How many calls of a line may be made by couriers besides those that are. */
static int
share(const IntakeTaking *taking, const IntakeTurn *turn)
{
	int room = taking->most - taking->taken;

	return Max((room + turn->all_held) / 4, 1) - turn->held;
}

/* Reads a line whose first row a scan has come to. */
static void
read_line(IntakeTaking *taking, const IntakeTurn *turn, IntakeScan *scan)
{
	Datum *row = scan->slot->tts_values;
	IntakeWorkflow *workflow =
		intake_workflows_get(DatumGetInt32(INTAKE_COLUMN(row, call_queue_workflow_id)));
	IntakeLine *line = intake_line_row_get(taking->lines, turn->line_id);
	TimestampTz blocked = intake_outage_blocked(line, taking->desk->now);
	TimestampTz due = DatumGetTimestampTz(INTAKE_COLUMN(row, call_queue_due_at));
	Reading reading = {taking, workflow, share(taking, turn)};

	if (!OidIsValid(intake_workflow_role(workflow)))
	{
		/* It is told again when that changes. */
		intake_board_put(DT_NOEND, DT_NOEND);
		return;
	}
	reading.probing = line->suspended_at != 0;
	if (blocked == 0 && reading.probing && due <= taking->desk->now)
	{
		reading.most = 1;
		if (!intake_outage_probe(taking->lines, line))
			blocked = TimestampTzPlusMilliseconds(taking->desk->now, LOOK_AGAIN);
	}
	if (blocked != 0)
	{
		intake_board_block(blocked);
		return;
	}
	reading.allowed = intake_outbox_has_right(workflow->owner);
	reading.requests.context = CurrentMemoryContext;
	reading.scratch =
		AllocSetContextCreate(CurrentMemoryContext, "pg_intake call", ALLOCSET_DEFAULT_SIZES);
	take_due(&reading, scan);
	intake_parcel_close(&reading.requests);
	MemoryContextDelete(reading.scratch);
	if (reading.skipped)
		intake_database_look_soon();
}

static void
take_line(IntakeTaking *taking, const IntakeTurn *turn)
{
	IntakeScan scan;
	ScanKeyData keys[2];

	/* By the clock by which the line is ready: else it would be due, and not be taken, again and again. */
	taking->desk->now = GetCurrentTimestamp();
	/* What this transaction has taken in an earlier turn is not to be seen again. */
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(turn->line_id));
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE,
				TimestampTzGetDatum(turn->start));
	intake_table_scan_begin(&scan, intake_table_oid("call_queue"), NULL, keys, 2);
	if (intake_table_scan_next(&scan))
		read_line(taking, turn, &scan);
	else
		intake_board_put(DT_NOEND, DT_NOEND);
	intake_table_scan_end(&scan);
	PopActiveSnapshot();
}

/* Takes calls for a courier, as many as it has room for. The workflows are fresh. */
void
intake_take_calls(IntakeTaking *taking)
{
	IntakeTurn turn;

	intake_note_uncap();
	while (taking->taken < taking->most && !taking->full && intake_note_take(&turn))
		take_line(taking, &turn);
	if (taking->taken > 0)
		intake_announce_delay(taking->courier_until);
}
