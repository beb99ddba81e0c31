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
#include "vault.h"

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
static TimestampTz retry_at = DT_NOEND; /* when to read sources again that lack their key file */
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

/* A scheme, or one of its variants, as a row of columns that read_scheme knows. */
#define SCHEME_COLUMNS                                                                                                \
	"r.kind, r.algorithm, r.key,"                                                                                     \
	" CASE WHEN s.signature_from IS NULL THEN r.signature_from ELSE ARRAY[s.signature_from] END, r.prefix, r.format," \
	" r.item_sep, r.kv_sep, r.tag, r.group_sep, r.encoding, r.message, r.timestamp_from,"                             \
	" r.timestamp_unit,"                                                                                              \
	" (extract(epoch FROM coalesce(s.tolerance, r.tolerance)) * 1000000)::bigint,"                                    \
	" r.require, r.each, r.url_variants, r.verified"

/* The pairs of a JSON array of arrays, flat. */
#define PAIRS(json)                                                                                \
	"ARRAY(SELECT t.v FROM jsonb_array_elements(" json ") WITH ORDINALITY p(pair, n),"             \
	"  jsonb_array_elements_text(p.pair) WITH ORDINALITY t(v, m) ORDER BY p.n, t.m)"

static const char source_query[] =
	"SELECT s.id, s.name, " SCHEME_COLUMNS ", coalesce(s.key_from, r.key_from),"
	"  coalesce(s.type_from, r.type_from), s.public_url, s.on_dead_duplicate = 'replay',"
	"  r.reject_status, r.success_body, coalesce(s.missing_key, r.missing_key) = 'digest',"
	"  s.replay_guard, s.allowed_peers::text[]"
	" FROM intake.source s JOIN intake.scheme r ON r.name = s.scheme"
	" WHERE s.dropped_at IS NULL AND r.kind <> 'internal'";

static const char variant_query[] = "SELECT s.id, " PAIRS(
	"v.variant -> 'when'") ", " SCHEME_COLUMNS
						   " FROM intake.source s JOIN intake.scheme c ON c.name = s.scheme,"
						   "  jsonb_array_elements(c.variants) WITH ORDINALITY v(variant, n),"
						   "  jsonb_populate_record(c, v.variant - 'when') r"
						   " WHERE s.dropped_at IS NULL ORDER BY s.id, v.n DESC";

static const char secret_query[] =
	"SELECT source_id, purpose = 'handshake', secret, id, valid_from, expires_at"
	" FROM intake.source_secret ORDER BY id DESC";

static const char handshake_query[] = "SELECT s.id, h.method, " PAIRS(
	"h.require") ","
				 "  coalesce(h.signed, false), coalesce(h.status, 200), h.content_type, h.headers, h.body,"
				 "  " PAIRS(
					 "h.json") ", h.learn"
							   " FROM intake.source s JOIN intake.scheme c ON c.name = s.scheme,"
							   "  ROWS FROM (jsonb_to_recordset(c.handshake) AS (method text, require jsonb,"
							   "   signed boolean, status int, content_type text, headers text, body text, json jsonb,"
							   "   learn text)) WITH ORDINALITY"
							   "   h(method, require, signed, status, content_type, headers, body, json, learn, n)"
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

/* Reads SCHEME_COLUMNS, from a column on. */
static IntakeScheme *
read_scheme(IntakeSource *source, int row, int first, const IntakePair *when, int n_when)
{
	IntakeSchemeRow scheme = {0};
	IntakeScheme *compiled;
	char *error = NULL;

	scheme.kind = text_column(row, first);
	scheme.algorithm = text_column(row, first + 1);
	scheme.key = text_column(row, first + 2);
	scheme.signature_from = array_column(row, first + 3, &scheme.n_signature_from);
	scheme.prefix = text_column(row, first + 4);
	scheme.format = text_column(row, first + 5);
	scheme.item_sep = text_column(row, first + 6);
	scheme.kv_sep = text_column(row, first + 7);
	scheme.tag = text_column(row, first + 8);
	scheme.group_sep = text_column(row, first + 9);
	scheme.encoding = text_column(row, first + 10);
	scheme.message = text_column(row, first + 11);
	scheme.timestamp_from = text_column(row, first + 12);
	scheme.timestamp_unit = text_column(row, first + 13);
	scheme.tolerance = number_column(row, first + 14, -1);
	scheme.require = pairs_column(row, first + 15, &scheme.n_require);
	scheme.each = text_column(row, first + 16);
	scheme.url_variants = array_column(row, first + 17, &scheme.n_url_variants);
	scheme.verified = text_column(row, first + 18);
	scheme.when = when;
	scheme.n_when = n_when;
	compiled = intake_scheme_compile(&scheme, &error);
	if (compiled == NULL)
		note_problem(source, error);
	return compiled;
}

#define N_SCHEME_COLUMNS 19

static void
read_allowed(IntakeSource *source, int row, int column)
{
	const char **texts = array_column(row, column, &source->n_allowed);

	source->allowed = palloc0((source->n_allowed + 1) * sizeof(IntakeRange));
	for (int i = 0; i < source->n_allowed; i++)
		if (!intake_range_parse(intake_slice_cstr(texts[i]), &source->allowed[i]))
			note_problem(source, "allowed_peers has something that is no range of addresses");
}

static IntakeSource *
read_source(int row)
{
	IntakeSource *source = palloc0(sizeof(IntakeSource));
	const int rest = 3 + N_SCHEME_COLUMNS;
	char *url;

	source->id = number_column(row, 1, 0);
	source->name = text_column(row, 2);
	source->scheme = read_scheme(source, row, 3, NULL, 0);
	source->key = read_location(source, row, rest);
	source->type = read_location(source, row, rest + 1);
	url = text_column(row, rest + 2);
	if (url != NULL)
		source->public_url = intake_slice_cstr(url);
	source->replay_dead = bool_column(row, rest + 3);
	source->reject_status = number_column(row, rest + 4, 403);
	source->success_body = text_column(row, rest + 5);
	source->digest_key = bool_column(row, rest + 6);
	source->guarded = bool_column(row, rest + 7);
	read_allowed(source, row, rest + 8);
	return source;
}

/* Puts a variant before what there is of its source's scheme. */
static void
read_variant(IntakeSource *source, int row)
{
	int count;
	IntakePair *when = pairs_column(row, 2, &count);
	IntakeScheme *variant = read_scheme(source, row, 3, when, count);

	if (variant == NULL)
		return;
	variant->next = source->scheme;
	source->scheme = variant;
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

static TimestampTz
time_column(int row, int column, TimestampTz otherwise)
{
	bool null;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &null);

	return null ? otherwise : DatumGetTimestampTz(value);
}

static void
read_secret(IntakeSource *source, int row)
{
	bool null;
	Datum sealed = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 3, &null);
	IntakeSecret secret = {0};
	char *problem = NULL;
	const char *why = NULL;
	IntakeSlice text = intake_slice_cstr(intake_vault_unseal(DatumGetByteaPP(sealed), &problem));

	if (text.data == NULL)
	{
		note_problem(source, problem);
		source->our_fault = true;
		retry_at = GetCurrentTimestamp() + USECS_PER_SEC;
		return;
	}
	if (bool_column(row, 2))
	{
		source->token = text;
		return;
	}
	if (source->scheme == NULL)
		return;
	if (!intake_key_prepare(source->scheme, text, &secret.key, &why))
	{
		note_problem(source, psprintf("a secret is unusable: %s", why));
		return;
	}
	secret.id = number_column(row, 4, 0);
	secret.from = time_column(row, 5, DT_NOBEGIN);
	secret.until = time_column(row, 6, DT_NOEND);
	source->secrets = grow(source->secrets, source->n_secrets, sizeof(IntakeSecret));
	source->secrets[source->n_secrets++] = secret;
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
	rule.json = pairs_column(row, 9, &rule.n_json);
	rule.learn = text_column(row, 10);
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

/* Whether content must be remembered because nothing else stops who sends it again. */
static bool
needs_guard(const IntakeSource *source)
{
	for (const IntakeScheme *scheme = source->scheme; scheme != NULL; scheme = scheme->next)
		if (scheme->message != NULL && !intake_scheme_has_window(scheme) && source->key != NULL &&
			!intake_scheme_covers(scheme, source->key))
			return true;
	return false;
}

static void
read_rows(const char *query, MemoryContext context, void (*reader)(IntakeSource *, int))
{
	IntakeSource *source;
	uint64 rows = query_rows(query, context);

	for (uint64 row = 0; row < rows; row++)
		if ((source = source_by_id(number_column(row, 1, 0))) != NULL)
			reader(source, row);
}

/* Gives back what the sources hold outside of their memory context. */
static void
release_sources(void *unused)
{
	ListCell *cell;

	foreach (cell, sources.list)
	{
		IntakeSource *source = lfirst(cell);

		for (IntakeScheme *scheme = source->scheme; scheme != NULL; scheme = scheme->next)
			intake_scheme_release(scheme);
		for (int i = 0; i < source->n_secrets; i++)
			intake_key_release(&source->secrets[i].key);
		for (int i = 0; i < source->n_handshakes; i++)
			intake_handshake_release(&source->handshakes[i]);
	}
	sources.list = NIL;
}

static void
read_sources(MemoryContext context)
{
	MemoryContextCallback *callback = MemoryContextAllocZero(context, sizeof(*callback));
	uint64 rows = query_rows(source_query, context);
	ListCell *cell;

	callback->func = release_sources;
	MemoryContextRegisterResetCallback(context, callback);
	for (uint64 row = 0; row < rows; row++)
		sources.list = lappend(sources.list, read_source(row));
	read_rows(variant_query, context, read_variant);
	read_rows(secret_query, context, read_secret);
	read_rows(handshake_query, context, read_handshake);
	foreach (cell, sources.list)
	{
		IntakeSource *source = lfirst(cell);

		source->guarded = source->guarded && needs_guard(source);
	}
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
	if (retry_at != DT_NOEND && GetCurrentTimestamp() >= retry_at)
	{
		retry_at = DT_NOEND;
		sources.stale = true;
	}
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
