/*
 * bgworker.c
 *		What all kinds of worker have in common as background workers.
 *
 * Signals do what the server's own do: SIGTERM ends the process at the next chance (die), SIGHUP
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

/* NAME is of the process; the server's views show what it is, or is to become. */
static void
describe(BackgroundWorker *worker, IntakeWorkerKind kind, const char *name)
{
	const IntakeWorkerTraits *traits = &intake_slot_kinds[kind];

	memset(worker, 0, sizeof(*worker));
	snprintf(worker->bgw_name, BGW_MAXLEN, "pg_intake %s", name);
	snprintf(worker->bgw_type, BGW_MAXLEN, "pg_intake %s", traits->name);
	snprintf(worker->bgw_library_name, BGW_MAXLEN, "pg_intake");
	snprintf(worker->bgw_function_name, BGW_MAXLEN, "%s", traits->main);
	worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker->bgw_restart_time = BGW_NEVER_RESTART;
}

/* Registers the launcher, which the postmaster keeps running. To be called from _PG_init. */
void
intake_bgworker_register_launcher(void)
{
	BackgroundWorker worker;

	describe(&worker, INTAKE_LAUNCHER, "launcher");
	worker.bgw_restart_time = 5;
	RegisterBackgroundWorker(&worker);
}

/*
 * Has the postmaster start a worker, with what it is to be started with. Returns NULL when the server
 * has no place for another process.
 */
BackgroundWorkerHandle *
intake_bgworker_start(IntakeWorkerKind kind, const IntakeStart *start)
{
	const char *name = OidIsValid(start->database) ? intake_slot_kinds[kind].name : "spare";
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle = NULL;

	describe(&worker, kind, name);
	memcpy(worker.bgw_extra, start, sizeof(*start));
	worker.bgw_notify_pid = MyProcPid;
	return RegisterDynamicBackgroundWorker(&worker, &handle) ? handle : NULL;
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

/* What this process was started with. */
IntakeStart
intake_bgworker_started_with(void)
{
	IntakeStart start;

	memcpy(&start, MyBgworkerEntry->bgw_extra, sizeof(start));
	return start;
}

/* Somebody ends this process. A handler of a job that goes on too long does that otherwise. */
static void
terminate(SIGNAL_ARGS)
{
	if (intake_slot_self != NULL)
		intake_slot_self->terminated = true;
	die(postgres_signal_arg);
}

/* Sets up a worker; to be called first, before it connects, which takes a transaction. */
void
intake_bgworker_begin(void)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, terminate);
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
 * Waits for the latch, at most MILLISECONDS, or INTAKE_FOREVER. Returns whether the latch was set.
 */
bool
intake_bgworker_wait(long milliseconds)
{
	int timeout = milliseconds == INTAKE_FOREVER ? 0 : WL_TIMEOUT;
	int event = WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | timeout, milliseconds,
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
