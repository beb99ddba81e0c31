/*
 * owner.c
 *		Acting as the owner of the extension, and the extension as an object.
 *
 * SQL of the extension runs between intake_owner_begin and intake_owner_end: as the owner,
 * as a security-restricted operation, with a search_path that only pg_catalog is on. Both
 * the user and the settings come back at the end, and by themselves on an error, since
 * transaction abort restores them.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/rel.h"

#include "ground/intake.h"
#include "ground/owner.h"

/* The lock that is the gate of EXTENSION. No command of the server's takes one of this kind. */
void
intake_owner_gate(LOCKTAG *tag, Oid extension)
{
	SET_LOCKTAG_OBJECT(*tag, MyDatabaseId, ExtensionRelationId, extension, 1);
}

/*
 * The OID of the extension in this database, or InvalidOid where it is not installed. Unless GATE
 * is NoLock, the gate is passed, and held until the transaction ends: DROP EXTENSION waits for
 * that, and the answer stays true.
 *
 * Looking into pg_extension takes a scan. The schema of the extension exists exactly as long as the
 * extension, and is in a cache: while the schema is the same, so is the extension.
 */
Oid
intake_owner_extension(LOCKMODE gate)
{
	static Oid known = InvalidOid;
	static Oid known_schema = InvalidOid;
	LOCKTAG tag;
	Oid schema = get_namespace_oid(INTAKE_SCHEMA, true);

	if (!OidIsValid(schema) || schema != known_schema)
	{
		known = get_extension_oid(INTAKE_EXTENSION, true);
		known_schema = schema;
	}
	if (!OidIsValid(known) || gate == NoLock)
		return known;
	intake_owner_gate(&tag, known);
	(void) LockAcquire(&tag, gate, false, false);
	/* Takes in what others have invalidated, so that the caches are true afterwards. */
	AcceptInvalidationMessages();
	if (get_namespace_oid(INTAKE_SCHEMA, true) == schema)
		return known;
	known_schema = InvalidOid;
	return InvalidOid;
}

/* The role that owns the extension. Raises an error where it is not installed. */
Oid
intake_owner_role(void)
{
	Relation catalog = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	Oid owner = InvalidOid;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum(INTAKE_EXTENSION));
	scan = systable_beginscan(catalog, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);

	if (!OidIsValid(owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"%s\" is not installed in this database", INTAKE_EXTENSION)));
	return owner;
}

static void
set_for_now(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
							 false);
}

void
intake_owner_begin(IntakeOwner *saved)
{
	Oid owner = intake_owner_role();

	GetUserIdAndSecContext(&saved->user, &saved->context);
	SetUserIdAndSecContext(owner, saved->context | SECURITY_LOCAL_USERID_CHANGE |
									  SECURITY_RESTRICTED_OPERATION);
	saved->nest = NewGUCNestLevel();
	set_for_now("search_path", "pg_catalog, pg_temp");
	/*
	 * These statements touch few rows, whatever the planner estimates. A plan that is made while a table
	 * is small, and kept, does not read all of it when it has grown.
	 */
	set_for_now("jit", "off");
	set_for_now("enable_seqscan", "off");
}

void
intake_owner_end(const IntakeOwner *saved)
{
	AtEOXact_GUC(true, saved->nest);
	SetUserIdAndSecContext(saved->user, saved->context);
}

/* Runs one utility statement as the owner. */
void
intake_owner_execute(const char *sql)
{
	IntakeOwner saved;
	int result;

	intake_owner_begin(&saved);
	SPI_connect();
	result = SPI_execute(sql, false, 0);
	if (result < 0)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
	SPI_finish();
	intake_owner_end(&saved);
}
