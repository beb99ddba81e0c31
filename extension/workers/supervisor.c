/*
 * supervisor.c
 *		A process in a database that has the extension, while something is to be done there:
 *		recovers after a crash, moves delayed jobs to their lanes when they are due, makes partitions
 *		ahead of need, and searches for jobs that no commit has announced.
 *
 * It runs only statements of the extension, and no code of anybody else. Each of its duties has
 * a transaction of its own, and when one fails, the others go on (duty.c).
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "calls/advance.h"
#include "calls/lost.h"
#include "calls/overdue.h"
#include "config/workflows.h"
#include "ground/bgworker.h"
#include "ground/clock.h"
#include "ground/database.h"
#include "ground/intake.h"
#include "ground/partition.h"
#include "ground/settings.h"
#include "ground/shmem.h"
#include "ground/slot.h"
#include "ground/table.h"
#include "jobs/death.h"
#include "jobs/failure.h"
#include "jobs/suspect.h"
#include "queue/room.h"
#include "workers/duty.h"
#include "workers/make_way.h"
#include "workers/search.h"
#include "workers/tending.h"

#define MOST_DUE 1000            /* jobs moved in one transaction */
#define LOCK_TIMEOUT_MS "1000ms" /* for which a duty waits for a lock */
#define LOOK_SHARE 50            /* looking at a room takes one part in so many of the time */
#define LOOK_AGAIN 5000          /* milliseconds, where somebody had locked what was looked for */

static int64 worked_at; /* when there was something to do last, by intake_clock_ms */

static void
note_work(void)
{
	worked_at = intake_clock_ms();
}

/* ---- delayed jobs ---- */

/* Puts the delayed job of a ROW into its lane. */
static void
enqueue(IntakeTable *queue, Datum *row)
{
	int32 lane = DatumGetInt32(INTAKE_COLUMN(row, delayed_lane));
	IntakeWorkflow *workflow = intake_workflows_get(intake_lane_workflow(lane));

	intake_room_enqueue(queue, lane, intake_workflow_role(workflow),
						DatumGetInt64(INTAKE_COLUMN(row, delayed_job_id)),
						DatumGetInt64(INTAKE_COLUMN(row, delayed_event_id)),
						DatumGetInt32(INTAKE_COLUMN(row, delayed_attempts)));
}

/*
 * Moves up to MOST_DUE delayed jobs whose time has come to their lanes, and notes when the next
 * one is due.
 */
static void
move_due_jobs(void)
{
	IntakeTable delayed;
	IntakeTable queue;
	IntakeScan scan;
	ScanKeyData key;
	TimestampTz now = GetCurrentTimestamp();
	int moved = 0;
	bool more = true;

	intake_workflows_refresh();
	ScanKeyInit(&key, 1, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE,
				TimestampTzGetDatum(DT_NOBEGIN));
	intake_table_open(&delayed, intake_table_oid("delayed"));
	intake_table_open(&queue, intake_table_oid("queue"));
	intake_table_scan_begin(&scan, intake_table_oid("delayed"), "delayed_run_at", &key, 1);
	while (more && intake_table_scan_next(&scan))
	{
		Datum *row = scan.slot->tts_values;
		TimestampTz run_at = DatumGetTimestampTz(INTAKE_COLUMN(row, delayed_run_at));

		more = run_at <= now && moved < MOST_DUE;
		if (!more)
			(void) intake_database_note_due(run_at);
		else if (intake_table_delete(&delayed, &scan.slot->tts_tid))
		{
			enqueue(&queue, row);
			moved++;
		}
	}
	intake_table_scan_end(&scan);
	intake_table_close(&queue);
	intake_table_close(&delayed);
	if (moved > 0)
		note_work();
}

/* Ends waits for signals whose time is over, and lets old signals leave. */
static void
look_after_signals(void)
{
	if (intake_overdue_end_waits(MOST_DUE) > 0)
		note_work();
	intake_overdue_forget_signals(MOST_DUE);
}

/*
 * Milliseconds until the next delayed job is due. That is a time of day, and somebody may set the
 * clock, so the answer is bounded, and the caller asks again.
 */
static long
until_due(void)
{
	TimestampTz due = intake_database_due();

	if (due == DT_NOEND)
		return INTAKE_NO_WAIT;
	return Min(TimestampDifferenceMilliseconds(GetCurrentTimestamp(), due) + 1, INTAKE_NO_WAIT);
}

/* Milliseconds until this process is to look by itself. */
static long
until_look(void)
{
	IntakeDatabaseState state;

	if (!intake_database_read(MyDatabaseId, &state) || state.look_at == 0)
		return INTAKE_NO_WAIT;
	return Max(state.look_at - intake_clock_ms(), 0);
}

/* ---- rounds ---- */

static IntakeDuty tending = {
	.name = "look after the workflows", .run = intake_tending_do, .due = intake_tending_due};
static IntakeDuty recovery = {.name = "recover jobs", .run = intake_suspect_recover};
static IntakeDuty searching = {.name = "search for jobs", .run = intake_search_do};

static IntakeDuty duties[] = {
	{.name = "move delayed jobs", .run = move_due_jobs, .due = until_due},
	{.name = "let jobs go on whose calls have ended",
	 .run = intake_advance_do,
	 .due = intake_advance_due},
	{.name = "end calls of jobs that have expired", .run = intake_advance_expire},
	{.name = "give back calls of lost couriers", .run = intake_lost_expire},
	{.name = "look after signals", .run = look_after_signals, .due = until_due},
	{.name = "make partitions of events",
	 .run = intake_partition_keep_event,
	 .wanted = intake_partition_event_wanted},
	{.name = "make partitions of jobs",
	 .run = intake_partition_keep_done,
	 .wanted = intake_partition_done_wanted},
};

/*
 * A look at all rows of a room. It is done when it is asked for, and takes a share of the time only,
 * because an old snapshot may keep millions of dead rows to read over.
 */
typedef struct Look
{
	IntakeDuty *duty;
	bool wanted;
	int64 ended_at; /* by intake_clock_now */
	int64 took;     /* microseconds */
} Look;

static Look recovering = {.duty = &recovery};
static Look seeking = {.duty = &searching};

/* Looks if that is wanted. Returns milliseconds until it is to be done, or done again. */
static long
look(Look *look)
{
	int64 now = intake_clock_now();
	int64 next = look->ended_at + look->took * LOOK_SHARE;
	long wait;

	if (!look->wanted)
		return INTAKE_NO_WAIT;
	if (look->ended_at != 0 && now < next)
		return (next - now) / 1000 + 1;
	look->wanted = false;
	wait = intake_duty_run(look->duty);
	look->ended_at = intake_clock_now();
	look->took = look->ended_at - now;
	look->wanted |= wait != INTAKE_NO_WAIT;
	return wait;
}

/* Looks for jobs that have no holder any more. */
static long
recover(void)
{
	bool wanted = recovering.wanted;
	long wait = look(&recovering);

	intake_death_notify();
	if (!wanted || recovering.wanted)
		return wait;
	seeking.wanted = true;
	if (!intake_suspect_left_any())
		return wait;
	recovering.wanted = true;
	return LOOK_AGAIN;
}

/* Looks for jobs that nobody has announced. */
static long
seek(void)
{
	bool wanted = seeking.wanted;
	long wait = look(&seeking);

	if (wanted && !seeking.wanted)
		intake_database_searched();
	return wait;
}

/* Looks after the workflows when that is due. Returns milliseconds until it is due again. */
static long
tend(void)
{
	long wait = intake_tending_due();

	if (wait > 0)
		return wait;
	wait = intake_duty_run(&tending);
	/* What was enqueued for a workflow while it waited was announced to nobody. */
	seeking.wanted = true;
	return wait;
}

/* One round, in which CALLS are answered. Returns how long to wait, in milliseconds. */
static long
do_round(uint32 calls)
{
	static uint64 known = 0;
	long wait;
	long next; /* Min() would do the work twice */

	recovering.wanted |= (calls & INTAKE_CALL_RECOVER) != 0;
	seeking.wanted |= (calls & INTAKE_CALL_SEARCH) != 0;
	if ((calls & INTAKE_CALL_TEND) != 0 || known != intake_workflows_version())
		intake_tending_note_change();
	known = intake_workflows_version();
	wait = recover();
	intake_database_forget_due();
	for (int i = 0; i < lengthof(duties); i++)
	{
		next = intake_duty_run(&duties[i]);
		wait = Min(wait, next);
	}
	next = tend();
	wait = Min(wait, next);
	next = seek();
	return Min(wait, next);
}

/* A command may have asked for the database before it could see this process. */
static bool
is_sent_away(void)
{
	bool away;

	StartTransactionCommand();
	away = intake_make_way_is_wanted(MyDatabaseId);
	CommitTransactionCommand();
	return away;
}

/*
 * When the next supervisor is to look, if this one leaves, by intake_clock_ms; 0: when it is called.
 * Delayed jobs are looked after by the launcher.
 */
static int64
next_look(long wait)
{
	long poll =
		intake_slot_count_all(MyDatabaseId) > 1 ? intake_settings_poll_interval : INTAKE_NO_WAIT;

	wait = Min(wait, poll);
	return wait < INTAKE_NO_WAIT ? intake_clock_ms() + wait : 0;
}

/* Leaves, if nothing is to be done for a while, or if its place is wanted. */
static void
leave_if_idle(long wait)
{
	int64 idle = intake_clock_ms() - worked_at;
	bool stays = idle < intake_settings_idle_time || wait < intake_settings_idle_time;

	if (stays && !intake_shmem_give_place())
		return;
	if (intake_database_leave(next_look(wait)))
		proc_exit(0);
}

/* Milliseconds until this process is to look again, or to leave. */
static long
until_poll_or_leave(void)
{
	int64 left = worked_at + intake_settings_idle_time - intake_clock_ms();

	return left > 0 ? Min(left, intake_settings_poll_interval) : intake_settings_poll_interval;
}

/*
 * Has the jobs searched for from time to time, while executors are there, and when that is asked for.
 */
static void
poll(void)
{
	static int64 next = 0;
	int64 now = intake_clock_ms();

	if (!intake_database_take_look(now) && now < next)
		return;
	next = now + intake_settings_poll_interval;
	recovering.wanted = seeking.wanted = true;
	intake_tending_poll();
}

/*
 * Waits for calls, at most so many milliseconds. A lock that this process has waited for may have
 * taken the news that there are some, so it looks before it waits.
 */
static void
rest(long wait)
{
	intake_slot_self->idle = true;
	wait = Min(Min(wait, until_poll_or_leave()), Min(until_due(), until_look()));
	if (!intake_database_is_called())
		(void) intake_bgworker_wait(wait);
	intake_slot_self->idle = false;
}

extern PGDLLEXPORT void intake_supervisor_main(Datum arg);

void
intake_supervisor_main(Datum arg)
{
	IntakeStart start = intake_bgworker_started_with();

	intake_bgworker_begin();
	BackgroundWorkerInitializeConnectionByOid(start.database, InvalidOid, 0);
	if (!intake_slot_attach(&start))
		proc_exit(0);
	if (is_sent_away())
	{
		intake_slot_self->content = true;
		proc_exit(0);
	}
	/* What is the matter with one table must not keep the process from its other duties. */
	SetConfigOption("lock_timeout", LOCK_TIMEOUT_MS, PGC_USERSET, PGC_S_OVERRIDE);
	note_work();
	while (!intake_slot_self->stop)
	{
		uint32 calls = intake_database_take_calls();
		long wait;

		if (calls != 0)
			note_work();
		poll();
		wait = do_round(calls);
		pgstat_report_stat(true);
		pgstat_report_activity(STATE_IDLE, NULL);
		leave_if_idle(Min(wait, until_due()));
		rest(wait);
		(void) intake_bgworker_reload();
		CHECK_FOR_INTERRUPTS();
	}
	proc_exit(0);
}
