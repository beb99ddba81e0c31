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

#include "calls/backlog.h"
#include "calls/board.h"
#include "config/workflows.h"
#include "ground/bgworker.h"
#include "ground/clock.h"
#include "ground/database.h"
#include "ground/settings.h"
#include "ground/shmem.h"
#include "ground/slot.h"
#include "ground/txn.h"
#include "jobs/alone.h"
#include "jobs/argument.h"
#include "jobs/attempt.h"
#include "jobs/holder.h"
#include "jobs/pace.h"
#include "jobs/session.h"
#include "jobs/suspect.h"
#include "queue/lane.h"
#include "workers/make_way.h"
#include "workers/spare.h"

#define LIFETIME_JOBS 10000000 /* after which the process makes room for a new one */
#define BATCH_TIME 50000       /* microseconds of work that a batch should be */
#define SHARE 16    /* jobs of a lane in a batch, while others wait whose jobs are short */
#define SHIFT 200   /* milliseconds that a process has its place when others wait for one */
#define HALTED 1000 /* milliseconds until what keeps jobs from running is looked at again */

static IntakeHolder holder;
static int64 started_at;     /* by intake_clock_ms */
static int64 idle_since = 0; /* likewise; 0: it works */
static bool halted = false;  /* jobs cannot run now; they wait */

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

/* ---- batches ---- */

/* Begins a transaction; ends the process where the extension is gone. */
static void
begin(IntakeGate gate)
{
	if (intake_txn_begin(gate))
		return;
	intake_lane_forget(MyDatabaseId);
	intake_board_forget(MyDatabaseId);
	proc_exit(0);
}

/* The workflow whose jobs are to be claimed from the lane that was taken; NULL: none, here and now. */
static IntakeWorkflow *
find_workflow(const IntakeReading *reading)
{
	IntakeWorkflow *workflow = intake_workflows_get(intake_lane_workflow(reading->lane));
	Oid role = intake_workflow_role(workflow);
	bool mine = role == GetSessionUserId();

	if (mine && !halted && intake_backlog_room(workflow, reading->lane) > 0)
		return workflow;
	if (!mine && OidIsValid(role))
		intake_lane_tell(reading->lane, role, reading->start);
	else if (!mine && workflow != NULL && workflow->blocked)
		intake_database_call(INTAKE_CALL_TEND);
	intake_lane_put(mine && halted ? reading->start : PG_INT64_MAX, mine && halted);
	return NULL;
}

/* Whether the next lane may be claimed from, too, if TIME is left: its jobs are expected to be short. */
static bool
next_is_short(const IntakeReading *reading, int64 time)
{
	return reading->next != 0 && intake_pace_is_short(intake_workflows_get(reading->next), time);
}

/*
 * Claims a batch from the lane that was taken, and from those behind it, as long as all of it is
 * expected to take BATCH_TIME at most: so that many lanes with a job each cost what one with many
 * does. A lane that does not wait alone gives SHARE jobs, since those of many lanes run in the order
 * in which they came. Returns whether there are jobs.
 */
static bool
claim(IntakeReading *reading)
{
	int64 left = BATCH_TIME;
	bool more = true;

	begin(INTAKE_GATE_JOB);
	intake_workflows_refresh();
	halted = !intake_argument_type_fits();
	intake_holder_claim_begin(&holder);
	while (more)
	{
		IntakeWorkflow *workflow = find_workflow(reading);

		if (workflow != NULL)
		{
			int most = Min(intake_pace_batch(workflow, left),
						   intake_backlog_room(workflow, reading->lane));
			int jobs;

			if (next_is_short(reading, left))
				most = Min(most, Max(SHARE, workflow->jobs_per_transaction));
			jobs = intake_holder_claim(&holder, reading, most, workflow->jobs_per_transaction);
			intake_backlog_fill(workflow, reading->lane, jobs);
			/* What is not known may take all of it. */
			left -=
				intake_pace_expected(workflow) > 0 ? jobs * intake_pace_expected(workflow) : left;
		}
		more = !halted && !intake_holder_is_full(&holder) && next_is_short(reading, left) &&
			   intake_lane_take(reading);
	}
	intake_holder_claim_end(&holder);
	return holder.count > 0;
}

/* Whether the place of this process is to be another's, as far as its shift is concerned. */
static bool
is_shift_over(void)
{
	return intake_shmem_place_is_wanted() && intake_clock_ms() - started_at >= SHIFT;
}

/*
 * Whether the rest of a batch is to be given back, which has taken TIME already: for another lane
 * that no executor has time for, because of other lanes that it has, or for another crew.
 */
static bool
must_yield(int64 time)
{
	if (holder.next == 0 || holder.next == holder.count || time < BATCH_TIME)
		return false;
	return intake_holder_has_others(&holder) || intake_crew_any_waits() || is_shift_over();
}

/* Runs the next jobs of the batch that are of one workflow. Returns false where it may not. */
static bool
run_lane(int64 batch_start)
{
	int first = holder.next;
	int32 workflow_id = holder.jobs[first].workflow_id;
	int64 start = intake_clock_now();
	int64 now = start;
	bool able = true;

	while (able && holder.next < holder.count &&
		   holder.jobs[holder.next].workflow_id == workflow_id && !must_yield(now - batch_start))
	{
		CHECK_FOR_INTERRUPTS();
		if (intake_slot_self->stop)
			proc_exit(0);
		/* Processes notice this while they wait, which a busy executor never does. */
		if (!PostmasterIsAlive())
			proc_exit(1);
		reload();
		able = intake_attempt_run(&holder);
		now = intake_clock_now();
	}
	intake_pace_note(workflow_id, now - start, holder.next - first);
	return able;
}

/* Runs the claimed batch. What is left when the process is asked to stop is given back. */
static void
run_batch(void)
{
	int64 start = intake_clock_now();
	bool able = true;

	while (able && holder.next < holder.count && !must_yield(intake_clock_now() - start))
		able = run_lane(start);
	if (holder.next < holder.count)
		intake_holder_give_back(&holder);
}

/* Works at the first ready lane of the crew, and maybe others. Returns whether there was one. */
static bool
work(void)
{
	IntakeReading reading;

	if (!intake_lane_take(&reading))
		return false;
	if (claim(&reading))
		run_batch();
	pgstat_report_stat(false);
	return true;
}

/* ---- suspects ---- */

/* A workflow of this role that has a suspect, or 0. */
static int32
find_suspect_workflow(void)
{
	int32 found;

	begin(INTAKE_GATE_JOB);
	PushActiveSnapshot(GetTransactionSnapshot());
	intake_workflows_refresh();
	found = intake_argument_type_fits() ? intake_suspect_find(GetSessionUserId()) : 0;
	PopActiveSnapshot();
	CommitTransactionCommand();
	return found;
}

/*
 * Runs one suspect of this role, if there is one and it can run alone now. Its start is marked
 * durably before. Returns whether it ran.
 */
static bool
run_suspect(void)
{
	int32 workflow_id = intake_database_has_suspects() ? find_suspect_workflow() : 0;

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
		(void) intake_attempt_run(&holder);
	intake_alone_end();
	if (holder.next < holder.count)
		intake_holder_give_back(&holder);
	return true;
}

/* ---- rounds ---- */

/* From time to time, has the supervisor search for jobs that nobody has announced. */
static void
ask_for_search(void)
{
	static int64 next = 0;
	int64 now = intake_clock_ms();

	if (now < next)
		return;
	next = now + intake_settings_poll_interval;
	if (!intake_database_is_searched(now - intake_settings_poll_interval))
		intake_database_call(INTAKE_CALL_SEARCH);
}

/* One look at suspects and lanes. Returns whether there was anything to do. */
static bool
do_round(void)
{
	bool worked = false;

	while (!intake_slot_self->stop && run_suspect())
		worked = true;
	if (!intake_slot_self->stop && work())
		worked = true;
	if (worked)
		ask_for_search();
	return worked;
}

/* How long to wait for work, in milliseconds; 0: this process is to leave. */
static long
patience(void)
{
	int64 left;

	if (intake_alone_is_waiting())
		return intake_alone_wait(intake_settings_idle_time);
	if (intake_shmem_give_place())
		return 0;
	left = idle_since + intake_settings_idle_time - intake_clock_ms();
	return Max(left, 0);
}

/* Says that this process takes no more work, and ends it. */
static _Noreturn void
leave(void)
{
	intake_crew_leave();
	proc_exit(0);
}

/* Waits until a commit or the supervisor calls; leaves when nobody has for a while. */
static void
rest(void)
{
	long wait;

	if (idle_since == 0)
		idle_since = intake_clock_ms();
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	if (!intake_crew_rest())
		return;
	wait = patience();
	if (wait == 0)
		leave();
	if (!intake_slot_self->stop)
		(void) intake_bgworker_wait(wait);
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
		leave();
	intake_holder_open(&holder);
	CommitTransactionCommand();
}

/* One round, and what comes between it and the next. */
static void
go_on(void)
{
	if (do_round())
		idle_since = 0;
	else
		rest();
	if (halted)
		(void) intake_bgworker_wait(HALTED);
	reload();
	if (is_shift_over() && intake_shmem_give_place())
		leave();
	if (intake_slot_rank() >= intake_settings_executors)
		leave();
	CHECK_FOR_INTERRUPTS();
}

extern PGDLLEXPORT void intake_executor_main(Datum arg);

void
intake_executor_main(Datum arg)
{
	IntakeStart start = intake_bgworker_started_with();

	intake_bgworker_begin();
	if (!OidIsValid(start.database))
		intake_spare_wait(&start);
	started_at = intake_clock_ms();
	BackgroundWorkerInitializeConnectionByOid(start.database, start.role, 0);
	if (!intake_slot_attach(&start))
		proc_exit(0);
	intake_lane_open();
	stay_owner();
	intake_session_watch();
	apply_settings();
	take_lease();
	while (!intake_slot_self->stop && intake_slot_self->jobs < LIFETIME_JOBS)
		go_on();
	leave();
}
