/*
 * dependency.c
 *		Roles that own workflows: the server is told, and REASSIGN OWNED is followed.
 *
 * A row of pg_shdepend keeps DROP ROLE, from whichever database, from dropping a role that owns
 * a workflow that is not dropped. It is of the kind that a privilege on the column owner would
 * make, which nobody has: that kind goes with the table and with the database. REASSIGN OWNED,
 * which moves what the role owns, moves the workflows too. DROP OWNED leaves them; it takes the
 * row for a privilege, which the role may not be allowed to revoke, so it does not get to see it.
 *
 * Two transactions may change owners at once. Who adds a row for a role waits for those that may
 * be taking rows away, since it cannot see that; who would take one away does so only when
 * nobody is adding, and else leaves it to the supervisor:
 *
 *		lock		taken by					 waits
 *		Share		who has owners				 for who takes rows away, to its end
 *		Exclusive	who takes rows away			 never
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_shdepend.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "commands/user.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "config/dependency.h"
#include "ground/intake.h"
#include "ground/owner.h"
#include "ground/table.h"

static ProcessUtility_hook_type previous_hook = NULL;

PG_FUNCTION_INFO_V1(intake_sql_depend_on_owners);

/* ---- rows of pg_shdepend ---- */

/* The roles that own a workflow here, by the newest snapshot. */
static List *
list_owners(void)
{
	MemoryContext context = CurrentMemoryContext;
	IntakeOwner saved;
	List *owners = NIL;

	CommandCounterIncrement();
	intake_owner_begin(&saved);
	SPI_connect();
	PushActiveSnapshot(GetLatestSnapshot());
	if (SPI_execute("SELECT DISTINCT owner_oid FROM intake.workflow"
					" WHERE dropped_at IS NULL AND owner_oid IS NOT NULL",
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the owners of workflows");
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool null;
		Oid owner = DatumGetObjectId(
			SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &null));
		MemoryContext old = MemoryContextSwitchTo(context);

		if (!IsPinnedObject(AuthIdRelationId, owner))
			owners = lappend_oid(owners, owner);
		MemoryContextSwitchTo(old);
	}
	PopActiveSnapshot();
	SPI_finish();
	intake_owner_end(&saved);
	return owners;
}

/* The roles that the server has been told of. */
static List *
list_told(Oid table, AttrNumber column)
{
	Relation catalog = table_open(SharedDependRelationId, AccessShareLock);
	ScanKeyData keys[4];
	SysScanDesc scan;
	HeapTuple tuple;
	List *told = NIL;

	ScanKeyInit(&keys[0], Anum_pg_shdepend_dbid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(MyDatabaseId));
	ScanKeyInit(&keys[1], Anum_pg_shdepend_classid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&keys[2], Anum_pg_shdepend_objid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(table));
	ScanKeyInit(&keys[3], Anum_pg_shdepend_objsubid, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(column));
	scan = systable_beginscan(catalog, SharedDependDependerIndexId, true, NULL, 4, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		told = lappend_oid(told, ((Form_pg_shdepend) GETSTRUCT(tuple))->refobjid);
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return told;
}

/* Adds the row of ROLE, or takes it away. */
static void
tell(Oid table, AttrNumber column, Oid role, bool owns)
{
	Oid *roles = palloc(sizeof(Oid));

	*roles = role;
	LockSharedObject(AuthIdRelationId, role, 0, AccessShareLock);
	/* A role that has just been dropped is no error: see intake.bind_workflow. */
	if (owns && SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)))
		updateAclDependencies(RelationRelationId, table, column, InvalidOid, 0, NULL, 1, roles);
	else if (!owns)
		updateAclDependencies(RelationRelationId, table, column, InvalidOid, 1, roles, 0, NULL);
}

static bool
lock(Oid table, AttrNumber column, LOCKMODE mode, bool wait)
{
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId, table, column);
	return LockAcquire(&tag, mode, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * Makes the rows of pg_shdepend those of the roles that own a workflow now. Without WAIT, only
 * takes rows away that are too many, if that can be done at once.
 */
void
intake_dependency_keep(bool wait)
{
	Oid table = intake_table_oid("workflow");
	AttrNumber column = get_attnum(table, "owner");
	List *owners = list_owners();
	List *told = list_told(table, column);
	bool alone =
		list_difference_oid(told, owners) != NIL && lock(table, column, ExclusiveLock, false);
	ListCell *cell;

	if (!alone && !wait)
		return;
	if (!alone)
		(void) lock(table, column, ShareLock, true);
	owners = list_owners();
	told = list_told(table, column);
	foreach (cell, list_difference_oid(owners, told))
		tell(table, column, lfirst_oid(cell), true);
	if (alone)
		foreach (cell, list_difference_oid(told, owners))
			tell(table, column, lfirst_oid(cell), false);
	CommandCounterIncrement();
}

/* Trigger: the owner of a workflow has changed, or that it is there. */
Datum
intake_sql_depend_on_owners(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "intake.depend_on_owners is a trigger function");
	intake_dependency_keep(true);
	return PointerGetDatum(NULL);
}

/* ---- REASSIGN OWNED and DROP OWNED ---- */

/* Takes away the rows of some roles until intake_dependency_keep makes them again. */
static void
hide(List *roles)
{
	Oid table = intake_table_oid("workflow");
	AttrNumber column = get_attnum(table, "owner");
	ListCell *cell;

	foreach (cell, list_told(table, column))
		if (list_member_oid(roles, lfirst_oid(cell)))
			tell(table, column, lfirst_oid(cell), false);
	CommandCounterIncrement();
}

static void
reassign(const ReassignOwnedStmt *statement)
{
	List *roles = roleSpecsToIds(statement->roles);
	Datum *elements = palloc(list_length(roles) * sizeof(Datum));
	Oid types[] = {OIDOID, OIDARRAYOID};
	Datum values[2];
	IntakeOwner saved;
	int count = 0;
	ListCell *cell;

	foreach (cell, roles)
		elements[count++] = ObjectIdGetDatum(lfirst_oid(cell));
	values[0] = ObjectIdGetDatum(get_rolespec_oid(statement->newrole, false));
	values[1] =
		PointerGetDatum(construct_array(elements, count, OIDOID, sizeof(Oid), true, TYPALIGN_INT));
	CommandCounterIncrement();
	intake_owner_begin(&saved);
	SPI_connect();
	if (SPI_execute_with_args(
			"UPDATE intake.workflow SET owner_oid = $1 WHERE dropped_at IS NULL AND"
			" intake.workflow_owner(owner, owner_oid, database_identity) = ANY ($2)",
			2, types, values, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not reassign workflows");
	SPI_finish();
	intake_owner_end(&saved);
}

/* The command itself checks what its caller may do. What was done before it ends with an error. */
static void
hook(PlannedStmt *pstmt, const char *query, bool read_only, ProcessUtilityContext context,
	 ParamListInfo params, QueryEnvironment *environment, DestReceiver *destination,
	 QueryCompletion *completion)
{
	Node *statement = pstmt->utilityStmt;

	if (IsA(statement, DropOwnedStmt) && OidIsValid(intake_owner_extension(NoLock)))
		hide(roleSpecsToIds(((DropOwnedStmt *) statement)->roles));
	if (previous_hook)
		previous_hook(pstmt, query, read_only, context, params, environment, destination,
					  completion);
	else
		standard_ProcessUtility(pstmt, query, read_only, context, params, environment, destination,
								completion);
	if (IsA(statement, ReassignOwnedStmt) && OidIsValid(intake_owner_extension(NoLock)))
		reassign((ReassignOwnedStmt *) statement);
	/* The extension itself may be among what was dropped. */
	if (IsA(statement, DropOwnedStmt) && OidIsValid(intake_owner_extension(NoLock)))
		intake_dependency_keep(true);
}

/* To be called from _PG_init. */
void
intake_dependency_install_hook(void)
{
	previous_hook = ProcessUtility_hook;
	ProcessUtility_hook = hook;
}
