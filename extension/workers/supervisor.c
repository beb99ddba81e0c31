/*
 * supervisor.c
 *		One process per database that has the extension: recovers after a crash, moves delayed
 *		jobs to their lanes when they are due, makes partitions ahead of need, and keeps the
 *		executors running.
 *
 * It runs only statements of the extension, and no code of anybody else. Each of its duties has
 * a transaction of its own, and when one fails, the others go on (duty.c).
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "config/workflows.h"
#include "ground/bgworker.h"
#include "ground/clock.h"
#include "ground/intake.h"
#include "ground/owner.h"
#include "ground/partition.h"
#include "ground/settings.h"
#include "ground/shmem.h"
#include "ground/slot.h"
#include "ground/table.h"
#include "jobs/failure.h"
#include "jobs/suspect.h"
#include "queue/lane.h"
#include "queue/room.h"
#include "workers/duty.h"
#include "workers/make_way.h"
#include "workers/tending.h"

#define MOST_DUE 1000            /* delayed jobs moved in one transaction */
#define LOCK_TIMEOUT_MS "1000ms" /* for which a duty waits for a lock */
#define LOOK_SHARE 50            /* looking for lost jobs takes one part in so many of the time */

/* The workers of one kind that serve one role. */
typedef struct Crew
{
	struct
	{
		Oid role;
		IntakeWorkerKind kind;
	} key;
	bool wanted;          /* the role owns an active workflow that they serve */
	IntakeChild *workers; /* n_workers of them */
	int n_workers;
} Crew;

static HTAB *crews;
static TimestampTz next_due = DT_NOEND;

static void
make_crews(void)
{
	HASHCTL control = {0};

	control.keysize = sizeof(((Crew *) NULL)->key);
	control.entrysize = sizeof(Crew);
	control.hcxt = TopMemoryContext;
	crews = hash_create("pg_intake crews", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* ---- crews ---- */

static void
want(const IntakeWorkflow *workflow)
{
	Crew wanted = {{workflow->owner, workflow->served_by}};
	bool found;
	Crew *crew = hash_search(crews, &wanted.key, HASH_ENTER, &found);

	if (!found)
	{
		crew->workers = NULL;
		crew->n_workers = 0;
	}
	crew->wanted = true;
}

static void
note_wanted(void)
{
	HASH_SEQ_STATUS status;
	Crew *crew;
	ListCell *cell;

	hash_seq_init(&status, crews);
	while ((crew = hash_seq_search(&status)) != NULL)
		crew->wanted = false;
	foreach (cell, intake_workflows_all())
	{
		IntakeWorkflow *workflow = lfirst(cell);

		if (workflow->active && OidIsValid(workflow->owner))
			want(workflow);
	}
}

static void
resize(Crew *crew, int count)
{
	if (crew->n_workers >= count)
		return;
	crew->workers = crew->workers == NULL
						? MemoryContextAlloc(TopMemoryContext, count * sizeof(IntakeChild))
						: repalloc(crew->workers, count * sizeof(IntakeChild));
	memset(crew->workers + crew->n_workers, 0, (count - crew->n_workers) * sizeof(IntakeChild));
	crew->n_workers = count;
}

/* The configuration has changed, which may be why workers did not live long. */
static void
forgive(void)
{
	HASH_SEQ_STATUS status;
	Crew *crew;

	hash_seq_init(&status, crews);
	while ((crew = hash_seq_search(&status)) != NULL)
		for (int i = 0; i < crew->n_workers; i++)
			intake_bgworker_forgive(&crew->workers[i]);
}

/*
 * Keeps as many workers of a crew running as there are to be. Those that an earlier supervisor
 * has started count. Returns how long to wait, in milliseconds.
 */
static long
keep_crew(Crew *crew)
{
	int most = *intake_slot_kinds[crew->key.kind].per_role;
	int living = intake_slot_count(crew->key.kind, MyDatabaseId, crew->key.role);
	long wait = INTAKE_NO_WAIT;

	resize(crew, most);
	for (int i = 0; i < crew->n_workers; i++)
	{
		IntakeChild *child = &crew->workers[i];

		if (!crew->wanted || i >= most || living >= most)
			intake_bgworker_spare(child);
		else
			wait = Min(wait,
					   intake_bgworker_keep(child, crew->key.kind, MyDatabaseId, crew->key.role));
	}
	return wait;
}

/*
 * Keeps the crews running of every role that owns an active workflow. Returns how long to wait, in
 * milliseconds, before that is to be done again.
 */
static long
keep_crews(void)
{
	HASH_SEQ_STATUS status;
	Crew *crew;
	long wait = INTAKE_NO_WAIT;

	hash_seq_init(&status, crews);
	while ((crew = hash_seq_search(&status)) != NULL)
		wait = Min(wait, keep_crew(crew));
	return wait;
}

/* ---- delayed jobs ---- */

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
	TimestampTz next = DT_NOEND;
	int moved = 0;

	ScanKeyInit(&key, 1, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE,
				TimestampTzGetDatum(DT_NOBEGIN));
	intake_table_open(&delayed, intake_table_oid("delayed"));
	intake_table_open(&queue, intake_table_oid("queue"));
	intake_table_scan_begin(&scan, intake_table_oid("delayed"), "delayed_run_at", &key, 1);
	while (next == DT_NOEND && intake_table_scan_next(&scan))
	{
		Datum *row = scan.slot->tts_values;
		TimestampTz run_at = DatumGetTimestampTz(INTAKE_COLUMN(row, delayed_run_at));

		if (run_at > now || moved == MOST_DUE)
			next = run_at;
		else if (intake_table_delete(&delayed, &scan.slot->tts_tid))
		{
			intake_room_enqueue(&queue, DatumGetInt32(INTAKE_COLUMN(row, delayed_workflow_id)),
								DatumGetInt64(INTAKE_COLUMN(row, delayed_job_id)),
								DatumGetInt64(INTAKE_COLUMN(row, delayed_event_id)),
								DatumGetInt32(INTAKE_COLUMN(row, delayed_attempts)));
			moved++;
		}
	}
	intake_table_scan_end(&scan);
	intake_table_close(&queue);
	intake_table_close(&delayed);
	next_due = next;
}

/*
 * Milliseconds until the next delayed job is due. That is a time of day, and somebody may set the
 * clock, so the answer is bounded, and the caller asks again.
 */
static long
until_due(void)
{
	if (next_due == DT_NOEND)
		return INTAKE_NO_WAIT;
	return Min(TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next_due) + 1,
			   INTAKE_NO_WAIT);
}

/* ---- rounds ---- */

/* Reads the workflows. When that fails, the executors of those known so far are kept running. */
static void
read_workflows(void)
{
	static uint64 known = 0;

	intake_workflows_refresh();
	if (known == intake_workflows_version())
		return;
	known = intake_workflows_version();
	note_wanted();
	forgive();
	/*
	 * No commit wakes executors when the configuration changes, and a new workflow has no lane yet.
	 */
	intake_slot_wake_all(MyDatabaseId);
}

static IntakeDuty tending = {
	.name = "look after the workflows", .run = intake_tending_do, .due = intake_tending_due};
static IntakeDuty recovery = {.name = "recover jobs", .run = intake_suspect_recover};

static IntakeDuty duties[] = {
	{.name = "move delayed jobs", .run = move_due_jobs, .due = until_due},
	{.name = "make partitions of events",
	 .run = intake_partition_keep_event,
	 .wanted = intake_partition_event_wanted},
	{.name = "make partitions of jobs",
	 .run = intake_partition_keep_done,
	 .wanted = intake_partition_done_wanted},
	{.name = "read the workflows", .run = read_workflows},
};

/*
 * Looks for jobs without a holder: at the start; when a worker has ended, since it may have left
 * rows behind; and each poll interval, whatever the cause may be. That last look takes a share of
 * the time only, because an old snapshot may keep millions of dead rows to read over.
 */
static long
recover(void)
{
	static uint64 known = PG_UINT64_MAX; /* departures before the last look */
	static int64 looked_at = 0;          /* by intake_clock_now */
	static int64 took = 0;
	uint64 departures = intake_shmem_departures();
	int64 now = intake_clock_now();
	long wait;

	if (departures == known &&
		now - looked_at < Max(intake_settings_poll_interval * INT64CONST(1000), took * LOOK_SHARE))
		return INTAKE_NO_WAIT;
	wait = intake_duty_run(&recovery);
	intake_failure_notify();
	if (wait != INTAKE_NO_WAIT)
		return wait;
	if (departures != known)
		intake_lane_rewind_all(false);
	known = departures;
	looked_at = now;
	took = intake_clock_now() - now;
	return INTAKE_NO_WAIT;
}

/* Looks after the workflows when that is due. Returns milliseconds until it is due again. */
static long
tend(void)
{
	long wait = intake_tending_due();

	return wait > 0 ? wait : intake_duty_run(&tending);
}

/* One round. Returns how long to wait, in milliseconds. */
static long
do_round(void)
{
	long wait = Min(recover(), intake_settings_poll_interval);

	for (int i = 0; i < lengthof(duties); i++)
		wait = Min(wait, intake_duty_run(&duties[i]));
	wait = Min(wait, keep_crews());
	return Min(wait, tend());
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

extern PGDLLEXPORT void intake_supervisor_main(Datum arg);

void
intake_supervisor_main(Datum arg)
{
	int64 polled_at = intake_clock_ms();

	intake_bgworker_begin();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg), InvalidOid, 0);
	if (!intake_slot_attach(INTAKE_SUPERVISOR, InvalidOid, 1))
		proc_exit(0);
	if (is_sent_away())
		proc_exit(0);
	/* What is the matter with one table must not keep the process from its other duties. */
	SetConfigOption("lock_timeout", LOCK_TIMEOUT_MS, PGC_USERSET, PGC_S_OVERRIDE);
	make_crews();
	while (!intake_slot_self->stop)
	{
		uint64 news = intake_shmem_news();
		long wait = do_round();

		pgstat_report_stat(true);
		if (intake_clock_ms() - polled_at >= intake_settings_poll_interval)
		{
			polled_at = intake_clock_ms();
			intake_lane_rewind_all(true);
		}
		pgstat_report_activity(STATE_IDLE, NULL);
		if (news == intake_shmem_news())
			intake_bgworker_wait(wait);
		(void) intake_bgworker_reload();
		CHECK_FOR_INTERRUPTS();
	}
	proc_exit(0);
}
