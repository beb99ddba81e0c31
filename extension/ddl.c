/*
 * ddl.c
 *		Making way for commands that need a database for themselves.
 *
 * DROP DATABASE, ALTER DATABASE (RENAME, SET TABLESPACE) and CREATE DATABASE ... TEMPLATE fail
 * while a worker is connected to the database, and DROP EXTENSION waits for running jobs. So
 * before any of them, from whichever database, the workers there are asked to stop: they end
 * their present job and give the rest back. One that takes too long is terminated, at no
 * charge to its job. When the command is over, or its transaction for DROP EXTENSION, the
 * launcher starts them again if the extension is still there.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "nodes/value.h"
#include "storage/ipc.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/wait_event.h"

#include "ddl.h"
#include "intake.h"
#include "shmem.h"

#define GRACE 3000    /* milliseconds until the workers are terminated */
#define PATIENCE 5000 /* and until the command is tried all the same */
#define STEP 10

static ProcessUtility_hook_type previous_hook = NULL;
static Oid left_database = InvalidOid; /* until this transaction ends */

static int
count_workers(Oid database)
{
	return intake_shmem_count(INTAKE_SUPERVISOR, database, InvalidOid) +
		   intake_shmem_count(INTAKE_EXECUTOR, database, InvalidOid);
}

/* Sends the workers of DATABASE away, and waits until they are gone, but not for ever. */
static void
leave(Oid database)
{
	intake_shmem_database_leave(database, 1);
	intake_shmem_stop(database);
	for (int waited = 0; waited < PATIENCE && count_workers(database) > 0; waited += STEP)
	{
		CHECK_FOR_INTERRUPTS();
		if (waited == GRACE)
			intake_shmem_terminate(database);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, STEP,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

static void
come_back(Oid database)
{
	intake_shmem_database_leave(database, -1);
	intake_shmem_wake(INTAKE_LAUNCHER, InvalidOid, InvalidOid);
}

static void
come_back_callback(int code, Datum database)
{
	come_back(DatumGetObjectId(database));
}

static void
end_transaction(XactEvent event, void *arg)
{
	if (!OidIsValid(left_database) ||
		(event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE))
		return;
	come_back(left_database);
	left_database = InvalidOid;
}

/* The database that CREATE DATABASE copies. */
static const char *
template_of(const CreatedbStmt *statement)
{
	ListCell *cell;

	foreach (cell, statement->options)
	{
		DefElem *option = lfirst(cell);

		if (strcmp(option->defname, "template") == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return "template1";
}

/* The database that a command needs for itself, or NULL. */
static const char *
database_needed(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			return ((DropdbStmt *) statement)->dbname;
		case T_CreatedbStmt:
			return template_of((CreatedbStmt *) statement);
		case T_AlterDatabaseStmt:
			return ((AlterDatabaseStmt *) statement)->dbname;
		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
				return ((RenameStmt *) statement)->subname;
			return NULL;
		default:
			return NULL;
	}
}

static bool
drops_extension(Node *statement)
{
	ListCell *cell;

	if (!IsA(statement, DropStmt) || ((DropStmt *) statement)->removeType != OBJECT_EXTENSION)
		return false;
	foreach (cell, ((DropStmt *) statement)->objects)
		if (strcmp(strVal(lfirst(cell)), INTAKE_EXTENSION) == 0)
			return true;
	return false;
}

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

static void
hook(PlannedStmt *pstmt, const char *query, bool read_only, ProcessUtilityContext context,
	 ParamListInfo params, QueryEnvironment *environment, DestReceiver *destination,
	 QueryCompletion *completion)
{
	const char *name = database_needed(pstmt->utilityStmt);
	Oid database = name ? get_database_oid(name, true) : InvalidOid;

	if (intake_shmem != NULL && drops_extension(pstmt->utilityStmt) && !OidIsValid(left_database))
	{
		left_database = MyDatabaseId;
		leave(left_database);
	}
	if (intake_shmem == NULL || !OidIsValid(database))
	{
		process(pstmt, query, read_only, context, params, environment, destination, completion);
		return;
	}
	PG_ENSURE_ERROR_CLEANUP(come_back_callback, ObjectIdGetDatum(database));
	{
		leave(database);
		process(pstmt, query, read_only, context, params, environment, destination, completion);
	}
	PG_END_ENSURE_ERROR_CLEANUP(come_back_callback, ObjectIdGetDatum(database));
	come_back(database);
}

/* To be called from _PG_init. */
void
intake_ddl_install_hook(void)
{
	previous_hook = ProcessUtility_hook;
	ProcessUtility_hook = hook;
	RegisterXactCallback(end_transaction, NULL);
}
