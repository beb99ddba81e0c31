/*
 * source.c
 *		Reading the sources: each with its scheme compiled, its secrets prepared.
 */
#include "postgres.h"

#include "common/unicode_norm.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "config/rows.h"
#include "config/source.h"
#include "config/vault.h"
#include "ground/duration.h"
#include "ground/txn.h"
#include "read/items.h"
#include "verify/content.h"
#include "verify/coverage.h"
#include "verify/key_parts.h"

/* What a source says itself; beside it stand the columns of its scheme, or of a variant of that. */
#define SOURCE_COLUMNS                                                                             \
	"s.id AS source_id, s.name AS source_name, s.scheme AS source_scheme,"                         \
	" s.key_from AS source_key_from, s.type_from AS source_type_from,"                             \
	" s.missing_key AS source_missing_key, s.signature_from AS source_signature_from,"             \
	" s.dedup_window AS source_dedup_window, s.split AS source_split,"                             \
	" s.tolerance AS source_tolerance, s.content AS source_content, s.public_url,"                 \
	" s.on_dead_duplicate, s.replay_guard, s.allowed_peers::text[] AS allowed_peers"

/* The pairs of a JSON array of arrays, flat. */
#define PAIRS(json)                                                                                \
	"ARRAY(SELECT t.v FROM jsonb_array_elements(" json ") WITH ORDINALITY p(pair, n),"             \
	"  jsonb_array_elements_text(p.pair) WITH ORDINALITY t(v, m) ORDER BY p.n, t.m)"

/*
 * What is read of SOURCES, which are rows of intake.source: all of them, or the one of which $1 is
 * the id.
 */
#define SOURCE_QUERY(sources)                                                                      \
	"SELECT " SOURCE_COLUMNS ", r.*"                                                               \
	" FROM " sources " s LEFT JOIN intake.scheme r ON r.name = s.scheme"                           \
	" WHERE s.dropped_at IS NULL AND r.kind IS DISTINCT FROM 'internal' AND $1 IN (0, s.id)"

#define VARIANT_QUERY(sources)                                                                     \
	"SELECT " SOURCE_COLUMNS ", r.*, " PAIRS(                                                      \
		"v.variant -> 'when'") " AS when_pairs"                                                    \
							   " FROM " sources " s JOIN intake.scheme c ON c.name = s.scheme,"    \
							   "  jsonb_array_elements(c.variants) WITH ORDINALITY v(variant, n)," \
							   "  jsonb_populate_record(c, v.variant - 'when') r"                  \
							   " WHERE s.dropped_at IS NULL AND $1 IN (0, s.id) ORDER BY s.id, v.n DESC"

#define HANDSHAKE_QUERY(sources)                                                                           \
	"SELECT s.id AS source_id, h.*, " PAIRS("h.require") " AS require_pairs, " PAIRS(                      \
		"h.json") " AS json_pairs"                                                                         \
				  " FROM " sources " s JOIN intake.scheme c ON c.name = s.scheme,"                         \
				  "  ROWS FROM (jsonb_to_recordset(c.handshake) AS (method text, require jsonb,"           \
				  "   signed boolean, status int, content_type text, headers text, body text, json jsonb," \
				  "   learn text)) WITH ORDINALITY"                                                        \
				  "   h(method, require, signed, status, content_type, headers, body, json, learn, n)"     \
				  " WHERE s.dropped_at IS NULL AND $1 IN (0, s.id) ORDER BY s.id, h.n"

/* What a source of the scheme called $2 would be that says nothing by itself. */
#define SOURCE_OF_SCHEME                                                                           \
	"(SELECT r.* FROM (SELECT jsonb_build_object('id', 0, 'name', '', 'scheme', $2) AS json) j,"   \
	"  jsonb_populate_record(NULL::intake.source, j.json) r)"

typedef struct Queries
{
	const char *sources;
	const char *variants;
	const char *secrets; /* or NULL */
	const char *handshakes;
} Queries;

static const Queries of_sources = {
	SOURCE_QUERY("intake.source"), VARIANT_QUERY("intake.source"),
	"SELECT * FROM intake.source_secret WHERE $1 IN (0, source_id) ORDER BY id DESC",
	HANDSHAKE_QUERY("intake.source")};

static const Queries of_scheme = {SOURCE_QUERY(SOURCE_OF_SCHEME), VARIANT_QUERY(SOURCE_OF_SCHEME),
								  NULL, HANDSHAKE_QUERY(SOURCE_OF_SCHEME)};

static IntakeVault vault; /* while sources are read */

static void
note_problem(IntakeSource *source, const char *problem)
{
	if (source->problem == NULL)
		source->problem = problem ? problem : "unusable";
}

/* The same, and the source accepts nothing: it might verify less than it should. */
static void
close_source(IntakeSource *source, const char *problem)
{
	note_problem(source, problem);
	source->closed = true;
}

/* What the source says, or else its scheme. */
static const char *
text_of_either(int row, const char *of_source, const char *of_scheme)
{
	const char *text = intake_rows_text(row, of_source);

	return text != NULL ? text : intake_rows_text(row, of_scheme);
}

typedef bool (*LocationParser)(const char *, IntakeLocation *, const char **);

static IntakeLocation *
read_location(IntakeSource *source, const char *text, LocationParser parse)
{
	const char *error = NULL;
	IntakeLocation *location;

	if (text == NULL)
		return NULL;
	location = palloc0(sizeof(IntakeLocation));
	if (!parse(text, location, &error))
		note_problem(source, psprintf("location \"%s\": %s", text, error));
	return location;
}

/* Reads the columns of a scheme, and what the source says instead. */
static IntakeScheme *
read_scheme(IntakeSource *source, int row, const IntakePair *when, int n_when)
{
	IntakeSchemeRow scheme = {0};
	IntakeScheme *compiled;
	const char *error = NULL;
	const char *tolerance =
		intake_rows_null(row, "source_tolerance") ? "tolerance" : "source_tolerance";
	const char *signature_from = intake_rows_text(row, "source_signature_from");

	scheme.kind = intake_rows_text(row, "kind");
	scheme.algorithm = intake_rows_text(row, "algorithm");
	scheme.key = intake_rows_text(row, "key");
	scheme.signature_from = intake_rows_texts(row, "signature_from", &scheme.n_signature_from);
	if (signature_from != NULL)
	{
		scheme.signature_from = memcpy(palloc(sizeof(char *)), &signature_from, sizeof(char *));
		scheme.n_signature_from = 1;
	}
	scheme.prefix = intake_rows_text(row, "prefix");
	scheme.format = intake_rows_text(row, "format");
	scheme.item_sep = intake_rows_text(row, "item_sep");
	scheme.kv_sep = intake_rows_text(row, "kv_sep");
	scheme.tag = intake_rows_text(row, "tag");
	scheme.group_sep = intake_rows_text(row, "group_sep");
	scheme.encoding = intake_rows_text(row, "encoding");
	scheme.message = intake_rows_text(row, "message");
	scheme.timestamp_from = intake_rows_text(row, "timestamp_from");
	scheme.timestamp_unit = intake_rows_text(row, "timestamp_unit");
	scheme.tolerance = intake_rows_duration(row, tolerance, -1);
	scheme.require = intake_rows_pairs(row, "require", &scheme.n_require);
	scheme.each = intake_rows_text(row, "each");
	scheme.url_variants = intake_rows_texts(row, "url_variants", &scheme.n_url_variants);
	scheme.url_fields = intake_rows_texts(row, "url_fields", &scheme.n_url_fields);
	scheme.volatiles = intake_rows_texts(row, "volatile", &scheme.n_volatiles);
	scheme.verified = intake_rows_text(row, "verified");
	scheme.content = text_of_either(row, "content", "source_content");
	scheme.json_from = intake_rows_text(row, "json_from");
	scheme.borders = intake_rows_text(row, "borders");
	scheme.signs = intake_rows_text(row, "signs");
	scheme.when = when;
	scheme.n_when = n_when;
	if (!intake_rows_null(row, tolerance) &&
		(scheme.tolerance < 0 || scheme.tolerance > INTAKE_DURATION_LONGEST))
	{
		note_problem(source, "tolerance is out of range");
		return NULL;
	}
	compiled = intake_scheme_compile(&scheme, &error);
	if (compiled == NULL)
		note_problem(source, error);
	return compiled;
}

static void
read_allowed(IntakeSource *source, int row)
{
	const char **texts = intake_rows_texts(row, "allowed_peers", &source->n_allowed);

	source->allowed = palloc0((source->n_allowed + 1) * sizeof(IntakeRange));
	for (int i = 0; i < source->n_allowed; i++)
		if (!intake_range_parse(intake_slice_cstr(texts[i]), &source->allowed[i]))
			note_problem(source, "allowed_peers has something that is no range of addresses");
}

/* Reads where the key of an event stands, and how long it is one. */
static void
read_key(IntakeSource *source, int row)
{
	const char *missing = text_of_either(row, "source_missing_key", "missing_key");
	const char *class = intake_rows_text(row, "key_class");
	const char *window =
		intake_rows_null(row, "source_dedup_window") ? "dedup_window" : "source_dedup_window";

	source->key = read_location(source, text_of_either(row, "source_key_from", "key_from"),
								intake_location_parse_key);
	source->missing_key = missing == NULL                  ? INTAKE_MISSING_REJECT
						  : strcmp(missing, "digest") == 0 ? INTAKE_MISSING_DIGEST
						  : strcmp(missing, "each") == 0   ? INTAKE_MISSING_EACH
														   : INTAKE_MISSING_REJECT;
	source->key_ends =
		intake_rows_null(row, "source_key_from") && class != NULL && strcmp(class, "event") != 0;
	source->dedup_window = intake_rows_duration(row, window, 7 * USECS_PER_DAY);
	if (source->dedup_window < 0 || source->dedup_window > INTAKE_DURATION_LONGEST)
		note_problem(source, "dedup_window is out of range");
}

/*
 * Reads where the items of a delivery stand that are events, and where their keys and types. A path of
 * the source's own leads to other items than the scheme's, and what the scheme says of those it does
 * not say of them.
 */
static void
read_split(IntakeSource *source, int row)
{
	const char *asked = intake_rows_text(row, "source_split");
	bool own = asked != NULL && strcmp(asked, "true") != 0;
	const char *paths = own ? asked : intake_rows_text(row, "split");
	const char *key = intake_rows_text(row, own ? "source_key_from" : "split_key_from");
	const char *type = intake_rows_text(row, own ? "source_type_from" : "split_type_from");

	if (asked != NULL && !own)
	{
		key = text_of_either(row, "source_key_from", "split_key_from");
		type = text_of_either(row, "source_type_from", "split_type_from");
	}
	source->split = read_location(source, paths, intake_items_parse);
	source->item_key = read_location(source, key, intake_location_parse_key);
	source->item_type = read_location(source, type, intake_location_parse);
	source->item_key_ends =
		intake_rows_null(row, "source_key_from") && !intake_rows_is(row, "key_class", "event");
	if (asked != NULL && source->split == NULL)
		note_problem(
			source,
			"split is true, but the scheme does not say where the events of a delivery stand");
	if (asked != NULL && !intake_key_parts_tell_items(source->item_key))
		note_problem(source, "key_from is the same for all events of a delivery: they must be told "
							 "by what stands in them");
	if (asked == NULL)
		source->split = NULL;
}

/*
 * Has a delivery that cannot be split be one event, whose key is an id of its own or else its digest:
 * what the first of its items says would swallow the others.
 */
static void
read_key_of_whole(IntakeSource *source, int row)
{
	const char *key =
		intake_rows_is(row, "key_class", "event") ? intake_rows_text(row, "key_from") : NULL;

	source->key = read_location(source, key, intake_location_parse_key);
	source->type = read_location(source, intake_rows_text(row, "type_from"), intake_location_parse);
	source->key_ends = false;
	if (source->missing_key == INTAKE_MISSING_REJECT)
		source->missing_key = INTAKE_MISSING_DIGEST;
}

static IntakeSource *
read_source(int row)
{
	IntakeSource *source = palloc0(sizeof(IntakeSource));

	source->id = intake_rows_number(row, "source_id", 0);
	source->name = intake_rows_text(row, "source_name");
	if (!intake_rows_null(row, "kind"))
		source->scheme = read_scheme(source, row, NULL, 0);
	else
	{
		/* It came with a dump, from where there was such a preset. */
		note_problem(source, psprintf("scheme \"%s\" does not exist",
									  intake_rows_text(row, "source_scheme")));
		source->our_fault = "no_scheme";
	}
	read_key(source, row);
	source->type = read_location(source, text_of_either(row, "source_type_from", "type_from"),
								 intake_location_parse);
	read_split(source, row);
	if (source->split != NULL)
		read_key_of_whole(source, row);
	source->public_url = intake_slice_cstr(intake_rows_text(row, "public_url"));
	source->replay_dead = intake_rows_is(row, "on_dead_duplicate", "replay");
	source->reject_status = intake_rows_number(row, "reject_status", 403);
	source->success_body = intake_rows_text(row, "success_body");
	source->guarded = intake_rows_bool(row, "replay_guard");
	read_allowed(source, row);
	return source;
}

/* Puts a variant before what there is of its source's scheme. */
static void
read_variant(IntakeSource *source, int row)
{
	int count;
	IntakePair *when = intake_rows_pairs(row, "when_pairs", &count);
	IntakeScheme *variant = read_scheme(source, row, when, count);

	if (variant == NULL)
	{
		close_source(source, NULL);
		return;
	}
	variant->next = source->scheme;
	source->scheme = variant;
}

static IntakeSource *
source_by_id(List *sources, int32 id)
{
	ListCell *cell;

	foreach (cell, sources)
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

/*
 * A secret as EasyPost takes it: Unicode's compatibility decomposition (NFKD) of it, in UTF-8.
 * What is ASCII is that already.
 */
static IntakeSlice
normalise(IntakeSlice secret)
{
	char *utf8 = pg_server_to_any((char *) secret.data, secret.len, PG_UTF8);
	int length = strlen(utf8);
	pg_wchar *characters = palloc0((length + 1) * sizeof(pg_wchar));
	pg_wchar *normal;
	unsigned char *out;
	size_t n = 0;

	(void) pg_encoding_mb2wchar_with_len(PG_UTF8, utf8, characters, length);
	normal = unicode_normalize(UNICODE_NFKD, characters);
	out = palloc(MAX_MULTIBYTE_CHAR_LEN * pg_wchar_strlen(normal) + 1);
	for (pg_wchar *c = normal; *c != 0; c++)
	{
		unicode_to_utf8(*c, out + n);
		n += pg_utf_mblen(out + n);
	}
	intake_vault_wipe(normal, pg_wchar_strlen(normal) * sizeof(pg_wchar));
	intake_vault_wipe(characters, length * sizeof(pg_wchar));
	intake_vault_wipe(utf8, length);
	return (IntakeSlice){(char *) out, n};
}

/* Whether a secret verifies nothing any more, and says at most why a request does not. */
static bool
is_over(int row)
{
	TimestampTz now = GetCurrentTimestamp();

	return intake_rows_time(row, "expires_at", DT_NOEND) <= now;
}

static void
add_secret(IntakeSource *source, int row, IntakeSlice text)
{
	IntakeSecret secret = {0};
	const char *why = NULL;

	if (!intake_signing_key_prepare(source->scheme, text, &secret.key, &why))
	{
		/* One that is over is not missed: that is how it is replaced. */
		if (!is_over(row))
			note_problem(source, psprintf("a secret is unusable: %s", why));
		intake_vault_wipe((char *) text.data, text.len);
		return;
	}
	secret.id = intake_rows_number(row, "id", 0);
	secret.from = intake_rows_time(row, "valid_from", DT_NOBEGIN);
	secret.until = intake_rows_time(row, "expires_at", DT_NOEND);
	source->secrets = grow(source->secrets, source->n_secrets, sizeof(IntakeSecret));
	source->secrets[source->n_secrets++] = secret;
}

/* Reads a secret. One that cannot be had closes its source, and no other. */
static void
read_secret(IntakeSource *source, int row)
{
	bool null;
	Datum sealed = intake_rows_datum(row, "secret", &null);
	const char *problem = NULL;
	const char *why = NULL;
	IntakeSlice text;
	IntakeUnsealing unsealing =
		intake_vault_unseal(&vault, DatumGetByteaPP(sealed), &text, &problem);

	if (unsealing != INTAKE_UNSEALED)
	{
		if (unsealing == INTAKE_DAMAGED && is_over(row))
			return;
		note_problem(source, problem);
		source->our_fault = unsealing == INTAKE_DAMAGED ? "damaged_secret" : INTAKE_FAULT_KEY_FILE;
	}
	else if (intake_rows_is(row, "purpose", "handshake"))
	{
		source->token = text;
		if (!intake_signing_key_is_secret(text, &why))
			note_problem(source, psprintf("the verify_token is unusable: %s", why));
	}
	else if (source->scheme != NULL && source->scheme->key_form == INTAKE_KEY_NFKD)
	{
		add_secret(source, row, normalise(text));
		intake_vault_wipe((char *) text.data, text.len);
	}
	else if (source->scheme != NULL)
		add_secret(source, row, text);
}

static void
read_handshake(IntakeSource *source, int row)
{
	IntakeHandshakeRow rule = {0};
	IntakeHandshake *compiled;
	const char *error = NULL;

	rule.method = intake_rows_text(row, "method");
	rule.require = intake_rows_pairs(row, "require_pairs", &rule.n_require);
	rule.after_verification = intake_rows_bool(row, "signed");
	rule.status = intake_rows_number(row, "status", 200);
	rule.content_type = intake_rows_text(row, "content_type");
	rule.headers = intake_rows_text(row, "headers");
	rule.body = intake_rows_text(row, "body");
	rule.json = intake_rows_pairs(row, "json_pairs", &rule.n_json);
	rule.learn = intake_rows_text(row, "learn");
	compiled = intake_handshake_compile(&rule, &error);
	if (compiled == NULL)
	{
		note_problem(source, error);
		return;
	}
	source->handshakes = grow(source->handshakes, source->n_handshakes, sizeof(IntakeHandshake));
	source->handshakes[source->n_handshakes++] = *compiled;
}

/* Says of each variant of the scheme how its content is known again, and that of items. */
static void
set_guards(IntakeSource *source)
{
	bool digest = source->missing_key == INTAKE_MISSING_DIGEST;

	for (IntakeScheme *scheme = source->scheme; scheme != NULL; scheme = scheme->next)
	{
		scheme->guarded =
			source->guarded && (intake_coverage_needs_guard(scheme, source->key, digest) ||
								(source->split != NULL &&
								 intake_coverage_needs_guard(scheme, source->item_key, true)));
		scheme->typed = intake_coverage_lacks_type(scheme, source->type);
		scheme->shared = intake_coverage_is_shared(scheme, source->key);
		if (source->split != NULL)
			intake_volatile_within(&scheme->volatiles, source->split, &scheme->item_volatiles);
	}
}

/* Has each variant say what a body must be, and the source whether it is to be looked at. */
static void
settle_content(IntakeSource *source)
{
	for (IntakeScheme *scheme = source->scheme; scheme != NULL; scheme = scheme->next)
		scheme->content = intake_content_default(
			scheme, source->split ? source->split : source->key, source->type);
	source->reads_body = source->split != NULL || intake_content_reads(source->key) ||
						 intake_content_reads(source->type);
}

/* A query for the rows of one source, or of all of them. */
typedef struct Asking
{
	const char *what; /* the rows are, for people */
	const char *text;
	const char *scheme; /* that they are asked of, or "" */
	int32 source_id;    /* 0: all */
	uint64 rows;
} Asking;

static bool
run(void *argument)
{
	Asking *query = argument;

	query->rows = intake_rows_query_of(query->text, query->source_id, query->scheme);
	return true;
}

/* Whether an error comes from what stands in a row, and not from what happens to the server. */
static bool
is_of_the_row(const ErrorData *error)
{
	int category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	return category == ERRCODE_DATA_EXCEPTION || category == ERRCODE_PROGRAM_LIMIT_EXCEEDED ||
		   category == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION;
}

/* Runs a query. Returns NULL, or why the rows of its sources cannot be read. */
static const char *
try(Asking *query)
{
	ErrorData *error;

	if (intake_txn_try(run, query, &error))
		return NULL;
	if (!is_of_the_row(error))
		ReThrowError(error);
	return error->message;
}

static void
read_result(List *sources, const Asking *query, void (*reader)(IntakeSource *, int))
{
	IntakeSource *source;

	for (uint64 row = 0; row < query->rows; row++)
		if ((source = source_by_id(sources, intake_rows_number(row, "source_id", 0))) != NULL)
			reader(source, row);
}

/*
 * Has READER read all rows of a query. Where one of them cannot be made, what is JSON being no
 * JSON of that kind, the sources are asked for one by one, and the one whose row it is is closed.
 */
static void
read_rows(List *sources, Asking query, void (*reader)(IntakeSource *, int))
{
	ListCell *cell;

	if (try(&query) == NULL)
	{
		read_result(sources, &query, reader);
		return;
	}
	foreach (cell, sources)
	{
		IntakeSource *source = lfirst(cell);
		const char *problem;

		query.source_id = source->id;
		problem = try(&query);
		if (problem == NULL)
			read_result(sources, &query, reader);
		else
			close_source(source, psprintf("%s: %s", query.what, problem));
	}
}

/* Gives back what a list of sources holds outside of its memory context, and wipes its secrets. */
static void
release_sources(void *list)
{
	ListCell *cell;

	foreach (cell, *(List **) list)
	{
		IntakeSource *source = lfirst(cell);

		for (IntakeScheme *scheme = source->scheme; scheme != NULL; scheme = scheme->next)
			intake_scheme_release(scheme);
		for (int i = 0; i < source->n_secrets; i++)
		{
			IntakeSlice secret = source->secrets[i].key.secret;

			intake_signing_key_release(&source->secrets[i].key);
			intake_vault_wipe((char *) secret.data, secret.len);
		}
		intake_vault_wipe((char *) source->token.data, source->token.len);
		for (int i = 0; i < source->n_handshakes; i++)
			intake_handshake_release(&source->handshakes[i]);
	}
	*(List **) list = NIL;
	intake_vault_close(&vault);
}

static void
read_all(List **list, MemoryContext context, const Queries *queries, const char *scheme)
{
	MemoryContextCallback *callback = MemoryContextAllocZero(context, sizeof(*callback));
	Asking query = {"sources", queries->sources, scheme};

	callback->func = release_sources;
	callback->arg = list;
	MemoryContextRegisterResetCallback(context, callback);
	(void) run(&query);
	MemoryContextSwitchTo(context);
	for (uint64 row = 0; row < query.rows; row++)
		*list = lappend(*list, read_source(row));
	read_rows(*list, (Asking){"variants of the scheme", queries->variants, scheme}, read_variant);
	if (queries->secrets != NULL)
	{
		intake_vault_open(&vault);
		read_rows(*list, (Asking){"secrets", queries->secrets, scheme}, read_secret);
		intake_vault_close(&vault);
	}
	read_rows(*list, (Asking){"handshake of the scheme", queries->handshakes, scheme},
			  read_handshake);
}

/*
 * Reads all sources into CONTEXT. The list must stay where it is until the context is reset,
 * which releases what the sources hold. The caller is connected to SPI.
 */
void
intake_source_read_all(List **list, MemoryContext context)
{
	ListCell *cell;

	read_all(list, context, &of_sources, "");
	foreach (cell, *list)
	{
		settle_content(lfirst(cell));
		set_guards(lfirst(cell));
	}
}

/*
 * Reads what would be a source of the scheme called NAME, in the same way. It has no secrets, and
 * its variants say of their content what the scheme says. An empty list: it is internal.
 */
void
intake_source_read_scheme(List **list, MemoryContext context, const char *name)
{
	read_all(list, context, &of_scheme, name);
}

/*
 * Reads into CONTEXT which sources have JSON in fields of forms, those that were dropped, too. The
 * caller is connected to SPI.
 */
void
intake_source_read_json_fields(List **list, MemoryContext context)
{
	uint64 rows = intake_rows_query(
		"SELECT s.id, substr(c.json_from, 6) AS field FROM intake.source s"
		" JOIN intake.scheme c ON c.name = s.scheme WHERE c.json_from IS NOT NULL",
		context);

	for (uint64 row = 0; row < rows; row++)
	{
		IntakeJsonField *field = palloc0(sizeof(IntakeJsonField));

		field->source_id = intake_rows_number(row, "id", 0);
		field->name = intake_slice_cstr(intake_rows_text(row, "field"));
		*list = lappend(*list, field);
	}
}
