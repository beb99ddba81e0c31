/*
 * make_way.c
 *		Commands that concern the workers: those that need a database for themselves, and those
 *		after which the launcher has to look.
 *
 * DROP DATABASE, ALTER DATABASE (RENAME, SET TABLESPACE) and CREATE DATABASE ... TEMPLATE fail
 * while a worker is connected to the database, and DROP EXTENSION waits for running jobs: at the
 * gate (owner.h). So before such a command, from whichever database it comes, the workers there are
 * asked to stop: they end their present job and give the rest back. One that takes too long is
 * terminated, at no charge to its job. command.c decides which commands these are, and leaves out
 * those that the server would refuse.
 *
 * They stay away while a session holds a lock of ours on the database. It ends as any lock does:
 * with the transaction or the savepoint in which it was taken, with the session, or, if the
 * transaction was prepared, with the end of that. The launcher asks for the lock before it starts a
 * supervisor, and a worker before it does anything.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "tcop/utility.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

#include "ground/clock.h"
#include "ground/compat.h"
#include "ground/intake.h"
#include "ground/owner.h"
#include "ground/shmem.h"
#include "ground/slot.h"
#include "queue/announce.h"
#include "workers/command.h"
#include "workers/make_way.h"
#include "workers/notice.h"

#define GRACE 3000    /* milliseconds until the workers are terminated */
#define PATIENCE 5000 /* and until the command is tried all the same */
#define STEP 10

static ProcessUtility_hook_type previous_hook = NULL;
static object_access_hook_type previous_access_hook = NULL;

static List *left_databases = NIL;     /* whose locks this session holds; in TopMemoryContext */
static bool extension_created = false; /* in this transaction */
static bool database_changed = false;  /* likewise */

/* ---- workers away ---- */

static void
set_tag(LOCKTAG *tag, Oid database)
{
	SET_LOCKTAG_OBJECT(*tag, InvalidOid, DatabaseRelationId, database, 1);
}

/* Whether a session wants the workers away from DATABASE. To be called in a transaction. */
bool
intake_make_way_is_wanted(Oid database)
{
	LOCKTAG tag;

	set_tag(&tag, database);
	if (LockAcquire(&tag, RowExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	LockRelease(&tag, RowExclusiveLock, false);
	return false;
}

/* Waits until the workers of DATABASE are gone, but not for ever. */
static void
wait_for_end(Oid database)
{
	int64 start = intake_clock_ms();
	bool terminated = false;

	while (intake_slot_count_all(database) > 0 && intake_clock_ms() - start < PATIENCE)
	{
		CHECK_FOR_INTERRUPTS();
		if (!terminated && intake_clock_ms() - start >= GRACE)
		{
			intake_slot_terminate(database);
			terminated = true;
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, STEP,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

/* Sends the workers of DATABASE away until this transaction, or its savepoint, ends. */
static void
leave(Oid database)
{
	LOCKTAG tag;
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	left_databases = list_append_unique_oid(left_databases, database);
	MemoryContextSwitchTo(old);
	set_tag(&tag, database);
	/* Several sessions may want it at a time. */
	(void) LockAcquire(&tag, ShareLock, false, false);
	intake_slot_stop(database);
	wait_for_end(database);
	/* A worker that could not be ended is waited for: the extension is not dropped under it. */
	if (database == MyDatabaseId)
		(void) intake_owner_extension(INTAKE_GATE_DROP);
}

/* Wakes the launcher when such a lock is gone, with whatever it was held by. */
static void
release(ResourceReleasePhase phase, bool commit, bool top, void *arg)
{
	bool gone = false;
	ListCell *cell;

	if (left_databases == NIL || phase != RESOURCE_RELEASE_AFTER_LOCKS)
		return;
	foreach (cell, left_databases)
	{
		LOCKTAG tag;

		set_tag(&tag, lfirst_oid(cell));
		if (LockHeldByMe(&tag, ShareLock, false))
			continue;
		left_databases = foreach_delete_current(left_databases, cell);
		gone = true;
	}
	if (gone)
		intake_slot_wake_launcher();
}

/* ---- where to look ---- */

/* Databases and extensions that come, and databases that change. */
static void
access_hook(ObjectAccessType access, Oid class, Oid object, int sub, void *arg)
{
	if (previous_access_hook)
		previous_access_hook(access, class, object, sub, arg);
	if (access == OAT_POST_CREATE && class == ExtensionRelationId)
		extension_created = true;
	else if ((access == OAT_POST_CREATE || access == OAT_POST_ALTER || access == OAT_DROP) &&
			 class == DatabaseRelationId)
		database_changed = true;
}

/* The launcher has to look at this database. */
static void
call_launcher(void)
{
	intake_shmem_look_again();
	intake_slot_wake_launcher();
}

static void
end_transaction(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (event == XACT_EVENT_COMMIT && database_changed)
		intake_shmem_tell_databases_changed();
	if (event == XACT_EVENT_COMMIT && extension_created)
		call_launcher();
	else if (event == XACT_EVENT_COMMIT && database_changed)
		intake_slot_wake_launcher();
	extension_created = database_changed = false;
}

/*
 * A prepared transaction has ended: it may have created the extension, or not dropped it, or have
 * stored events and changed workflows.
 */
static void
end_prepared(void)
{
	AcceptInvalidationMessages();
	if (intake_shmem == NULL || !OidIsValid(get_namespace_oid(INTAKE_SCHEMA, true)))
		return;
	call_launcher();
	intake_announce_prepared();
}

/* ---- the commands ---- */

static void
process(PlannedStmt *pstmt, const char *query, bool read_only, ProcessUtilityContext context,
		ParamListInfo params, QueryEnvironment *environment, DestReceiver *destination,
		QueryCompletion *completion)
{
	if (previous_hook)
		previous_hook(pstmt, query, read_only, context, params, environment, destination,
					  completion);
	else
		standard_ProcessUtility(pstmt, query, read_only, context, params, environment, destination,
								completion);
}

/*
 * Whether workers may be sent away here. On a standby there are none, a transaction that only
 * reads runs no such command, and a job does not wait for itself.
 */
static bool
is_possible(void)
{
	return intake_slot_self == NULL && !XactReadOnly && !RecoveryInProgress();
}

static bool
ends_prepared(Node *statement)
{
	TransactionStmtKind kind;

	if (!IsA(statement, TransactionStmt))
		return false;
	kind = ((TransactionStmt *) statement)->kind;
	return kind == TRANS_STMT_COMMIT_PREPARED || kind == TRANS_STMT_ROLLBACK_PREPARED;
}

static void
hook(PlannedStmt *pstmt, const char *query, bool read_only, ProcessUtilityContext context,
	 ParamListInfo params, QueryEnvironment *environment, DestReceiver *destination,
	 QueryCompletion *completion)
{
	Node *statement = pstmt->utilityStmt;
	bool prepared = ends_prepared(statement);
	Oid database = InvalidOid;

	if (is_possible())
		database = intake_command_database(statement, context == PROCESS_UTILITY_TOPLEVEL);
	if (OidIsValid(database))
		leave(database);
	process(pstmt, query, read_only, context, params, environment, destination, completion);
	if (intake_shmem != NULL)
		intake_notice_command(statement);
	if (prepared)
		end_prepared();
}

/* To be called from _PG_init. */
void
intake_make_way_install_hook(void)
{
	previous_hook = ProcessUtility_hook;
	ProcessUtility_hook = hook;
	previous_access_hook = object_access_hook;
	object_access_hook = access_hook;
	RegisterXactCallback(end_transaction, NULL);
	RegisterResourceReleaseCallback(release, NULL);
}
