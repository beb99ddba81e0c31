/*
 * announce.c
 *		What a transaction tells the workers when it commits: which lanes it has filled, and from
 *		where on; that the supervisor has to look; that the configuration has changed.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"

#include "ground/shmem.h"
#include "ground/slot.h"
#include "queue/announce.h"
#include "queue/lane.h"

/* The lowest position that this transaction has filled of a lane. */
typedef struct Announcement
{
	int32 workflow_id;
	int64 position;
} Announcement;

static List *announcements = NIL; /* in TopTransactionContext */
static bool supervisor_too = false;
static bool config_too = false;

/* Tells the workers what was noted. Raises no error. */
static void
publish(void)
{
	ListCell *cell;

	foreach (cell, announcements)
	{
		Announcement *told = lfirst(cell);

		intake_lane_tell(told->workflow_id, told->position);
	}
	if (config_too)
		pg_atomic_fetch_add_u64(&intake_shmem->config, 1);
	if (supervisor_too)
		intake_slot_call_supervisor();
}

/* A prepared transaction has ended. Which lanes it filled is not known here: all may have news. */
void
intake_announce_prepared(void)
{
	intake_lane_rewind_all(true);
	intake_slot_call_supervisor();
}

static void
end_transaction(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (event == XACT_EVENT_COMMIT)
		publish();
	announcements = NIL;
	supervisor_too = config_too = false;
}

static void
register_once(void)
{
	static bool registered = false;

	if (!registered)
		RegisterXactCallback(end_transaction, NULL);
	registered = true;
}

/* Notes that this transaction puts a job of a workflow at POSITION of its lane. */
void
intake_announce_job(int32 workflow_id, int64 position)
{
	MemoryContext old;
	Announcement *told;
	ListCell *cell;

	if (intake_shmem == NULL)
		return;
	foreach (cell, announcements)
	{
		told = lfirst(cell);
		if (told->workflow_id == workflow_id)
		{
			told->position = Min(told->position, position);
			return;
		}
	}
	register_once();
	old = MemoryContextSwitchTo(TopTransactionContext);
	told = palloc(sizeof(Announcement));
	told->workflow_id = workflow_id;
	told->position = position;
	announcements = lappend(announcements, told);
	MemoryContextSwitchTo(old);
}

/* Notes that the supervisor of this database has to look after the commit. */
void
intake_announce_supervisor(void)
{
	if (intake_shmem == NULL)
		return;
	register_once();
	supervisor_too = true;
}

/* Notes that this transaction changes the configuration. */
void
intake_announce_config(void)
{
	intake_announce_supervisor();
	config_too = intake_shmem != NULL;
}
