/*
 * outage.c
 *		Lines that wait because the other side asked for it, or is out.
 *
 * Failures of one kind are counted by their jobs. Where there are enough, or one is enough, the line is
 * suspended: its calls wait, and what they were charged in that time is given back. From time to time one
 * call goes as a probe, that of another job each time, for the one that fails goes behind the others.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "calls/note.h"
#include "calls/outage.h"
#include "calls/parcel.h"
#include "config/workflows.h"
#include "events/event.h"
#include "ground/intake.h"
#include "ground/txn.h"

#define ENOUGH 20 /* jobs whose calls fail one after the other */
#define MOST_KEPT 400
#define FIRST_PROBE 60000 /* milliseconds */
#define LAST_PROBE 3600000

#define TYPE_SUSPENDED "calls.suspended"
#define TYPE_RESUMED "calls.resumed"

/* ---- what answers say ---- */

static int
count_jobs(const IntakeLine *line)
{
	int count = 0;

	for (int i = 0; i < line->n; i++)
	{
		bool before = false;

		for (int k = 0; k < i && !before; k++)
			before = line->jobs[k] == line->jobs[i];
		count += !before;
	}
	return count;
}

/* How often a call was charged since the last that was accepted. */
static int
count_charges(const IntakeLine *line, int64 call_id)
{
	int count = 0;

	for (int i = 0; i < line->n; i++)
		count += line->calls[i] == call_id;
	return count;
}

static void
keep_failure(IntakeLine *line, const IntakeCall *call, bool charged)
{
	if (line->n == MOST_KEPT)
		return;
	if (line->n >= line->room)
	{
		line->room = Max(ENOUGH, 2 * line->n);
		line->jobs = line->jobs ? repalloc(line->jobs, (line->room + 1) * sizeof(int64))
								: palloc((line->room + 1) * sizeof(int64));
		line->calls = line->calls ? repalloc(line->calls, (line->room + 1) * sizeof(int64))
								  : palloc((line->room + 1) * sizeof(int64));
	}
	line->jobs[line->n] = call->job_id;
	line->calls[line->n++] = charged ? call->call_id : 0;
}

/* A row needs to say where its calls go. */
static void
describe(IntakeLine *line, const IntakeCall *call)
{
	IntakeParcelReader reader = {0};
	IntakeParcel request;

	if (line->host != NULL)
		return;
	line->workflow_id = call->workflow_id;
	line->host = "";
	if (intake_parcel_find(&reader, call, &request))
	{
		line->host = intake_parcel_place(&request);
		line->secret_id = request.secret_id;
	}
	intake_parcel_close(&reader);
}

static void
note_failure(IntakeLine *line, const IntakeCall *call, const IntakeOutcome *outcome,
			 const char *error, TimestampTz now)
{
	const char *kind = intake_outcome_troubles[outcome->trouble];

	line->changed = true;
	if (line->kind == NULL || strcmp(line->kind, kind) != 0)
		line->n = 0;
	line->kind = kind;
	line->error = pstrdup(error);
	keep_failure(line, call, outcome->verdict == INTAKE_CALL_RETRY);
	if (outcome->trouble != INTAKE_TROUBLE_PAYMENT && count_jobs(line) < ENOUGH)
		return;
	/* This one is not charged. */
	line->calls[line->n - 1] = 0;
	line->suspended_at = now;
	line->probe_at = TimestampTzPlusMilliseconds(now, FIRST_PROBE);
	line->probes = 0;
	line->suspends = true;
}

/* A row that says nothing but until when the line has waited leaves, too. */
static void
note_success(IntakeLine *line, TimestampTz now)
{
	line->changed |= line->stored && line->held_until <= now;
	if (line->kind == NULL && line->suspended_at == 0)
		return;
	line->changed = true;
	line->resumes = line->suspended_at != 0;
	line->suspends = false;
	line->suspended_at = 0;
	line->kind = line->error = NULL;
	line->n = 0;
}

/*
 * Takes in what the end of a CALL says of its line. Where that is suspended, the call waits and is not
 * charged, whatever its OUTCOME was.
 */
bool
intake_outage_judge(IntakeLines *lines, IntakeCall *call, IntakeOutcome *outcome, const char *error)
{
	MemoryContext old = MemoryContextSwitchTo(lines->desk->context);
	IntakeLine *line = intake_line_row_get(lines, call->line_id);
	TimestampTz now = lines->desk->now;
	bool out = outcome->trouble >= INTAKE_TROUBLE_PAYMENT;

	if (outcome->hold > 0)
	{
		describe(line, call);
		line->held_until = Max(line->held_until, now + outcome->hold);
		line->changed = true;
	}
	if (outcome->trouble == INTAKE_TROUBLE_NONE)
		note_success(line, now);
	else if (out && line->suspended_at == 0)
	{
		describe(line, call);
		note_failure(line, call, outcome, error, now);
	}
	if (out && line->suspended_at != 0)
	{
		outcome->verdict = INTAKE_CALL_BACK;
		call->attempts = Max(call->attempts - count_charges(line, call->call_id), 0);
	}
	MemoryContextSwitchTo(old);
	return line->suspended_at != 0;
}

/* ---- when calls are taken ---- */

/* Until when no call of a line is to be made; 0: they are. One that is suspended and due has a probe. */
TimestampTz
intake_outage_blocked(const IntakeLine *line, TimestampTz now)
{
	if (line->suspended_at != 0 && line->probe_at > now)
		return line->probe_at;
	return line->held_until > now ? line->held_until : 0;
}

/* Sets when the probe behind the one that goes now is due. Returns false where another courier does. */
bool
intake_outage_probe(IntakeLines *lines, IntakeLine *line)
{
	int64 delay = FIRST_PROBE;

	for (int i = 0; i <= line->probes && delay < LAST_PROBE; i++)
		delay *= 2;
	line->probes++;
	line->probe_at = TimestampTzPlusMilliseconds(lines->desk->now, Min(delay, LAST_PROBE));
	return intake_line_row_store(line, lines->desk->now);
}

/* ---- the end ---- */

/* Gives back what the calls of a job that wait in a line were charged. */
static void
give_back_charges(IntakeDesk *desk, const IntakeLine *line, int64 job_id)
{
	IntakeTable *queue = intake_desk_table(desk, INTAKE_DESK_QUEUE);
	IntakeScan scan;
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(job_id));
	intake_table_scan_begin(&scan, intake_table_oid("call_queue"), "call_queue_job", &key, 1);
	while (intake_table_scan_next(&scan))
	{
		IntakeCall call;
		int charges;

		intake_desk_read_queue(&scan, &call);
		charges = call.line_id == line->id ? count_charges(line, call.call_id) : 0;
		if (charges == 0 || !intake_table_delete(queue, &scan.slot->tts_tid))
			continue;
		call.attempts = Max(call.attempts - charges, 0);
		intake_desk_queue(desk, &call, desk->now);
	}
	intake_table_scan_end(&scan);
}

static void
give_back(IntakeDesk *desk, const IntakeLine *line)
{
	(void) intake_table_flush(intake_desk_table(desk, INTAKE_DESK_QUEUE));
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	for (int i = 0; i < line->n; i++)
	{
		bool before = false;

		for (int k = 0; k < i && !before; k++)
			before = line->jobs[k] == line->jobs[i];
		if (!before)
			give_back_charges(desk, line, line->jobs[i]);
	}
	PopActiveSnapshot();
}

static void
add_member(StringInfo json, const char *name, const char *value)
{
	appendStringInfo(json, "%s\"%s\": ", json->len > 1 ? ", " : "", name);
	if (value == NULL)
		appendStringInfoString(json, "null");
	else
		escape_json(json, value);
}

/* Tells about a line by an event that an alert workflow can match. */
static bool
announce(void *argument)
{
	const IntakeLine *line = argument;
	const IntakeWorkflow *workflow = intake_workflows_get(line->workflow_id);
	IntakeSlice no_key = {NULL, 0};
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	add_member(&json, "workflow", workflow ? workflow->name : NULL);
	add_member(&json, "host", line->host);
	if (line->suspends)
	{
		add_member(&json, "kind", line->kind);
		add_member(&json, "error", line->error);
	}
	appendStringInfoChar(&json, '}');
	(void) intake_event_emit(
		line->suspends ? TYPE_SUSPENDED : TYPE_RESUMED,
		DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data))), no_key, 0);
	return true;
}

static void
finish(IntakeLines *lines, IntakeLine *line)
{
	if (!line->changed || !intake_line_row_store(line, lines->desk->now))
		return;
	if (line->suspends)
		give_back(lines->desk, line);
	if (line->resumes)
		intake_note_open(line->id);
	if (line->suspends || line->resumes)
	{
		ereport(LOG, (errmsg("calls of workflow %d to %s are %s", line->workflow_id, line->host,
							 line->suspends ? "suspended" : "resumed"),
					  errhidecontext(true), errhidestmt(true)));
		intake_txn_tell(announce, line, "store an event of calls");
	}
}

static int
compare(const void *a, const void *b)
{
	const IntakeLine *left = *(IntakeLine *const *) a;
	const IntakeLine *right = *(IntakeLine *const *) b;

	return left->id < right->id ? -1 : left->id > right->id;
}

/* Writes what has changed about lines. To be called before the desk is closed. */
void
intake_outage_close(IntakeLines *lines)
{
	if (lines->count > 1)
		qsort(lines->lines, lines->count, sizeof(IntakeLine *), compare);
	for (int i = 0; i < lines->count; i++)
		finish(lines, lines->lines[i]);
}
