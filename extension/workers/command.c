/*
 * command.c
 *		Which database a utility command needs without workers.
 *
 * Sending workers away interrupts their jobs, so it is done only for a command that the server
 * will not refuse: the checks here are those that the server makes when it runs the command, of
 * rights above all. What is overlooked here is not allowed by that: the server checks again.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "commands/tablespace.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "nodes/value.h"
#include "utils/fmgroids.h"
#include "utils/syscache.h"

#include "ground/compat.h"
#include "ground/intake.h"
#include "ground/owner.h"
#include "workers/command.h"

/* ---- rights ---- */

static bool
owns_database(Oid database)
{
	return object_ownercheck(DatabaseRelationId, database, GetUserId());
}

static bool
owns_extension(Oid extension)
{
	return object_ownercheck(ExtensionRelationId, extension, GetUserId());
}

static bool
owns_schema(Oid schema)
{
	return object_ownercheck(NamespaceRelationId, schema, GetUserId());
}

static bool
may_create_databases(void)
{
	bool may = superuser();
	HeapTuple role;

	if (may)
		return true;
	role = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	if (!HeapTupleIsValid(role))
		return false;
	may = ((Form_pg_authid) GETSTRUCT(role))->rolcreatedb;
	ReleaseSysCache(role);
	return may;
}

static bool
is_template(Oid database)
{
	HeapTuple tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	bool template;

	if (!HeapTupleIsValid(tuple))
		return false;
	template = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
	ReleaseSysCache(tuple);
	return template;
}

/* ---- commands on databases ---- */

static DefElem *
find_option(List *options, const char *name)
{
	ListCell *cell;

	foreach (cell, options)
		if (strcmp(((DefElem *) lfirst(cell))->defname, name) == 0)
			return lfirst(cell);
	return NULL;
}

/* The database of that name, when the user owns it and is not in it; else InvalidOid. */
static Oid
own_other_database(const char *name)
{
	Oid database = get_database_oid(name, true);

	return OidIsValid(database) && database != MyDatabaseId && owns_database(database) ? database
																					   : InvalidOid;
}

static Oid
dropped(const DropdbStmt *statement)
{
	Oid database = own_other_database(statement->dbname);

	return OidIsValid(database) && !is_template(database) ? database : InvalidOid;
}

static Oid
copied(const CreatedbStmt *statement)
{
	DefElem *option = find_option(statement->options, "template");
	const char *name = option && option->arg ? defGetString(option) : "template1";
	Oid database = get_database_oid(name, true);

	return OidIsValid(database) && may_create_databases() &&
				   (is_template(database) || owns_database(database)) &&
				   !OidIsValid(get_database_oid(statement->dbname, true))
			   ? database
			   : InvalidOid;
}

static Oid
moved(const AlterDatabaseStmt *statement)
{
	DefElem *option = find_option(statement->options, "tablespace");

	return option && OidIsValid(get_tablespace_oid(defGetString(option), true))
			   ? own_other_database(statement->dbname)
			   : InvalidOid;
}

static Oid
renamed(const RenameStmt *statement)
{
	return statement->renameType == OBJECT_DATABASE && may_create_databases() &&
				   !OidIsValid(get_database_oid(statement->newname, true))
			   ? own_other_database(statement->subname)
			   : InvalidOid;
}

/* ---- commands that drop the extension ---- */

/* The objects of CLASS that EXTENSION depends on. */
static List *
list_needed(Oid extension, Oid class)
{
	Relation catalog = table_open(DependRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple tuple;
	List *needed = NIL;

	ScanKeyInit(&keys[0], Anum_pg_depend_classid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(ExtensionRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(catalog, DependDependerIndexId, true, NULL, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);

		if (form->refclassid == class)
			needed = lappend_oid(needed, form->refobjid);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return needed;
}

/* Whether dropping extension NAME drops OURS. */
static bool
drops_with_extension(const char *name, Oid ours, bool cascade)
{
	Oid extension = get_extension_oid(name, true);

	return OidIsValid(extension) && owns_extension(extension) &&
		   (extension == ours ||
			(cascade && list_member_oid(list_needed(ours, ExtensionRelationId), extension)));
}

/* Whether dropping schema NAME drops OURS: what ours requires may lie there. */
static bool
drops_with_schema(const char *name, Oid ours, bool cascade)
{
	Oid schema = get_namespace_oid(name, true);
	ListCell *cell;

	if (!cascade || !OidIsValid(schema) || !owns_schema(schema))
		return false;
	foreach (cell, list_needed(ours, ExtensionRelationId))
		if (list_member_oid(list_needed(lfirst_oid(cell), NamespaceRelationId), schema))
			return true;
	return false;
}

/* DROP EXTENSION of ours, or of one that ours requires, or DROP SCHEMA of where that one lies. */
static bool
drops_extension(const DropStmt *statement)
{
	bool cascade = statement->behavior == DROP_CASCADE;
	Oid ours;
	ListCell *cell;

	if (statement->removeType != OBJECT_EXTENSION && statement->removeType != OBJECT_SCHEMA)
		return false;
	ours = intake_owner_extension(NoLock);
	if (!OidIsValid(ours))
		return false;
	foreach (cell, statement->objects)
		if (statement->removeType == OBJECT_EXTENSION
				? drops_with_extension(strVal(lfirst(cell)), ours, cascade)
				: drops_with_schema(strVal(lfirst(cell)), ours, cascade))
			return true;
	return false;
}

/* DROP OWNED BY the owner of the extension, unless that is the server's own superuser. */
static bool
drops_owned(const DropOwnedStmt *statement)
{
	Oid owner;
	ListCell *cell;

	if (!OidIsValid(intake_owner_extension(NoLock)))
		return false;
	owner = intake_owner_role();
	if (owner == BOOTSTRAP_SUPERUSERID || !has_privs_of_role(GetUserId(), owner))
		return false;
	foreach (cell, statement->roles)
		if (get_rolespec_oid(lfirst(cell), true) == owner)
			return true;
	return false;
}

/* ---- all of them ---- */

/*
 * The database that a command needs without workers, or InvalidOid: also where the server will
 * refuse the command. TOP says whether a client has sent it, not a function.
 */
Oid
intake_command_database(Node *statement, bool top)
{
	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			return IsInTransactionBlock(top) ? InvalidOid : dropped((DropdbStmt *) statement);
		case T_CreatedbStmt:
			return IsInTransactionBlock(top) ? InvalidOid : copied((CreatedbStmt *) statement);
		case T_AlterDatabaseStmt:
			return IsInTransactionBlock(top) ? InvalidOid : moved((AlterDatabaseStmt *) statement);
		case T_RenameStmt:
			return renamed((RenameStmt *) statement);
		case T_DropStmt:
			return drops_extension((DropStmt *) statement) ? MyDatabaseId : InvalidOid;
		case T_DropOwnedStmt:
			return drops_owned((DropOwnedStmt *) statement) ? MyDatabaseId : InvalidOid;
		default:
			return InvalidOid;
	}
}
