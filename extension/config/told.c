/*
 * told.c
 *		The rows of pg_shdepend by which the server knows the roles that rows of ours name.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_shdepend.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "config/told.h"
#include "ground/table.h"

/* The column that the rows are about. */
IntakeToldColumn
intake_told_column(const char *table, const char *column)
{
	Oid oid = intake_table_oid(table);

	return (IntakeToldColumn){oid, get_attnum(oid, column)};
}

/* The roles that the server has been told of, in order. */
List *
intake_told_list(IntakeToldColumn column)
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
				ObjectIdGetDatum(column.table));
	ScanKeyInit(&keys[3], Anum_pg_shdepend_objsubid, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(column.number));
	scan = systable_beginscan(catalog, SharedDependDependerIndexId, true, NULL, 4, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		told = lappend_oid(told, ((Form_pg_shdepend) GETSTRUCT(tuple))->refobjid);
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	list_sort(told, list_oid_cmp);
	return told;
}

/* Adds the row of ROLE, or takes it away. */
void
intake_told_set(IntakeToldColumn column, Oid role, bool owns)
{
	Oid *roles = palloc(sizeof(Oid));

	*roles = role;
	LockSharedObject(AuthIdRelationId, role, 0, AccessShareLock);
	/* A role that has just been dropped is no error: see intake.bind_workflow. */
	if (owns && SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)))
		updateAclDependencies(RelationRelationId, column.table, column.number, InvalidOid, 0, NULL,
							  1, roles);
	else if (!owns)
		updateAclDependencies(RelationRelationId, column.table, column.number, InvalidOid, 1, roles,
							  0, NULL);
}

/* Takes one of the locks that dependency.c speaks of. Returns false where it is held, unless WAIT. */
bool
intake_told_lock(IntakeToldColumn column, LOCKMODE mode, bool wait)
{
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId, column.table, column.number);
	return LockAcquire(&tag, mode, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

/* Whether the server has been told of a role. */
bool
intake_told_has(IntakeToldColumn column, Oid role)
{
	Relation catalog = table_open(SharedDependRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple tuple;
	bool found = false;

	ScanKeyInit(&keys[0], Anum_pg_shdepend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(AuthIdRelationId));
	ScanKeyInit(&keys[1], Anum_pg_shdepend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(role));
	scan = systable_beginscan(catalog, SharedDependReferenceIndexId, true, NULL, 2, keys);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_shdepend row = (Form_pg_shdepend) GETSTRUCT(tuple);

		found = row->dbid == MyDatabaseId && row->classid == RelationRelationId &&
				row->objid == column.table && row->objsubid == column.number;
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}
