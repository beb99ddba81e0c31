/*
 * executor.c
 *		A process that claims and runs the jobs of one role's workflows in one database.
 *
 * It is connected as that role. A round claims a batch from each lane that has work, commits
 * the claim durably, and then runs each job of the batch in a transaction of its own, or
 * several in one where their workflow says so. A job's transaction may commit without waiting
 * for the disk: after a crash its effects and its completion are either both there or both not.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

#include "ground/bgworker.h"
#include "ground/clock.h"
#include "ground/settings.h"
#include "ground/shmem.h"
#include "ground/slot.h"
#include "ground/txn.h"
#include "jobs/alone.h"
#include "jobs/argument.h"
#include "jobs/attempt.h"
#include "jobs/holder.h"
#include "jobs/served.h"
#include "jobs/session.h"
#include "workers/make_way.h"

#define LIFETIME_JOBS 10000000 /* after which the process makes room for a new one */

static IntakeHolder holder;
static IntakeServed served;
static bool halted = false; /* jobs cannot run now; they wait */

/* ---- settings ---- */

static void
apply_settings(void)
{
	SetConfigOption("synchronous_commit", intake_settings_job_synchronous_commit ? "on" : "off",
					PGC_USERSET, PGC_S_OVERRIDE);
	intake_session_keep_lock_timeout();
}

/* Between jobs: reads the configuration file again if that was asked for. */
static void
reload(void)
{
	intake_session_enter_handler();
	if (intake_bgworker_reload())
		apply_settings();
	intake_session_leave_handler();
}

/* ---- rounds ---- */

/* Begins a transaction; ends the process where the extension is gone. */
static void
begin(IntakeGate gate)
{
	if (!intake_txn_begin(gate))
		proc_exit(0);
}

/* Claims a batch from a lane. Returns whether there is one. */
static bool
claim(const IntakeServedLane *entry)
{
	begin(INTAKE_GATE_JOB);
	/* A round may take long. */
	if (intake_served_is_old(&served))
	{
		CommitTransactionCommand();
		return false;
	}
	return intake_holder_claim(&holder, entry->lane, entry->workflow_id,
							   intake_served_batch(entry)) > 0;
}

/* Runs the claimed batch. What is left when the process is asked to stop is given back. */
static void
run_batch(IntakeServedLane *entry)
{
	int64 start = intake_clock_now();

	while (holder.next < holder.count)
	{
		CHECK_FOR_INTERRUPTS();
		if (intake_slot_self->stop)
			proc_exit(0);
		/* Processes notice this while they wait, which a busy executor never does. */
		if (!PostmasterIsAlive())
			proc_exit(1);
		reload();
		intake_attempt_run(&holder);
	}
	intake_served_note(entry, intake_clock_now() - start, holder.count);
}

/* A workflow served here that has a suspect, or 0. */
static int32
find_suspect_workflow(void)
{
	int32 found;

	begin(INTAKE_GATE_JOB);
	PushActiveSnapshot(GetTransactionSnapshot());
	found = intake_served_find_suspect(&served);
	PopActiveSnapshot();
	CommitTransactionCommand();
	return found;
}

/*
 * Runs one suspect of the workflows served here, if there is one and it can run alone now. Its
 * start is marked durably before. Returns whether it ran.
 */
static bool
run_suspect(void)
{
	int32 workflow_id = find_suspect_workflow();

	if (workflow_id == 0)
	{
		intake_alone_forget();
		return false;
	}
	begin(INTAKE_GATE_LOOK);
	if (!intake_alone_begin())
	{
		CommitTransactionCommand();
		return false;
	}
	if (intake_holder_claim_suspect(&holder, workflow_id) > 0)
		intake_attempt_run(&holder);
	intake_alone_end();
	return true;
}

/* Looks at what the round depends on. */
static void
begin_round(void)
{
	begin(INTAKE_GATE_JOB);
	if (intake_served_is_old(&served))
		intake_served_refresh(&served);
	halted = !intake_argument_type_fits();
	CommitTransactionCommand();
	if (served.count == 0)
		proc_exit(0);
}

/* One look at every lane. Returns whether there was anything to do. */
static bool
do_round(void)
{
	bool worked = false;

	begin_round();
	if (halted)
		return false;
	while (!intake_slot_self->stop && run_suspect())
		worked = true;
	for (int i = 0; i < served.count && !intake_slot_self->stop; i++)
	{
		if (!intake_lane_ready(served.lanes[i].lane))
			continue;
		worked = true;
		if (claim(&served.lanes[i]))
			run_batch(&served.lanes[i]);
	}
	pgstat_report_stat(false);
	return worked;
}

static bool
any_ready(void)
{
	return !halted && intake_served_any_ready(&served);
}

/*
 * Waits until a commit, the supervisor or the clock calls. NEWS is what was known before the
 * round that found nothing to do.
 */
static void
rest(uint64 news)
{
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	intake_slot_self->idle = true;
	pg_memory_barrier();
	if (!any_ready() && !intake_slot_self->stop && news == intake_shmem_news())
	{
		if (!intake_bgworker_wait(intake_alone_wait(intake_settings_poll_interval)))
			intake_lane_poll();
	}
	intake_slot_self->idle = false;
}

/* Jobs run as the workflow's owner, even if ALTER ROLE ... SET role makes sessions another role. */
static void
stay_owner(void)
{
	SetConfigOption("role", "none", PGC_USERSET, PGC_S_OVERRIDE);
}

static void
take_lease(void)
{
	begin(INTAKE_GATE_JOB);
	/* A command may have asked for the database before it could see this process. */
	if (intake_make_way_is_wanted(MyDatabaseId))
		proc_exit(0);
	intake_holder_open(&holder);
	CommitTransactionCommand();
}

extern PGDLLEXPORT void intake_executor_main(Datum arg);

void
intake_executor_main(Datum arg)
{
	Oid owner;

	memcpy(&owner, MyBgworkerEntry->bgw_extra, sizeof(owner));
	intake_bgworker_begin();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg), owner, 0);
	if (!intake_slot_attach(INTAKE_EXECUTOR, owner, intake_settings_executors))
		proc_exit(0);
	stay_owner();
	intake_session_watch();
	apply_settings();
	take_lease();
	while (!intake_slot_self->stop && intake_slot_self->jobs < LIFETIME_JOBS)
	{
		uint64 news = intake_shmem_news();

		if (!do_round())
			rest(news);
		reload();
		if (intake_slot_rank() >= intake_settings_executors)
			proc_exit(0);
		CHECK_FOR_INTERRUPTS();
	}
	proc_exit(0);
}
