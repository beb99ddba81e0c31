/*
 * supervisor.c
 *		One process per database that has the extension: recovers after a crash, moves delayed
 *		jobs to their lanes when they are due, makes partitions ahead of need, and keeps the
 *		executors running.
 *
 * It runs only statements of the extension, and no code of anybody else.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "commands/sequence.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "config.h"
#include "ddl.h"
#include "intake.h"
#include "lane.h"
#include "owner.h"
#include "registry.h"
#include "room.h"
#include "shmem.h"
#include "suspect.h"
#include "table.h"
#include "txn.h"
#include "worker.h"

#define MOST_DUE 1000 /* delayed jobs moved in one transaction */

/* The executors of one role. */
typedef struct Role
{
	Oid oid;                /* hash key */
	bool wanted;            /* owns an active workflow */
	IntakeChild *executors; /* n_executors of them */
	int n_executors;
} Role;

static HTAB *
make_roles(void)
{
	HASHCTL control = {0};

	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(Role);
	control.hcxt = TopMemoryContext;
	return hash_create("pg_intake roles", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* ---- executors ---- */

static void
note_wanted(HTAB *roles)
{
	HASH_SEQ_STATUS status;
	Role *role;
	ListCell *cell;
	bool found;

	hash_seq_init(&status, roles);
	while ((role = hash_seq_search(&status)) != NULL)
		role->wanted = false;
	foreach (cell, intake_registry_workflows())
	{
		IntakeWorkflow *workflow = lfirst(cell);

		if (!workflow->active || !OidIsValid(workflow->owner))
			continue;
		role = hash_search(roles, &workflow->owner, HASH_ENTER, &found);
		if (!found)
		{
			role->executors = NULL;
			role->n_executors = 0;
		}
		role->wanted = true;
	}
}

static void
resize(Role *role, int count)
{
	if (role->n_executors >= count)
		return;
	role->executors = role->executors == NULL
						  ? MemoryContextAlloc(TopMemoryContext, count * sizeof(IntakeChild))
						  : repalloc(role->executors, count * sizeof(IntakeChild));
	memset(role->executors + role->n_executors, 0,
		   (count - role->n_executors) * sizeof(IntakeChild));
	role->n_executors = count;
}

/* The configuration has changed, which may be why executors did not live long. */
static void
forgive(HTAB *roles)
{
	HASH_SEQ_STATUS status;
	Role *role;

	hash_seq_init(&status, roles);
	while ((role = hash_seq_search(&status)) != NULL)
		for (int i = 0; i < role->n_executors; i++)
			intake_worker_forgive(&role->executors[i]);
}

/*
 * Keeps as many executors of a role running as there are to be. Those that an earlier supervisor
 * has started count. Returns how long to wait, in milliseconds.
 */
static long
keep_role(Role *role)
{
	int living = intake_shmem_count(INTAKE_EXECUTOR, MyDatabaseId, role->oid);
	long wait = INTAKE_NO_WAIT;

	resize(role, intake_config_executors);
	for (int i = 0; i < role->n_executors; i++)
	{
		IntakeChild *child = &role->executors[i];

		if (!role->wanted || i >= intake_config_executors || living >= intake_config_executors)
			intake_worker_spare(child);
		else
			wait = Min(wait, intake_worker_keep(child, INTAKE_EXECUTOR, MyDatabaseId, role->oid));
	}
	return wait;
}

/*
 * Keeps the executors of every role running that owns an active workflow. Returns how long to
 * wait, in milliseconds, before that is to be done again.
 */
static long
keep_executors(HTAB *roles)
{
	HASH_SEQ_STATUS status;
	Role *role;
	long wait = INTAKE_NO_WAIT;

	note_wanted(roles);
	hash_seq_init(&status, roles);
	while ((role = hash_seq_search(&status)) != NULL)
		wait = Min(wait, keep_role(role));
	return wait;
}

/* ---- delayed jobs ---- */

/*
 * Moves up to MOST_DUE delayed jobs whose time has come to their lanes. Returns when the next
 * one is due, or DT_NOEND.
 */
static TimestampTz
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
	return next;
}

/* ---- partitions ---- */

/* The last value that a sequence gave out, or -1 when it gave none. */
static int64
last_value(const char *sequence)
{
	LOCAL_FCINFO(fcinfo, 1);
	Datum value;

	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = ObjectIdGetDatum(intake_table_oid(sequence));
	fcinfo->args[0].isnull = false;
	value = pg_sequence_last_value(fcinfo);
	return fcinfo->isnull ? -1 : DatumGetInt64(value);
}

/*
 * Makes the partition behind the current one, once half of that is full. In a database that
 * is being restored the sequences are set when all tables of the dump are there; before that
 * nothing is made that the dump makes itself.
 */
static void
make_partitions(void)
{
	static const char *const tables[][2] = {{"event", "event_id_seq"}, {"done", "job_id_seq"}};

	for (int i = 0; i < lengthof(tables); i++)
	{
		int64 last = last_value(tables[i][1]);

		if (last >= 0)
			(void) intake_table_partition(tables[i][0], last + INTAKE_PARTITION_ROWS / 2);
	}
}

/* ---- rounds ---- */

/*
 * Begins a round's transaction. Ends the process when the extension is not there. The launcher is
 * told so first, and it is looked at again then: CREATE EXTENSION tells the launcher when it
 * commits.
 */
static void
begin(void)
{
	if (!intake_txn_begin(AccessShareLock))
	{
		intake_shmem_tell_launcher(MyDatabaseId, true);
		if (!intake_txn_begin(AccessShareLock))
			proc_exit(0);
		intake_shmem_tell_launcher(MyDatabaseId, false);
	}
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
end(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/*
 * Jobs without a holder are looked for at the start, and whenever an executor has ended: one
 * that could not give back what it held leaves rows in running.
 */
static void
recover(void)
{
	static int known = -1; /* executors at the last look */
	int living = intake_shmem_count(INTAKE_EXECUTOR, MyDatabaseId, InvalidOid);

	if (known >= 0 && living >= known)
	{
		known = living;
		return;
	}
	known = living;
	begin();
	intake_suspect_recover();
	end();
	intake_lane_rewind_all(false);
}

/* One round. Returns how long to wait, in milliseconds. */
static long
do_round(HTAB *roles)
{
	static uint64 known = 0; /* version of the workflows */
	TimestampTz next;
	long wait;

	recover();
	begin();
	next = move_due_jobs();
	make_partitions();
	intake_registry_refresh_workflows();
	end();
	if (known != intake_registry_version())
	{
		/* Executors do not wait on the configuration; a new workflow has no lane yet. */
		known = intake_registry_version();
		forgive(roles);
		intake_shmem_wake_executors(MyDatabaseId);
	}
	wait = Min(keep_executors(roles), intake_config_poll_interval);
	if (next != DT_NOEND)
		wait = Min(wait, TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next) + 1);
	return wait;
}

/* A command may have asked for the database before it could see this process. */
static bool
is_sent_away(void)
{
	bool away;

	StartTransactionCommand();
	away = intake_ddl_wants_away(MyDatabaseId);
	CommitTransactionCommand();
	return away;
}

void
intake_supervisor_main(Datum arg)
{
	HTAB *roles;
	TimestampTz polled_at = 0;

	intake_worker_begin();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg), InvalidOid, 0);
	if (!intake_shmem_attach(INTAKE_SUPERVISOR, InvalidOid, 1))
		proc_exit(0);
	if (is_sent_away())
		proc_exit(0);
	roles = make_roles();
	while (!intake_shmem_self->stop)
	{
		uint64 news = intake_shmem_news();
		long wait = do_round(roles);

		MemoryContextSwitchTo(TopMemoryContext);
		pgstat_report_stat(true);
		if (TimestampDifferenceExceeds(polled_at, GetCurrentTimestamp(),
									   intake_config_poll_interval))
		{
			polled_at = GetCurrentTimestamp();
			intake_lane_rewind_all(true);
		}
		pgstat_report_activity(STATE_IDLE, NULL);
		if (news == intake_shmem_news())
			intake_worker_wait(wait);
	}
	proc_exit(0);
}
