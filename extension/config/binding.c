/*
 * binding.c
 *		What a workflow depends on outside of the extension: its owner and its handler.
 *
 * Both are kept by oid, as the server keeps its own objects, so that a rename changes nothing
 * and nobody takes a name over. The oids hold in the database that the workflow's
 * database_identity names; a dump carries names beside them (sql/52_binding.sql).
 *
 * Whether a workflow can run is read with the configuration. What it depends on changes without
 * a word to the configuration, so it is watched: the server tells every process, by a hash,
 * which rows of its catalogues have changed.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "config/binding.h"
#include "ground/compat.h"
#include "ground/intake.h"

/* A row of a catalogue, as an invalidation names it. */
typedef struct Watched
{
	int cache;
	uint32 hash;
} Watched;

static Watched *watched = NULL; /* in TopMemoryContext */
static int n_watched = 0;
static int room_watched = 0;
static bool changed = false;

PG_FUNCTION_INFO_V1(intake_sql_database_identity);
PG_FUNCTION_INFO_V1(intake_sql_workflow_owner);
PG_FUNCTION_INFO_V1(intake_sql_binding_problem);

/* ---- whether a workflow can run ---- */

static bool
can_log_in(Oid role)
{
	HeapTuple tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	bool can = HeapTupleIsValid(tuple) && ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return can;
}

static Oid
job_type(void)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("job"),
						   ObjectIdGetDatum(get_namespace_oid(INTAKE_SCHEMA, true)));
}

/* The schema of a function that can be a handler, or InvalidOid. */
static Oid
handler_schema(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;
	Oid schema = InvalidOid;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	form = (Form_pg_proc) GETSTRUCT(tuple);
	/* A temporary schema is that of whichever session has its number next. */
	if (form->prokind == PROKIND_FUNCTION && form->pronargs == 1 &&
		form->proargtypes.values[0] == job_type() && !isAnyTempNamespace(form->pronamespace))
		schema = form->pronamespace;
	ReleaseSysCache(tuple);
	return schema;
}

/* Why jobs with a handler cannot run as a role, in the words of intake.workflows; NULL: they can. */
const char *
intake_binding_problem(Oid owner, Oid handler)
{
	Oid schema;

	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(owner)))
		return "no such role";
	if (!can_log_in(owner))
		return "role cannot log in";
	if (object_aclcheck(DatabaseRelationId, MyDatabaseId, owner, ACL_CONNECT) != ACLCHECK_OK)
		return "role may not connect";
	schema = handler_schema(handler);
	if (!OidIsValid(schema))
		return "no such handler";
	if (object_aclcheck(ProcedureRelationId, handler, owner, ACL_EXECUTE) != ACLCHECK_OK ||
		object_aclcheck(NamespaceRelationId, schema, owner, ACL_USAGE) != ACLCHECK_OK)
		return "role may not execute the handler";
	return NULL;
}

/* SQL: the same. */
Datum
intake_sql_binding_problem(PG_FUNCTION_ARGS)
{
	Oid owner = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
	Oid handler = PG_ARGISNULL(1) ? InvalidOid : PG_GETARG_OID(1);
	const char *problem = intake_binding_problem(owner, handler);

	if (problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem));
}

/* What tells this database from a restored copy. Palloc'ed. */
char *
intake_binding_database_identity(void)
{
	return psprintf(UINT64_FORMAT "/%u", GetSystemIdentifier(), MyDatabaseId);
}

/* SQL: the same. */
Datum
intake_sql_database_identity(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(intake_binding_database_identity()));
}

/* SQL: the role that a workflow belongs to, from its owner, owner_oid and database_identity. */
Datum
intake_sql_workflow_owner(PG_FUNCTION_ARGS)
{
	Oid owner = InvalidOid;

	if (!PG_ARGISNULL(2) &&
		strcmp(text_to_cstring(PG_GETARG_TEXT_PP(2)), intake_binding_database_identity()) == 0)
		owner = PG_ARGISNULL(1) ? InvalidOid : PG_GETARG_OID(1);
	else if (!PG_ARGISNULL(0))
		owner = get_role_oid(NameStr(*PG_GETARG_NAME(0)), true);
	if (!OidIsValid(owner))
		PG_RETURN_NULL();
	PG_RETURN_OID(owner);
}

/* ---- watching ---- */

/* A row of a catalogue changed; HASH 0 is any. */
static void
invalidate(Datum arg, int cache, uint32 hash)
{
	for (int i = 0; i < n_watched && !changed; i++)
		changed = hash == 0 ||
				  (watched[i].cache == cache && (watched[i].hash == 0 || watched[i].hash == hash));
}

static void
watch(int cache, uint32 hash)
{
	for (int i = 0; i < n_watched; i++)
		if (watched[i].cache == cache && watched[i].hash == hash)
			return;
	if (n_watched == room_watched)
	{
		room_watched = Max(16, room_watched * 2);
		watched = watched == NULL
					  ? MemoryContextAlloc(TopMemoryContext, room_watched * sizeof(Watched))
					  : repalloc(watched, room_watched * sizeof(Watched));
	}
	watched[n_watched++] = (Watched){cache, hash};
}

static void
watch_oid(int cache, Oid oid)
{
	watch(cache, GetSysCacheHashValue1(cache, ObjectIdGetDatum(oid)));
}

/* Begins to watch anew, with nothing. */
void
intake_binding_watch_none(void)
{
	static const int caches[] = {AUTHOID, AUTHMEMROLEMEM, DATABASEOID, PROCOID, NAMESPACEOID};
	static bool registered = false;

	for (int i = 0; i < lengthof(caches) && !registered; i++)
		CacheRegisterSyscacheCallback(caches[i], invalidate, (Datum) 0);
	registered = true;
	n_watched = 0;
	changed = false;
}

/*
 * Watches what a workflow depends on. To be called before that is looked at, so that a change
 * in between is seen.
 */
void
intake_binding_watch(Oid owner, Oid handler)
{
	Oid schema;

	watch(AUTHMEMROLEMEM, 0); /* whose privileges a role has, and that is rarely changed */
	watch_oid(DATABASEOID, MyDatabaseId);
	watch_oid(AUTHOID, owner);
	watch_oid(PROCOID, handler);
	schema = handler_schema(handler);
	if (OidIsValid(schema))
		watch_oid(NAMESPACEOID, schema);
}

/* Whether something of what is watched may have changed. */
bool
intake_binding_changed(void)
{
	return changed;
}
