/*
 * registry.c
 *		The configuration as this process knows it.
 *
 * Statement triggers on the configuration tables send a relation invalidation, which every
 * process receives when the change commits; the next look reads the tables again. A commit
 * sends invalidations after it has woken the workers, so there is a counter in shared memory
 * as well, which grows before that. Sources and workflows are read apart, so that a process
 * that runs jobs holds no secret.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "intake.h"
#include "lane.h"
#include "owner.h"
#include "registry.h"
#include "shmem.h"
#include "signature.h"

/* One half of the configuration. */
typedef struct Half
{
	MemoryContext context; /* NULL: not read yet */
	List *list;
	bool stale;
	uint64 config; /* intake_shmem_config() before it was read */
} Half;

static Half sources;
static Half workflows;
static uint64 version = 0;
static Oid watched[4];

PG_FUNCTION_INFO_V1(intake_sql_config_changed);
PG_FUNCTION_INFO_V1(intake_sql_source_problem);
PG_FUNCTION_INFO_V1(intake_sql_database_identity);

/* Trigger: after a statement changed a table of the configuration. */
Datum
intake_sql_config_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "intake.config_changed is a trigger function");
	CacheInvalidateRelcache(trigger->tg_relation);
	intake_lane_announce_config();
	return PointerGetDatum(NULL);
}

/*
 * A relation changed. Names can only be looked up in a transaction, so the tables of the
 * configuration are known by number here.
 */
static void
invalidate(Datum arg, Oid relation)
{
	bool ours = !OidIsValid(relation);

	for (int i = 0; i < lengthof(watched); i++)
		ours |= relation == watched[i];
	if (!ours)
		return;
	sources.stale = true;
	workflows.stale = true;
}

static void
watch(void)
{
	static const char *const names[] = {"scheme", "source", "source_secret", "workflow"};
	static bool registered = false;
	Oid schema = get_namespace_oid(INTAKE_SCHEMA, false);

	for (int i = 0; i < lengthof(watched); i++)
		watched[i] = get_relname_relid(names[i], schema);
	if (!registered)
		CacheRegisterRelcacheCallback(invalidate, (Datum) 0);
	registered = true;
}

/* ---- reading rows ---- */

static char *
text_column(int row, int column)
{
	char *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	return value;
}

static int64
number_column(int row, int column, int64 otherwise)
{
	char *value = text_column(row, column);

	return value ? pg_strtoint64(value) : otherwise;
}

static bool
bool_column(int row, int column)
{
	char *value = text_column(row, column);

	return value && value[0] == 't';
}

static const char **
array_column(int row, int column, int *count)
{
	bool null;
	Datum datum = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &null);
	Datum *elements;
	bool *nulls;
	const char **result;

	*count = 0;
	if (null)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(datum), TEXTOID, -1, false, TYPALIGN_INT, &elements,
					  &nulls, count);
	result = palloc0((*count + 1) * sizeof(char *));
	for (int i = 0; i < *count; i++)
		result[i] = nulls[i] ? "" : TextDatumGetCString(elements[i]);
	return result;
}

/* An array of texts {location, template, ...} as pairs. */
static IntakePair *
pairs_column(int row, int column, int *count)
{
	int n;
	const char **texts = array_column(row, column, &n);
	IntakePair *pairs = palloc0((n / 2 + 1) * sizeof(IntakePair));

	*count = n / 2;
	for (int i = 0; i < *count; i++)
	{
		pairs[i].location = texts[2 * i];
		pairs[i].value = texts[2 * i + 1];
	}
	return pairs;
}

/* ---- sources ---- */

static const char source_query[] =
	"SELECT s.id, s.name, c.kind, c.algorithm, c.key, c.signature_from, c.prefix, c.format,"
	"  c.item_sep, c.kv_sep, c.tag, c.group_sep, c.encoding, c.message, c.timestamp_from,"
	"  c.timestamp_unit,"
	"  (extract(epoch FROM coalesce(s.tolerance, c.tolerance)) * 1000000)::bigint,"
	"  c.require, c.each, c.url_variants, coalesce(s.key_from, c.key_from),"
	"  coalesce(s.type_from, c.type_from), s.public_url, s.on_dead_duplicate = 'replay',"
	"  c.reject_status, c.success_body"
	" FROM intake.source s JOIN intake.scheme c ON c.name = s.scheme"
	" WHERE s.dropped_at IS NULL AND c.kind <> 'internal'";

static const char secret_query[] = "SELECT source_id, purpose = 'handshake', secret, expires_at"
								   " FROM intake.source_secret ORDER BY id DESC";

static const char handshake_query[] =
	"SELECT s.id, h.method,"
	"  ARRAY(SELECT t.v FROM jsonb_array_elements(h.require) WITH ORDINALITY p(pair, n),"
	"        jsonb_array_elements_text(p.pair) WITH ORDINALITY t(v, m) ORDER BY p.n, t.m),"
	"  coalesce(h.signed, false), coalesce(h.status, 200), h.content_type, h.headers, h.body"
	" FROM intake.source s JOIN intake.scheme c ON c.name = s.scheme,"
	"  ROWS FROM (jsonb_to_recordset(c.handshake) AS (method text, require jsonb,"
	"   signed boolean, status int, content_type text, headers text, body text))"
	"   WITH ORDINALITY h(method, require, signed, status, content_type, headers, body, n)"
	" WHERE s.dropped_at IS NULL ORDER BY s.id, h.n";

static void
note_problem(IntakeSource *source, const char *problem)
{
	if (source->problem == NULL)
		source->problem = problem ? problem : "unusable";
}

static IntakeLocation *
read_location(IntakeSource *source, int row, int column)
{
	const char *text = text_column(row, column);
	const char *error = NULL;
	IntakeLocation *location;

	if (text == NULL)
		return NULL;
	location = palloc0(sizeof(IntakeLocation));
	if (!intake_location_parse(text, location, &error))
		note_problem(source, psprintf("location \"%s\": %s", text, error));
	return location;
}

static void
read_scheme(IntakeSource *source, int row)
{
	IntakeSchemeRow scheme = {0};
	char *error = NULL;

	scheme.kind = text_column(row, 3);
	scheme.algorithm = text_column(row, 4);
	scheme.key = text_column(row, 5);
	scheme.signature_from = array_column(row, 6, &scheme.n_signature_from);
	scheme.prefix = text_column(row, 7);
	scheme.format = text_column(row, 8);
	scheme.item_sep = text_column(row, 9);
	scheme.kv_sep = text_column(row, 10);
	scheme.tag = text_column(row, 11);
	scheme.group_sep = text_column(row, 12);
	scheme.encoding = text_column(row, 13);
	scheme.message = text_column(row, 14);
	scheme.timestamp_from = text_column(row, 15);
	scheme.timestamp_unit = text_column(row, 16);
	scheme.tolerance = number_column(row, 17, -1);
	scheme.require = pairs_column(row, 18, &scheme.n_require);
	scheme.each = text_column(row, 19);
	scheme.url_variants = array_column(row, 20, &scheme.n_url_variants);
	source->scheme = intake_scheme_compile(&scheme, &error);
	if (source->scheme == NULL)
		note_problem(source, error);
}

static IntakeSource *
read_source(int row)
{
	IntakeSource *source = palloc0(sizeof(IntakeSource));
	char *url;

	source->id = number_column(row, 1, 0);
	source->name = text_column(row, 2);
	read_scheme(source, row);
	source->key = read_location(source, row, 21);
	source->type = read_location(source, row, 22);
	url = text_column(row, 23);
	if (url != NULL)
		source->public_url = intake_slice_cstr(url);
	source->replay_dead = bool_column(row, 24);
	source->reject_status = number_column(row, 25, 403);
	source->success_body = text_column(row, 26);
	return source;
}

static IntakeSource *
source_by_id(int32 id)
{
	ListCell *cell;

	foreach (cell, sources.list)
		if (((IntakeSource *) lfirst(cell))->id == id)
			return lfirst(cell);
	return NULL;
}

/* Room for one more entry of SIZE bytes at the end of an array of COUNT. */
static void *
grow(void *array, int count, size_t size)
{
	return array == NULL ? palloc0(size) : repalloc(array, (count + 1) * size);
}

static void
read_secret(IntakeSource *source, int row)
{
	IntakeSlice secret = intake_slice_cstr(text_column(row, 3));
	const char *why = NULL;
	bool forever;
	Datum expires = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 4, &forever);
	int n = source->n_secrets;

	if (bool_column(row, 2))
	{
		source->token = secret;
		return;
	}
	if (source->scheme != NULL && !intake_signature_key_valid(source->scheme, secret, &why))
	{
		note_problem(source, psprintf("a secret is unusable: %s", why));
		return;
	}
	source->secrets = grow(source->secrets, n, sizeof(IntakeSlice));
	source->expires = grow(source->expires, n, sizeof(TimestampTz));
	source->secrets[n] = secret;
	source->expires[n] = forever ? DT_NOEND : DatumGetTimestampTz(expires);
	source->n_secrets++;
}

static void
read_handshake(IntakeSource *source, int row)
{
	IntakeHandshakeRow rule = {0};
	IntakeHandshake *compiled;
	char *error = NULL;

	rule.method = text_column(row, 2);
	rule.require = pairs_column(row, 3, &rule.n_require);
	rule.after_verification = bool_column(row, 4);
	rule.status = number_column(row, 5, 200);
	rule.content_type = text_column(row, 6);
	rule.headers = text_column(row, 7);
	rule.body = text_column(row, 8);
	compiled = intake_handshake_compile(&rule, &error);
	if (compiled == NULL)
	{
		note_problem(source, error);
		return;
	}
	source->handshakes = grow(source->handshakes, source->n_handshakes, sizeof(IntakeHandshake));
	source->handshakes[source->n_handshakes++] = *compiled;
}

/* Runs QUERY in the context CONTEXT; the rows are in SPI_tuptable. */
static uint64
query_rows(const char *query, MemoryContext context)
{
	if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the configuration");
	MemoryContextSwitchTo(context);
	return SPI_processed;
}

static void
read_sources(MemoryContext context)
{
	IntakeSource *source;
	uint64 rows = query_rows(source_query, context);

	for (uint64 row = 0; row < rows; row++)
		sources.list = lappend(sources.list, read_source(row));
	rows = query_rows(secret_query, context);
	for (uint64 row = 0; row < rows; row++)
		if ((source = source_by_id(number_column(row, 1, 0))) != NULL)
			read_secret(source, row);
	rows = query_rows(handshake_query, context);
	for (uint64 row = 0; row < rows; row++)
		if ((source = source_by_id(number_column(row, 1, 0))) != NULL)
			read_handshake(source, row);
}

/* ---- workflows ---- */

static const char workflow_query[] =
	"SELECT id, name, owner, handler, source, type, filter, max_attempts,"
	"  (extract(epoch FROM backoff) * 1000000)::bigint,"
	"  (extract(epoch FROM backoff_max) * 1000000)::bigint,"
	"  ceil(extract(epoch FROM timeout) * 1000)::bigint,"
	"  replay_safe, NOT paused, database_identity"
	" FROM intake.workflow WHERE dropped_at IS NULL ORDER BY id";

/* What tells this database from a restored copy. Palloc'ed. */
char *
intake_registry_database_identity(void)
{
	return psprintf(UINT64_FORMAT "/%u", GetSystemIdentifier(), MyDatabaseId);
}

static IntakeWorkflow *
read_workflow(int row)
{
	IntakeWorkflow *workflow = palloc0(sizeof(IntakeWorkflow));
	char *identity = text_column(row, 14);
	bool no_filter;
	Datum filter = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 7, &no_filter);

	workflow->id = number_column(row, 1, 0);
	workflow->name = text_column(row, 2);
	workflow->owner_name = text_column(row, 3);
	workflow->owner = get_role_oid(workflow->owner_name, true);
	workflow->handler = text_column(row, 4);
	workflow->source = text_column(row, 5);
	workflow->type = text_column(row, 6);
	workflow->filter = no_filter ? NULL : DatumGetJsonPathPCopy(filter);
	workflow->max_attempts = number_column(row, 8, 1);
	workflow->backoff = number_column(row, 9, 0);
	workflow->backoff_max = number_column(row, 10, 0);
	workflow->timeout = number_column(row, 11, 1);
	workflow->replay_safe = bool_column(row, 12);
	workflow->active = bool_column(row, 13) && identity &&
					   strcmp(identity, intake_registry_database_identity()) == 0;
	return workflow;
}

static void
read_workflows(MemoryContext context)
{
	uint64 rows = query_rows(workflow_query, context);

	for (uint64 row = 0; row < rows; row++)
		workflows.list = lappend(workflows.list, read_workflow(row));
}

/* ---- looking up ---- */

static void
read_half(Half *half, void (*reader)(MemoryContext))
{
	IntakeOwner saved;
	MemoryContext old = CurrentMemoryContext;

	if (half->context == NULL)
		half->context = AllocSetContextCreate(TopMemoryContext, "pg_intake configuration",
											  ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(half->context);
	half->list = NIL;
	half->stale = true;
	half->config = intake_shmem_config();
	version++;

	watch();
	intake_owner_begin(&saved);
	SPI_connect();
	PushActiveSnapshot(GetLatestSnapshot());
	half->stale = false; /* before reading: a change while we read makes it stale */
	PG_TRY();
	{
		reader(half->context);
	}
	PG_CATCH();
	{
		half->stale = true;
		PG_RE_THROW();
	}
	PG_END_TRY();
	PopActiveSnapshot();
	SPI_finish();
	intake_owner_end(&saved);
	MemoryContextSwitchTo(old);
}

static void
refresh(Half *half, void (*reader)(MemoryContext))
{
	if (half->context == NULL || half->stale || half->config != intake_shmem_config())
		read_half(half, reader);
}

/*
 * Reads the sources again if they changed. What the other functions return holds until the
 * next refresh. The caller is in a transaction.
 */
void
intake_registry_refresh_sources(void)
{
	refresh(&sources, read_sources);
}

/* Reads the workflows again if they changed. */
void
intake_registry_refresh_workflows(void)
{
	refresh(&workflows, read_workflows);
}

/* A number that changes whenever something is read again. */
uint64
intake_registry_version(void)
{
	return version;
}

/* The source of that name, or NULL. */
IntakeSource *
intake_registry_source(IntakeSlice name)
{
	ListCell *cell;

	foreach (cell, sources.list)
	{
		IntakeSource *source = lfirst(cell);

		if (intake_slice_equal(intake_slice_cstr(source->name), name))
			return source;
	}
	return NULL;
}

/* All workflows that are not dropped, paused ones too. */
List *
intake_registry_workflows(void)
{
	return workflows.list;
}

/* The workflow with that id, or NULL when it is dropped. */
IntakeWorkflow *
intake_registry_workflow(int32 id)
{
	ListCell *cell;

	foreach (cell, workflows.list)
		if (((IntakeWorkflow *) lfirst(cell))->id == id)
			return lfirst(cell);
	return NULL;
}

/* SQL: why a source rejects everything, or NULL. */
Datum
intake_sql_source_problem(PG_FUNCTION_ARGS)
{
	IntakeSource *source;

	intake_registry_refresh_sources();
	source = intake_registry_source(intake_slice_cstr(text_to_cstring(PG_GETARG_TEXT_PP(0))));
	if (source == NULL || source->problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(source->problem));
}

/* SQL: what tells this database from a restored copy. */
Datum
intake_sql_database_identity(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(intake_registry_database_identity()));
}
