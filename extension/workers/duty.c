/*
 * duty.c
 *		What a process does again and again, each duty apart from the others.
 *
 * A duty runs in a transaction of its own. When it fails, the others go on, and it is tried
 * again later and later. What ends the process is not held up: a termination is FATAL, and does
 * not come by here.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"

#include "ground/bgworker.h"
#include "ground/clock.h"
#include "ground/slot.h"
#include "ground/txn.h"
#include "workers/duty.h"

#define FIRST_BACKOFF 1000 /* milliseconds */
#define LAST_BACKOFF 60000

/* Begins a transaction. Ends the process, and says why, when the extension is not there. */
static void
begin(void)
{
	if (!intake_txn_begin(INTAKE_GATE_LOOK))
	{
		intake_slot_self->absent = intake_slot_self->content = true;
		proc_exit(0);
	}
	PushActiveSnapshot(GetTransactionSnapshot());
}

/* Says what went wrong: once, until it works or something else goes wrong. */
static void
report(IntakeDuty *duty, const ErrorData *error)
{
	if (duty->failed == error->sqlerrcode)
		return;
	duty->failed = error->sqlerrcode;
	ereport(WARNING, (errcode(error->sqlerrcode),
					  errmsg("pg_intake could not %s: %s", duty->name, error->message),
					  error->detail ? errdetail_internal("%s", error->detail) : 0,
					  error->context ? errcontext_msg("%s", error->context) : 0,
					  errhint("It is tried again, later and later. Other work goes on.")));
}

static void
note_failure(IntakeDuty *duty)
{
	ErrorData *error;

	HOLD_INTERRUPTS();
	disable_all_timeouts(false);
	QueryCancelPending = false;
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(TopMemoryContext);
	error = CopyErrorData();
	FlushErrorState();
	report(duty, error);
	FreeErrorData(error);
	duty->backoff = Min(Max(duty->backoff * 2, FIRST_BACKOFF), LAST_BACKOFF);
	duty->next_try = intake_clock_ms() + duty->backoff;
	RESUME_INTERRUPTS();
}

static void
note_success(IntakeDuty *duty)
{
	if (duty->failed != 0)
		ereport(LOG, (errmsg("pg_intake can %s again", duty->name)));
	duty->failed = duty->backoff = 0;
}

/*
 * Runs a duty, unless it has failed a short while ago. Returns how long to wait, in milliseconds,
 * before this is to be called again, at the latest. A duty that has failed waits, even if it is
 * due.
 */
long
intake_duty_run(IntakeDuty *duty)
{
	int64 now = intake_clock_ms();

	if (duty->backoff > 0 && now < duty->next_try && !(duty->wanted && duty->wanted()))
		return duty->next_try - now;
	PG_TRY();
	{
		begin();
		duty->run();
		PopActiveSnapshot();
		CommitTransactionCommand();
		note_success(duty);
	}
	PG_CATCH();
	{
		note_failure(duty);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(TopMemoryContext);
	if (duty->backoff > 0)
		return duty->backoff;
	return duty->due ? duty->due() : INTAKE_NO_WAIT;
}
