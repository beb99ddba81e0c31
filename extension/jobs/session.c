/*
 * session.c
 *		What handlers leave in the session of their executor.
 *
 * Each job begins in a session that looks new. What belongs to the transaction, or may fail, is
 * done in it, as a part of the job (intake_session_settle); what a rollback would not undo is
 * cleared after the transaction, however it ended (intake_session_clear). If nothing was left, this
 * costs a look at a few empty lists. Settings are the business of attempt.c; the server refuses
 * LISTEN in background processes.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_namespace.h"
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/fmgroids.h"
#include "utils/portal.h"

#include "jobs/session.h"

static int lock_timeout = 0; /* of the role, the database or the server */
static ExecutorFinish_hook_type next_finish = NULL;
static bool deferring = false; /* a relation was written whose triggers may wait for the commit */

/* ---- lock_timeout ---- */

/*
 * The role's lock_timeout is for handlers. What we do around them waits for a lock as long as it
 * takes: otherwise a lock that another session holds for a moment would be charged to the job, or
 * end the process. To be called each time the settings were read.
 */
void
intake_session_keep_lock_timeout(void)
{
	lock_timeout = LockTimeout;
	LockTimeout = 0;
}

/* From here on a handler runs, and its role's lock_timeout holds; or, below, our own code. */
void
intake_session_enter_handler(void)
{
	LockTimeout = lock_timeout;
}

void
intake_session_leave_handler(void)
{
	LockTimeout = 0;
}

/* ---- what waits for the commit ---- */

static bool
has_deferrable(const ResultRelInfo *relation)
{
	TriggerDesc *triggers = relation->ri_TrigDesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		if (triggers->triggers[i].tgdeferrable)
			return true;
	return false;
}

static void
look_at(const List *relations)
{
	ListCell *cell;

	foreach (cell, relations)
		deferring |= has_deferrable(lfirst(cell));
}

/* The server does not tell whether triggers are deferred, but what a statement has written to. */
static void
finish(QueryDesc *query)
{
	EState *state = query->estate;

	look_at(state->es_opened_result_relations);
	look_at(state->es_tuple_routing_result_relations);
	look_at(state->es_trig_target_relations);
	if (next_finish != NULL)
		next_finish(query);
	else
		standard_ExecutorFinish(query);
}

/* Lets this process know what its handlers defer. To be called once. */
void
intake_session_watch(void)
{
	next_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = finish;
}

/* Fires deferred triggers. What comes after a subtransaction that did so cannot defer anything. */
static void
fire_deferred(void)
{
	ConstraintsSetStmt immediate = {.type = T_ConstraintsSetStmt};

	if (!IsSubTransaction())
		AfterTriggerFireDeferred();
	else if (deferring)
		AfterTriggerSetState(&immediate);
}

/* ---- temporary objects ---- */

/* Whether there is a temporary table, or anything else in the session's temporary schema. */
static bool
has_temporary(void)
{
	Oid schema;
	Oid toast;
	Relation depend;
	ScanKeyData keys[2];
	SysScanDesc scan;
	bool found;

	GetTempNamespaceState(&schema, &toast);
	if (!OidIsValid(schema))
		return false;
	depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(NamespaceRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(schema));
	scan = systable_beginscan(depend, DependReferenceIndexId, true, NULL, 2, keys);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return found;
}

/* ---- the end of a job ---- */

/*
 * Runs what was deferred to the commit, while the handler's settings and timeouts hold: deferred
 * triggers and constraints, and held cursors, whose rows are read now. Then drops temporary
 * objects, unless this is a subtransaction. A snapshot is active.
 */
void
intake_session_settle(void)
{
	do
		fire_deferred();
	while (PreCommit_Portals(false));
	if (!IsSubTransaction() && has_temporary())
		ResetTempTableNamespace();
}

/*
 * Whether a transaction that several jobs share has to end here, because the next one would meet
 * the temporary tables of the last, or could not defer anything.
 */
bool
intake_session_must_end(void)
{
	return deferring || has_temporary();
}

/*
 * Forgets prepared statements, sequence values, and held cursors, which stay when the transaction
 * fails after they were read. In a transaction or outside.
 */
void
intake_session_forget(void)
{
	PortalHashTableDeleteAll();
	DropAllPreparedStatements();
	ResetSequenceCaches();
}

/* Clears what outlives a transaction, advisory locks too. To be called outside of one. */
void
intake_session_clear(void)
{
	intake_session_forget();
	deferring = false;
	LockReleaseSession(USER_LOCKMETHOD);
}
