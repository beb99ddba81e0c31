/*
 * bgworker.c
 *		What all kinds of worker have in common as background workers.
 *
 * Signals are the server's own: SIGTERM ends the process at the next chance (die), SIGHUP
 * asks for the configuration file, SIGUSR1 stays the server's.
 */
#include "postgres.h"

#include <unistd.h>

#include "access/xact.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/pidfile.h"
#include "utils/wait_event.h"

#include "ground/bgworker.h"
#include "ground/clock.h"

#define FIRST_BACKOFF 100 /* milliseconds */
#define LAST_BACKOFF 60000
#define LONG_LIFE 60000 /* a worker that lived this long starts anew at once */

static void
describe(BackgroundWorker *worker, IntakeWorkerKind kind, Oid database, Oid owner)
{
	const IntakeWorkerTraits *traits = &intake_slot_kinds[kind];

	memset(worker, 0, sizeof(*worker));
	snprintf(worker->bgw_name, BGW_MAXLEN, "pg_intake %s", traits->name);
	snprintf(worker->bgw_type, BGW_MAXLEN, "pg_intake %s", traits->name);
	snprintf(worker->bgw_library_name, BGW_MAXLEN, "pg_intake");
	snprintf(worker->bgw_function_name, BGW_MAXLEN, "%s", traits->main);
	worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker->bgw_restart_time = BGW_NEVER_RESTART;
	worker->bgw_main_arg = ObjectIdGetDatum(database);
	memcpy(worker->bgw_extra, &owner, sizeof(owner));
}

/* Registers the launcher, which the postmaster keeps running. To be called from _PG_init. */
void
intake_bgworker_register_launcher(void)
{
	BackgroundWorker worker;

	describe(&worker, INTAKE_LAUNCHER, InvalidOid, InvalidOid);
	worker.bgw_restart_time = 5;
	RegisterBackgroundWorker(&worker);
}

/* ---- keeping workers running ---- */

/* How long there has been no place for a worker: the same for all that this process keeps. */
static struct
{
	bool full;
	int64 next_try;
	int backoff;
} places;

/* The backoff after BACKOFF, in milliseconds. */
static int
longer(int backoff)
{
	return Min(Max(backoff * 2, FIRST_BACKOFF), LAST_BACKOFF);
}

/* There is no place for a worker. That is said once until there is one again. */
static void
note_full(const char *setting)
{
	if (!places.full)
		ereport(WARNING, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
						  errmsg("pg_intake could not start a background worker"),
						  errhint("Raise %s.", setting)));
	places.full = true;
	places.backoff = longer(places.backoff);
	places.next_try = intake_clock_ms() + places.backoff;
}

static bool
start(IntakeChild *child, IntakeWorkerKind kind, Oid database, Oid owner)
{
	BackgroundWorker worker;

	if (intake_clock_ms() < places.next_try)
		return false;
	if (!intake_slot_is_free())
	{
		note_full("pg_intake.max_workers");
		return false;
	}
	describe(&worker, kind, database, owner);
	worker.bgw_notify_pid = MyProcPid;
	if (!RegisterDynamicBackgroundWorker(&worker, &child->handle))
	{
		child->handle = NULL;
		note_full("max_worker_processes");
		return false;
	}
	memset(&places, 0, sizeof(places));
	child->started_at = intake_clock_ms();
	return true;
}

/* Whether the worker of CHILD has ended since it was last looked at; there is a place then. */
static bool
has_ended(IntakeChild *child)
{
	pid_t pid;

	if (child->handle == NULL || GetBackgroundWorkerPid(child->handle, &pid) != BGWH_STOPPED)
		return false;
	pfree(child->handle);
	child->handle = NULL;
	places.next_try = 0;
	return true;
}

/*
 * Makes sure that the worker of CHILD runs. One that ended is started again after a delay, which
 * doubles while its lives are short, however it ended. Returns how many milliseconds to wait
 * before this is called again, INTAKE_NO_WAIT when it is running or starting.
 */
long
intake_bgworker_keep(IntakeChild *child, IntakeWorkerKind kind, Oid database, Oid owner)
{
	int64 now = intake_clock_ms();

	if (has_ended(child))
	{
		if (now - child->started_at >= LONG_LIFE)
			child->backoff = 0;
		child->next_start = now + child->backoff;
		child->backoff = longer(child->backoff);
	}
	if (child->handle == NULL && now >= child->next_start && !start(child, kind, database, owner))
		return Max(places.next_try - now, 1);
	return child->handle != NULL ? INTAKE_NO_WAIT : child->next_start - now;
}

/* CHILD has nothing to do: that it has ended counts neither for nor against it. */
void
intake_bgworker_spare(IntakeChild *child)
{
	(void) has_ended(child);
}

/* Something has changed that may have kept CHILD from living long: it starts anew at once. */
void
intake_bgworker_forgive(IntakeChild *child)
{
	child->backoff = 0;
	child->next_start = 0;
}

/* CHILD is of no interest any more. */
void
intake_bgworker_forget(IntakeChild *child)
{
	if (child->handle != NULL)
		pfree(child->handle);
	memset(child, 0, sizeof(IntakeChild));
}

/* ---- being a worker ---- */

/*
 * Overrides settings of the server, the role or the database with which our own transactions would
 * not work. Only a SET changes them later.
 */
static void
apply_settings(void)
{
	SetConfigOption("default_transaction_isolation", "read committed", PGC_USERSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "off", PGC_USERSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_deferrable", "off", PGC_USERSET, PGC_S_OVERRIDE);
	/* It would end the process. PostgreSQL has it from 17 on. */
	if (GetConfigOption("transaction_timeout", true, false) != NULL)
		SetConfigOption("transaction_timeout", "0", PGC_USERSET, PGC_S_OVERRIDE);
}

/* Sets up a worker; to be called first, before it connects, which takes a transaction. */
void
intake_bgworker_begin(void)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	pqsignal(SIGINT, StatementCancelHandler);
	BackgroundWorkerUnblockSignals();
	apply_settings();
}

/*
 * Reads the configuration file again if that was asked for. Returns whether it was. To be called
 * outside of a transaction: by a process that waits, and between jobs by one that never does.
 */
bool
intake_bgworker_reload(void)
{
	if (!ConfigReloadPending)
		return false;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	return true;
}

/*
 * Waits for the latch, at most MILLISECONDS. Returns whether the latch was set.
 */
bool
intake_bgworker_wait(long milliseconds)
{
	int event = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, milliseconds,
						  PG_WAIT_EXTENSION);

	ResetLatch(MyLatch);
	/* A cancel that found nothing to cancel must not hit what comes next. */
	QueryCancelPending = false;
	CHECK_FOR_INTERRUPTS();
	return (event & WL_LATCH_SET) != 0;
}

/*
 * Whether the server is shutting down in an orderly way: the postmaster writes that into its
 * lock file before it signals anybody.
 */
bool
intake_bgworker_server_stopping(void)
{
	char line[MAXPGPATH];
	bool stopping = false;
	FILE *file = fopen(psprintf("%s/postmaster.pid", DataDir), "r");

	if (file == NULL)
		return false;
	for (int i = 1; i <= LOCK_FILE_LINE_PM_STATUS && fgets(line, sizeof(line), file); i++)
		stopping = i == LOCK_FILE_LINE_PM_STATUS && strncmp(line, "stopping", 8) == 0;
	fclose(file);
	return stopping;
}
