/*
 * dependency.c
 *		Roles that own workflows, or have secrets of calls: the server is told, and REASSIGN OWNED
 *		and DROP OWNED are followed.
 *
 * A row of pg_shdepend keeps DROP ROLE, from whichever database, from dropping a role that owns
 * a workflow that is not dropped, or that was given a secret. It is of the kind that a privilege on
 * the column that names the role would make, which nobody has: that kind goes with the table and with
 * the database. REASSIGN OWNED, which moves what the role owns, moves the workflows too, and the right
 * to manage secrets. DROP OWNED leaves workflows, and takes away secrets as it does privileges; it
 * takes the row for one, which the role may not be allowed to revoke, so it does not get to see it.
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
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "commands/user.h"
#include "executor/spi.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "config/dependency.h"
#include "config/told.h"
#include "ground/intake.h"
#include "ground/owner.h"
#include "ground/table.h"
#include "queue/announce.h"

/* A column that names roles, and the roles that count in it. */
typedef struct Kept
{
	const char *table;
	const char *column;
	const char *roles;
} Kept;

static const Kept kept[] = {
	{"workflow", "owner",
	 "SELECT DISTINCT owner_oid FROM intake.workflow"
	 " WHERE dropped_at IS NULL AND owner_oid IS NOT NULL"},
	{"call_secret_grant", "role",
	 "SELECT DISTINCT role_oid FROM intake.call_secret_grant WHERE role_oid IS NOT NULL"},
};

static ProcessUtility_hook_type previous_hook = NULL;

static IntakeToldColumn
column_of(const Kept *what)
{
	return intake_told_column(what->table, what->column);
}

PG_FUNCTION_INFO_V1(intake_sql_depend_on_owners);

/* ---- all roles ---- */

/* The roles that count in a column here, by the newest snapshot. */
static List *
list_roles(const Kept *what)
{
	MemoryContext context = CurrentMemoryContext;
	IntakeOwner saved;
	List *roles = NIL;

	CommandCounterIncrement();
	intake_owner_begin(&saved);
	SPI_connect();
	PushActiveSnapshot(GetLatestSnapshot());
	if (SPI_execute(what->roles, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the roles of table \"%s\"", what->table);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool null;
		Oid role = DatumGetObjectId(
			SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &null));
		MemoryContext old = MemoryContextSwitchTo(context);

		if (!IsPinnedObject(AuthIdRelationId, role))
			roles = lappend_oid(roles, role);
		MemoryContextSwitchTo(old);
	}
	PopActiveSnapshot();
	SPI_finish();
	intake_owner_end(&saved);
	list_sort(roles, list_oid_cmp);
	return roles;
}

/* The roles of the first list that are not in the second. Both are sorted. */
static List *
difference(List *roles, List *others)
{
	List *left = NIL;
	int i = 0;
	ListCell *cell;

	foreach (cell, roles)
	{
		while (i < list_length(others) && list_nth_oid(others, i) < lfirst_oid(cell))
			i++;
		if (i == list_length(others) || list_nth_oid(others, i) != lfirst_oid(cell))
			left = lappend_oid(left, lfirst_oid(cell));
	}
	return left;
}

/*
 * Makes the rows of pg_shdepend those of the roles that count in a column now. Without WAIT, only as
 * far as that can be done at once.
 */
static void
keep(const Kept *what, bool wait)
{
	IntakeToldColumn column = column_of(what);
	List *roles = list_roles(what);
	List *told = intake_told_list(column);
	bool alone = difference(told, roles) != NIL && intake_told_lock(column, ExclusiveLock, false);
	ListCell *cell;

	if (!alone && !wait &&
		(difference(roles, told) == NIL || !intake_told_lock(column, ShareLock, false)))
		return;
	if (!alone && wait)
		(void) intake_told_lock(column, ShareLock, true);
	roles = list_roles(what);
	told = intake_told_list(column);
	foreach (cell, difference(roles, told))
		intake_told_set(column, lfirst_oid(cell), true);
	if (alone)
		foreach (cell, difference(told, roles))
			intake_told_set(column, lfirst_oid(cell), false);
	CommandCounterIncrement();
}

/* The same for all columns. */
void
intake_dependency_keep(bool wait)
{
	for (int i = 0; i < lengthof(kept); i++)
		keep(&kept[i], wait);
}

/* ---- one owner ---- */

/*
 * Whether a role owns a workflow, by the newest snapshot. With BEFORE, one that this transaction has
 * not made or changed: the server has been told of the owners of those.
 */
static bool
owns_any(IntakeToldColumn column, Oid role, bool before)
{
	Relation table = table_open(column.table, AccessShareLock);
	Oid index = get_relname_relid("workflow_owner", RelationGetNamespace(table));
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	bool found = false;
	bool alive;

	ScanKeyInit(&key, get_attnum(column.table, "owner_oid"), BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(role));
	scan = systable_beginscan(table, index, OidIsValid(index) && get_index_isvalid(index), snapshot,
							  1, &key);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		(void) heap_getattr(tuple, get_attnum(column.table, "dropped_at"), RelationGetDescr(table),
							&alive);
		found =
			alive &&
			!(before && TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)));
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(table, NoLock);
	return found;
}

/* Tells the server of a role that owns a workflow now. What this transaction told last, it knows. */
static void
add_owner(IntakeToldColumn column, Oid role)
{
	static Oid last = InvalidOid;
	static FullTransactionId transaction;
	static SubTransactionId subtransaction;
	FullTransactionId now = GetTopFullTransactionId();

	if (!OidIsValid(role) || IsPinnedObject(AuthIdRelationId, role) ||
		(role == last && FullTransactionIdEquals(transaction, now) &&
		 subtransaction == GetCurrentSubTransactionId()))
		return;
	(void) intake_told_lock(column, ShareLock, true);
	if (!owns_any(column, role, true) && !intake_told_has(column, role))
		intake_told_set(column, role, true);
	CommandCounterIncrement();
	last = role;
	transaction = now;
	subtransaction = GetCurrentSubTransactionId();
}

/* Takes away the row of a role that owns no workflow any more, if nobody is adding one now. */
static void
remove_owner(IntakeToldColumn column, Oid role)
{
	if (!OidIsValid(role) || IsPinnedObject(AuthIdRelationId, role) ||
		owns_any(column, role, false) || !intake_told_lock(column, ExclusiveLock, false))
		return;
	if (!owns_any(column, role, false) && intake_told_has(column, role))
		intake_told_set(column, role, false);
	CommandCounterIncrement();
}

/* The owner of a row; InvalidOid where there is none, or the workflow was dropped. */
static Oid
owner_of(HeapTuple row, TupleDesc shape)
{
	bool alive;
	bool none;
	Datum owner;

	if (row == NULL)
		return InvalidOid;
	(void) heap_getattr(row, SPI_fnumber(shape, "dropped_at"), shape, &alive);
	owner = heap_getattr(row, SPI_fnumber(shape, "owner_oid"), shape, &none);
	return none || !alive ? InvalidOid : DatumGetObjectId(owner);
}

/* What the statement trigger of a table looks after. */
static const Kept *
kept_of(Relation table)
{
	for (int i = 0; i < lengthof(kept); i++)
		if (strcmp(kept[i].table, RelationGetRelationName(table)) == 0)
			return &kept[i];
	elog(ERROR, "intake.depend_on_owners is a trigger function for other tables");
}

/*
 * Trigger. For rows: the owner of a workflow has changed, or that it is there. For statements: roles
 * may have changed.
 */
Datum
intake_sql_depend_on_owners(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc shape;
	bool inserted;
	Oid before;
	Oid after;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "intake.depend_on_owners is a trigger function");
	if (!TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
	{
		keep(kept_of(trigger->tg_relation), true);
		/* Another transaction may have left a row because of this one. */
		intake_announce_surroundings(false, true);
		return PointerGetDatum(NULL);
	}
	CommandCounterIncrement();
	shape = RelationGetDescr(trigger->tg_relation);
	inserted = TRIGGER_FIRED_BY_INSERT(trigger->tg_event);
	before = inserted ? InvalidOid : owner_of(trigger->tg_trigtuple, shape);
	after = owner_of(inserted ? trigger->tg_trigtuple : trigger->tg_newtuple, shape);
	add_owner(column_of(&kept[0]), after);
	if (before != after)
		remove_owner(column_of(&kept[0]), before);
	return PointerGetDatum(NULL);
}

/* ---- REASSIGN OWNED and DROP OWNED ---- */

/* Takes away the rows of some roles until intake_dependency_keep makes them again. */
static void
hide(List *roles)
{
	ListCell *cell;

	for (int i = 0; i < lengthof(kept); i++)
		foreach (cell, intake_told_list(column_of(&kept[i])))
			if (list_member_oid(roles, lfirst_oid(cell)))
				intake_told_set(column_of(&kept[i]), lfirst_oid(cell), false);
	CommandCounterIncrement();
}

/* Runs a statement as the owner, with $1 some roles, and $2 another one. */
static void
run(const char *statement, List *roles, Oid role)
{
	Datum *elements = palloc(list_length(roles) * sizeof(Datum));
	Oid types[] = {OIDARRAYOID, OIDOID};
	Datum values[2] = {(Datum) 0, ObjectIdGetDatum(role)};
	IntakeOwner saved;
	int count = 0;
	ListCell *cell;

	foreach (cell, roles)
		elements[count++] = ObjectIdGetDatum(lfirst_oid(cell));
	values[0] =
		PointerGetDatum(construct_array(elements, count, OIDOID, sizeof(Oid), true, TYPALIGN_INT));
	CommandCounterIncrement();
	intake_owner_begin(&saved);
	SPI_connect();
	if (SPI_execute_with_args(statement, 2, types, values, NULL, false, 0) < 0)
		elog(ERROR, "could not follow a command about roles");
	SPI_finish();
	intake_owner_end(&saved);
}

static void
reassign(const ReassignOwnedStmt *statement)
{
	List *roles = roleSpecsToIds(statement->roles);
	Oid role = get_rolespec_oid(statement->newrole, false);

	run("UPDATE intake.workflow SET owner_oid = $2 WHERE dropped_at IS NULL AND"
		" intake.workflow_owner(owner, owner_oid, database_identity) = ANY ($1)",
		roles, role);
	run("SELECT intake.reassign_secrets($1, $2)", roles, role);
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
	{
		run("SELECT intake.reassign_secrets($1, NULLIF($2, 0))",
			roleSpecsToIds(((DropOwnedStmt *) statement)->roles), InvalidOid);
		intake_dependency_keep(true);
	}
}

/* To be called from _PG_init. */
void
intake_dependency_install_hook(void)
{
	previous_hook = ProcessUtility_hook;
	ProcessUtility_hook = hook;
}
