/*
 * profile.c
 *		Profiles: how the requests of sources are verified and read, compiled from the row of their
 *		scheme and what they say themselves.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "config/profile.h"
#include "config/rows.h"
#include "ground/duration.h"
#include "ground/owner.h"
#include "ground/txn.h"
#include "read/items.h"
#include "verify/content.h"
#include "verify/coverage.h"
#include "verify/key_parts.h"

/* What a source says itself; beside it stand the columns of its scheme, or of a variant of that. */
#define SOURCE_COLUMNS                                                                             \
	"s.scheme AS source_scheme,"                                                                   \
	" s.key_from AS source_key_from, s.type_from AS source_type_from,"                             \
	" s.missing_key AS source_missing_key, s.signature_from AS source_signature_from,"             \
	" s.dedup_window AS source_dedup_window, s.split AS source_split,"                             \
	" s.tolerance AS source_tolerance, s.content AS source_content, s.replay_guard"

/* The pairs of a JSON array of arrays, flat. */
#define PAIRS(json)                                                                                \
	"ARRAY(SELECT t.v FROM jsonb_array_elements(" json ") WITH ORDINALITY p(pair, n),"             \
	"  jsonb_array_elements_text(p.pair) WITH ORDINALITY t(v, m) ORDER BY p.n, t.m)"

/*
 * What is read of the one of SOURCES, which are rows of intake.source, of which $1 is the id.
 */
#define PROFILE_QUERY(sources)                                                                     \
	"SELECT " SOURCE_COLUMNS ", r.*"                                                               \
	" FROM " sources " s LEFT JOIN intake.scheme r ON r.name = s.scheme"                           \
	" WHERE s.id = $1 AND r.kind IS DISTINCT FROM 'internal'"

#define VARIANT_QUERY(sources)                                                                     \
	"SELECT " SOURCE_COLUMNS ", r.*, " PAIRS(                                                      \
		"v.variant -> 'when'") " AS when_pairs"                                                    \
							   " FROM " sources " s JOIN intake.scheme c ON c.name = s.scheme,"    \
							   "  jsonb_array_elements(c.variants) WITH ORDINALITY v(variant, n)," \
							   "  jsonb_populate_record(c, v.variant - 'when') r"                  \
							   " WHERE s.id = $1 ORDER BY v.n DESC"

#define HANDSHAKE_QUERY(sources)                                                                           \
	"SELECT h.*, " PAIRS("h.require") " AS require_pairs, " PAIRS(                                         \
		"h.json") " AS json_pairs"                                                                         \
				  " FROM " sources " s JOIN intake.scheme c ON c.name = s.scheme,"                         \
				  "  ROWS FROM (jsonb_to_recordset(c.handshake) AS (method text, require jsonb,"           \
				  "   signed boolean, status int, content_type text, headers text, body text, json jsonb," \
				  "   learn text)) WITH ORDINALITY"                                                        \
				  "   h(method, require, signed, status, content_type, headers, body, json, learn, n)"     \
				  " WHERE s.id = $1 ORDER BY h.n"

/* What a source of the scheme called $2 would be that says nothing by itself, under the id 0. */
#define SOURCE_OF_SCHEME                                                                           \
	"(SELECT r.* FROM (SELECT jsonb_build_object('id', 0, 'scheme', $2) AS json) j,"               \
	"  jsonb_populate_record(NULL::intake.source, j.json) r)"

typedef struct Queries
{
	const char *profile;
	const char *variants;
	const char *handshakes;
} Queries;

static const Queries of_source = {PROFILE_QUERY("intake.source"), VARIANT_QUERY("intake.source"),
								  HANDSHAKE_QUERY("intake.source")};

static const Queries of_scheme = {PROFILE_QUERY(SOURCE_OF_SCHEME), VARIANT_QUERY(SOURCE_OF_SCHEME),
								  HANDSHAKE_QUERY(SOURCE_OF_SCHEME)};

static void
note_problem(IntakeProfile *profile, const char *problem)
{
	if (profile->problem == NULL)
		profile->problem = problem ? problem : "unusable";
}

/* The same, and its sources accept nothing: they might verify less than they should. */
static void
close_profile(IntakeProfile *profile, const char *problem)
{
	note_problem(profile, problem);
	profile->closed = true;
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
read_location(IntakeProfile *profile, const char *text, LocationParser parse)
{
	const char *error = NULL;
	IntakeLocation *location;

	if (text == NULL)
		return NULL;
	location = palloc0(sizeof(IntakeLocation));
	if (!parse(text, location, &error))
		note_problem(profile, psprintf("location \"%s\": %s", text, error));
	return location;
}

/* Reads the columns of a scheme, and what the source says instead. */
static IntakeScheme *
read_scheme(IntakeProfile *profile, int row, const IntakePair *when, int n_when)
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
		note_problem(profile, "tolerance is out of range");
		return NULL;
	}
	compiled = intake_scheme_compile(&scheme, &error);
	if (compiled == NULL)
		note_problem(profile, error);
	return compiled;
}

/* Reads where the key of an event stands, and how long it is one. */
static void
read_key(IntakeProfile *profile, int row)
{
	const char *missing = text_of_either(row, "source_missing_key", "missing_key");
	const char *class = intake_rows_text(row, "key_class");
	const char *window =
		intake_rows_null(row, "source_dedup_window") ? "dedup_window" : "source_dedup_window";

	profile->key = read_location(profile, text_of_either(row, "source_key_from", "key_from"),
								 intake_location_parse_key);
	profile->missing_key = missing == NULL                  ? INTAKE_MISSING_REJECT
						   : strcmp(missing, "digest") == 0 ? INTAKE_MISSING_DIGEST
						   : strcmp(missing, "each") == 0   ? INTAKE_MISSING_EACH
															: INTAKE_MISSING_REJECT;
	profile->key_ends =
		intake_rows_null(row, "source_key_from") && class != NULL && strcmp(class, "event") != 0;
	profile->dedup_window = intake_rows_duration(row, window, 7 * USECS_PER_DAY);
	if (profile->dedup_window < 0 || profile->dedup_window > INTAKE_DURATION_LONGEST)
		note_problem(profile, "dedup_window is out of range");
}

/*
 * Reads where the items of a delivery stand that are events, and where their keys and types. A path of
 * the source's own leads to other items than the scheme's, and what the scheme says of those it does
 * not say of them.
 */
static void
read_split(IntakeProfile *profile, int row)
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
	profile->split = read_location(profile, paths, intake_items_parse);
	profile->item_key = read_location(profile, key, intake_location_parse_key);
	profile->item_type = read_location(profile, type, intake_location_parse);
	profile->item_key_ends =
		intake_rows_null(row, "source_key_from") && !intake_rows_is(row, "key_class", "event");
	if (asked != NULL && profile->split == NULL)
		note_problem(
			profile,
			"split is true, but the scheme does not say where the events of a delivery stand");
	if (asked != NULL && !intake_key_parts_tell_items(profile->item_key))
		note_problem(profile,
					 "key_from is the same for all events of a delivery: they must be told "
					 "by what stands in them");
	if (asked == NULL)
		profile->split = NULL;
}

/*
 * Has a delivery that cannot be split be one event, whose key is an id of its own or else its digest:
 * what the first of its items says would swallow the others.
 */
static void
read_key_of_whole(IntakeProfile *profile, int row)
{
	const char *key =
		intake_rows_is(row, "key_class", "event") ? intake_rows_text(row, "key_from") : NULL;

	profile->key = read_location(profile, key, intake_location_parse_key);
	profile->type =
		read_location(profile, intake_rows_text(row, "type_from"), intake_location_parse);
	profile->key_ends = false;
	if (profile->missing_key == INTAKE_MISSING_REJECT)
		profile->missing_key = INTAKE_MISSING_DIGEST;
}

/* Reads what stands in the row of a scheme, and what the source says instead. */
static void
read_row(IntakeProfile *profile, int row)
{
	if (!intake_rows_null(row, "kind"))
		profile->scheme = read_scheme(profile, row, NULL, 0);
	else
	{
		/* It came with a dump, from where there was such a preset. */
		note_problem(profile, psprintf("scheme \"%s\" does not exist",
									   intake_rows_text(row, "source_scheme")));
		profile->our_fault = "no_scheme";
	}
	read_key(profile, row);
	profile->type = read_location(profile, text_of_either(row, "source_type_from", "type_from"),
								  intake_location_parse);
	read_split(profile, row);
	if (profile->split != NULL)
		read_key_of_whole(profile, row);
	profile->reject_status = intake_rows_number(row, "reject_status", 403);
	profile->success_body = intake_rows_text(row, "success_body");
	profile->guarded = intake_rows_bool(row, "replay_guard");
}

/* Puts a variant before what there is of the scheme. */
static void
read_variant(IntakeProfile *profile, int row)
{
	int count;
	IntakePair *when = intake_rows_pairs(row, "when_pairs", &count);
	IntakeScheme *variant = read_scheme(profile, row, when, count);

	if (variant == NULL)
	{
		close_profile(profile, NULL);
		return;
	}
	variant->next = profile->scheme;
	profile->scheme = variant;
}

/* Room for one more entry of SIZE bytes at the end of an array of COUNT. */
static void *
grow(void *array, int count, size_t size)
{
	return array == NULL ? palloc0(size) : repalloc(array, (count + 1) * size);
}

static void
read_handshake(IntakeProfile *profile, int row)
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
		note_problem(profile, error);
		return;
	}
	profile->handshakes = grow(profile->handshakes, profile->n_handshakes, sizeof(IntakeHandshake));
	profile->handshakes[profile->n_handshakes++] = *compiled;
}

/* Says of each variant of the scheme how its content is known again, and that of items. */
static void
set_guards(IntakeProfile *profile)
{
	bool digest = profile->missing_key == INTAKE_MISSING_DIGEST;

	for (IntakeScheme *scheme = profile->scheme; scheme != NULL; scheme = scheme->next)
	{
		scheme->guarded =
			profile->guarded && (intake_coverage_needs_guard(scheme, profile->key, digest) ||
								 (profile->split != NULL &&
								  intake_coverage_needs_guard(scheme, profile->item_key, true)));
		scheme->typed = intake_coverage_lacks_type(scheme, profile->type);
		scheme->shared = intake_coverage_is_shared(scheme, profile->key);
		if (profile->split != NULL)
			intake_volatile_within(&scheme->volatiles, profile->split, &scheme->item_volatiles);
	}
}

/* Has each variant say what a body must be, and the profile whether it is to be looked at. */
static void
settle_content(IntakeProfile *profile)
{
	for (IntakeScheme *scheme = profile->scheme; scheme != NULL; scheme = scheme->next)
		scheme->content = intake_content_default(
			scheme, profile->split ? profile->split : profile->key, profile->type);
	profile->reads_body = profile->split != NULL || intake_content_reads(profile->key) ||
						  intake_content_reads(profile->type);
}

/* ---- reading ---- */

/* A query for rows. */
typedef struct Asking
{
	const char *what; /* the rows are, for people */
	const char *text;
	int32 source_id;
	const char *scheme;
	uint64 rows;
} Asking;

static bool
run(void *argument)
{
	Asking *query = argument;

	query->rows = intake_rows_query(query->text, query->source_id, query->scheme);
	return true;
}

/* Whether an error comes from what stands in a row, and not from what happens to the server. */
static bool
is_of_the_row(const ErrorData *error)
{
	int category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	/* How deep the stack is depends on who asks. */
	if (error->sqlerrcode == ERRCODE_STATEMENT_TOO_COMPLEX)
		return false;
	return category == ERRCODE_DATA_EXCEPTION || category == ERRCODE_PROGRAM_LIMIT_EXCEEDED ||
		   category == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION;
}

/*
 * Has READER read all rows of a query. Where they cannot be made, what is JSON being no JSON of that
 * kind, the profile is closed.
 */
static void
read_rows(IntakeProfile *profile, Asking query, void (*reader)(IntakeProfile *, int))
{
	ErrorData *error;

	if (intake_txn_try(run, &query, &error))
		for (uint64 row = 0; row < query.rows; row++)
			reader(profile, row);
	else if (is_of_the_row(error))
		close_profile(profile, psprintf("%s: %s", query.what, error->message));
	else
		ReThrowError(error);
}

/* Gives back what a profile holds outside of its memory context. */
static void
release(void *argument)
{
	IntakeProfile *profile = argument;

	for (IntakeScheme *scheme = profile->scheme; scheme != NULL; scheme = scheme->next)
		intake_scheme_release(scheme);
	for (int i = 0; i < profile->n_handshakes; i++)
		intake_handshake_release(&profile->handshakes[i]);
}

static IntakeProfile *
make(MemoryContext context)
{
	IntakeProfile *profile = MemoryContextAllocZero(context, sizeof(IntakeProfile));
	MemoryContextCallback *callback = MemoryContextAllocZero(context, sizeof(*callback));

	profile->context = context;
	callback->func = release;
	callback->arg = profile;
	MemoryContextRegisterResetCallback(context, callback);
	return profile;
}

static void
read_profile(IntakeProfile *profile, const Queries *queries, int32 source_id, const char *scheme)
{
	MemoryContext outer = CurrentMemoryContext;
	IntakeOwner saved;
	Asking query = {"the scheme", queries->profile, source_id, scheme};

	intake_owner_begin(&saved);
	SPI_connect();
	MemoryContextSwitchTo(profile->context);
	(void) run(&query);
	profile->internal = query.rows == 0;
	if (!profile->internal)
	{
		read_row(profile, 0);
		query = (Asking){"variants of the scheme", queries->variants, source_id, scheme};
		read_rows(profile, query, read_variant);
		query = (Asking){"handshake of the scheme", queries->handshakes, source_id, scheme};
		read_rows(profile, query, read_handshake);
	}
	SPI_finish();
	intake_owner_end(&saved);
	MemoryContextSwitchTo(outer);
}

/*
 * Reads into CONTEXT the profile of a source. An internal one has nothing in it.
 */
IntakeProfile *
intake_profile_read(int32 source_id, MemoryContext context)
{
	IntakeProfile *profile = make(context);

	read_profile(profile, &of_source, source_id, "");
	if (!profile->internal)
	{
		settle_content(profile);
		set_guards(profile);
	}
	return profile;
}

/*
 * Reads into CONTEXT what would be the profile of a source of the scheme called NAME that says
 * nothing itself. Its variants say of their content what the scheme says.
 */
IntakeProfile *
intake_profile_read_scheme(const char *name, MemoryContext context)
{
	IntakeProfile *profile = make(context);

	read_profile(profile, &of_scheme, 0, name);
	return profile;
}
