/*
 * binding.c
 *		What a workflow depends on outside of the extension: its owner and its handler.
 *
 * Both are kept by oid, as the server keeps its own objects, so that a rename changes nothing
 * and nobody takes a name over. The oids hold in the database that the workflow's
 * database_identity names; a dump carries names beside them (sql/52_binding.sql).
 *
 * Whether a workflow can run is looked at when that is asked. What it depends on changes without a
 * word to the configuration, so it is watched: the server tells every process, by a hash, which rows
 * of its catalogues have changed, and only the workflows that depend on one of them are looked at
 * again.
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
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "config/binding.h"
#include "ground/compat.h"
#include "ground/intake.h"
#include "ground/owner.h"

/* A row of a catalogue, as an invalidation names it. */
typedef struct Place
{
	int cache;
	uint32 hash;
} Place;

typedef struct IntakeWatched
{
	Place place;    /* hash key */
	uint64 changed; /* by the count of changes */
	int users;      /* bindings that point here */
} IntakeWatched;

static HTAB *rows = NULL;  /* those that are watched; NULL: none */
static uint64 changes = 1; /* of what is watched, so far */
static uint64 all_changed = 0;
static uint32 this_database; /* its row, likewise */

PG_FUNCTION_INFO_V1(intake_sql_database_identity);
PG_FUNCTION_INFO_V1(intake_sql_workflow_owner);
PG_FUNCTION_INFO_V1(intake_sql_binding_problem);
PG_FUNCTION_INFO_V1(intake_sql_handler_name);
PG_FUNCTION_INFO_V1(intake_sql_find_handler);
PG_FUNCTION_INFO_V1(intake_sql_handler_again);

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

/* The schema of a function that takes a job, and its NAME unless that is NULL; or InvalidOid. */
static Oid
function_schema(Oid function, NameData *name)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;
	Oid schema = InvalidOid;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	form = (Form_pg_proc) GETSTRUCT(tuple);
	if (form->prokind == PROKIND_FUNCTION && form->pronargs == 1 &&
		form->proargtypes.values[0] == job_type())
		schema = form->pronamespace;
	if (name != NULL)
		*name = form->proname;
	ReleaseSysCache(tuple);
	return schema;
}

/* The schema of a function that can be a handler, or InvalidOid. */
static Oid
handler_schema(Oid function)
{
	Oid schema = function_schema(function, NULL);

	/* A temporary schema is that of whichever session has its number next. */
	return OidIsValid(schema) && isAnyTempNamespace(schema) ? InvalidOid : schema;
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

/* ---- handlers by name ---- */

#define ARGUMENT "(intake.job)"

/* The name of a function that takes a job, as workflows keep it: quoted whatever the session asks for. */
static char *
signature_of(Oid schema, const char *name)
{
	char *schema_name = get_namespace_name(schema);
	bool saved = quote_all_identifiers;
	char *signature;

	if (schema_name == NULL)
		return NULL;
	PG_TRY();
	{
		quote_all_identifiers = false;
		signature = psprintf("%s" ARGUMENT, quote_qualified_identifier(schema_name, name));
	}
	PG_FINALLY();
	{
		quote_all_identifiers = saved;
	}
	PG_END_TRY();
	return signature;
}

/* SQL: the same of a function; NULL: it is none. */
Datum
intake_sql_handler_name(PG_FUNCTION_ARGS)
{
	NameData name;
	Oid schema = function_schema(PG_GETARG_OID(0), &name);
	char *signature = OidIsValid(schema) ? signature_of(schema, NameStr(name)) : NULL;

	if (signature == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(signature));
}

/* The handler of a signature, InvalidOid where there is none. Never an error. */
static Oid
find_handler(const char *signature)
{
	size_t length = strlen(signature);
	size_t name_length = length - Min(length, strlen(ARGUMENT));
	Oid argument = job_type();
	List *names;
	Oid schema;
	Oid function;

	if (strcmp(signature + name_length, ARGUMENT) != 0 ||
		!SplitIdentifierString(pnstrdup(signature, name_length), '.', &names) ||
		list_length(names) != 2)
		return InvalidOid;
	schema = get_namespace_oid(linitial(names), true);
	function =
		GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(lsecond(names)),
						PointerGetDatum(buildoidvector(&argument, 1)), ObjectIdGetDatum(schema));
	/* A name that is written in another way is not the one that workflows keep. */
	if (!OidIsValid(handler_schema(function)) ||
		strcmp(signature, signature_of(schema, lsecond(names))) != 0)
		return InvalidOid;
	return function;
}

/* SQL: the same, NULL where there is none. */
Datum
intake_sql_find_handler(PG_FUNCTION_ARGS)
{
	Oid function = find_handler(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (!OidIsValid(function))
		PG_RETURN_NULL();
	PG_RETURN_OID(function);
}

/*
 * SQL: the handler of a signature, if whoever owns that function may decide what OWNER runs: a
 * superuser, the extension's owner, or OWNER.
 */
Datum
intake_sql_handler_again(PG_FUNCTION_ARGS)
{
	Oid function =
		PG_ARGISNULL(0) ? InvalidOid : find_handler(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	Oid owner = PG_ARGISNULL(1) ? InvalidOid : PG_GETARG_OID(1);
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid maker;

	if (!HeapTupleIsValid(tuple))
		PG_RETURN_NULL();
	maker = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	if (maker != owner && maker != intake_owner_role() && !superuser_arg(maker))
		PG_RETURN_NULL();
	PG_RETURN_OID(function);
}

/* ---- watching ---- */

static void
note_change(uint64 *at)
{
	*at = ++changes;
}

/* A row of a catalogue changed; HASH 0 is any. Called in the midst of anything. */
static void
invalidate(Datum arg, int cache, uint32 hash)
{
	IntakeWatched *row = NULL;
	Place place = {cache, hash};

	if (rows == NULL)
		return;
	/* Whose privileges a role has may change for all of them, and that is rarely changed. */
	if (hash == 0 || cache == AUTHMEMROLEMEM || (cache == DATABASEOID && hash == this_database))
		note_change(&all_changed);
	else if ((row = hash_search(rows, &place, HASH_FIND, NULL)) != NULL)
		note_change(&row->changed);
}

static void
begin_to_watch(void)
{
	static const int caches[] = {AUTHOID, AUTHMEMROLEMEM, DATABASEOID, PROCOID, NAMESPACEOID};
	static bool registered = false;
	HASHCTL control = {.keysize = sizeof(Place), .entrysize = sizeof(IntakeWatched)};

	this_database = GetSysCacheHashValue1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));
	control.hcxt = TopMemoryContext;
	rows = hash_create("pg_intake bindings", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (int i = 0; i < lengthof(caches) && !registered; i++)
		CacheRegisterSyscacheCallback(caches[i], invalidate, (Datum) 0);
	registered = true;
}

static IntakeWatched *
watch(int cache, Oid oid)
{
	Place place = {cache, GetSysCacheHashValue1(cache, ObjectIdGetDatum(oid))};
	bool found;
	IntakeWatched *row = hash_search(rows, &place, HASH_ENTER, &found);

	if (!found)
	{
		row->changed = 0;
		row->users = 0;
	}
	row->users++;
	return row;
}

/* Whether what was seen of a binding still holds. */
bool
intake_binding_is_fresh(const IntakeBinding *binding)
{
	uint64 looked_at = binding->looked_at;

	if (looked_at == 0 || all_changed > looked_at)
		return false;
	for (int i = 0; i < lengthof(binding->watched); i++)
		if (binding->watched[i] != NULL && binding->watched[i]->changed > looked_at)
			return false;
	return true;
}

/* Watches nothing for a binding any more. */
void
intake_binding_leave(IntakeBinding *binding)
{
	for (int i = 0; i < lengthof(binding->watched); i++)
	{
		IntakeWatched *row = binding->watched[i];

		if (row != NULL && --row->users == 0)
			(void) hash_search(rows, &row->place, HASH_REMOVE, NULL);
		binding->watched[i] = NULL;
	}
	binding->looked_at = 0;
}

/* The same for all bindings at once, which the caller forgets. */
void
intake_binding_leave_all(void)
{
	if (rows != NULL)
		hash_destroy(rows);
	rows = NULL;
	note_change(&all_changed);
}

/*
 * Looks whether jobs can run, in a transaction. Each row is watched before it is looked at, so that
 * a change in between is seen.
 */
void
intake_binding_look(IntakeBinding *binding)
{
	uint64 now = changes;
	Oid schema;

	if (rows == NULL)
		begin_to_watch();
	intake_binding_leave(binding);
	binding->watched[0] = watch(AUTHOID, binding->owner);
	binding->watched[1] = watch(PROCOID, binding->handler);
	schema = handler_schema(binding->handler);
	if (OidIsValid(schema))
		binding->watched[2] = watch(NAMESPACEOID, schema);
	binding->problem = intake_binding_problem(binding->owner, binding->handler);
	binding->looked_at = now;
}

/* A number that grows when something changes that bindings depend on. */
uint64
intake_binding_changes(void)
{
	return changes;
}
