/*
 * scheme.c
 *		How a provider signs: a row of intake.scheme, compiled. Pure; palloc'ed, but for what
 *		intake_scheme_release gives back.
 */
#include <stdlib.h>

#include "common/memory.h"

#include "verify/coverage.h"
#include "verify/scheme.h"

static bool
fail(const char **why, const char *what)
{
	*why = what;
	return false;
}

static const char *
copy_or_null(const char *text)
{
	return text != NULL && text[0] != '\0' ? pstrdup(text) : NULL;
}

static bool
text_is(const char *text, const char *other)
{
	return text != NULL && strcmp(text, other) == 0;
}

/* ---- compiling ---- */

static bool
compile_kind(const IntakeSchemeRow *row, IntakeScheme *scheme, const char **why)
{
	static const struct
	{
		const char *name;
		IntakeSchemeKind kind;
		IntakeKeyType type;
	} kinds[] = {
		{"hmac", INTAKE_HMAC, 0},
		{"hash", INTAKE_HASH, 0},
		{"token", INTAKE_TOKEN, 0},
		{"basic", INTAKE_BASIC, 0},
		{"ed25519", INTAKE_PUBLIC_KEY, INTAKE_KEY_ED25519},
		{"ecdsa", INTAKE_PUBLIC_KEY, INTAKE_KEY_ECDSA},
		{"rsa", INTAKE_PUBLIC_KEY, INTAKE_KEY_RSA},
		{"jwt", INTAKE_JWT, 0},
		{"none", INTAKE_UNSIGNED, 0},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (text_is(row->kind, kinds[i].name))
		{
			scheme->kind = kinds[i].kind;
			scheme->key_type = kinds[i].type;
			return true;
		}
	return fail(why, "the kind is not hmac, hash, token, basic, ed25519, ecdsa, rsa, jwt or none");
}

/* raw, hex, base64, base64:PREFIX, raw:sha1, raw:nfkd */
static bool
compile_key(const char *key, IntakeScheme *scheme, const char **why)
{
	IntakeSlice option;
	IntakeSlice name =
		intake_slice_cut(intake_slice_cstr(key ? pstrdup(key) : "raw"), ":", &option);
	char word[16] = "";

	if (name.len < sizeof(word))
		memcpy(word, name.data, name.len);
	if (!intake_encoding_parse(word, &scheme->key_encoding))
		return fail(why, "the key is not raw, hex, base64 or base64:PREFIX");
	if (scheme->key_encoding != INTAKE_RAW)
		scheme->key_prefix = option;
	else if (option.data == NULL)
		scheme->key_form = INTAKE_KEY_DECODED;
	else if (strcmp(option.data, "sha1") == 0)
		scheme->key_form = INTAKE_KEY_SHA1;
	else if (strcmp(option.data, "nfkd") == 0)
		scheme->key_form = INTAKE_KEY_NFKD;
	else
		return fail(why, "the key is not raw, raw:sha1 or raw:nfkd");
	return true;
}

static bool
compile_places(const IntakeSchemeRow *row, IntakeScheme *scheme, const char **why)
{
	const char *basic = "header:authorization";
	const char *const *texts = row->signature_from;
	int count = row->n_signature_from;

	if (scheme->kind == INTAKE_UNSIGNED)
		return true;
	if (count == 0 && scheme->kind == INTAKE_BASIC)
	{
		texts = &basic;
		count = 1;
	}
	if (count == 0)
		return fail(why, "signature_from names no place");
	scheme->signatures = palloc0(count * sizeof(IntakePlace));
	for (int i = 0; i < count; i++)
	{
		IntakeLocation location;

		if (!intake_location_parse(texts[i], &location, why) || location.count != 1 ||
			location.places[0].kind == INTAKE_SIGNATURE_ITEM ||
			location.places[0].kind == INTAKE_CLAIM)
			return fail(why, "signature_from has something that is not one location");
		scheme->signatures[i] = location.places[0];
	}
	scheme->n_signatures = count;
	return true;
}

static bool
compile_format(const IntakeSchemeRow *row, IntakeScheme *scheme, const char **why)
{
	static const char *const formats[] = {"plain", "kv", "list", "json"};
	const char *format = row->format ? row->format : "plain";
	int i = 0;

	scheme->prefix = intake_slice_cstr(copy_or_null(row->prefix));
	scheme->item_sep = copy_or_null(row->item_sep);
	scheme->kv_sep = copy_or_null(row->kv_sep);
	scheme->group_sep = copy_or_null(row->group_sep);
	scheme->tag = text_is(row->tag, "*") ? NULL : copy_or_null(row->tag);
	while (i < 4 && strcmp(format, formats[i]) != 0)
		i++;
	if (i == 4)
		return fail(why, "the format is not plain, kv, list or json");
	scheme->format = (IntakeSignatureFormat) i;
	if ((scheme->format == INTAKE_KV || scheme->format == INTAKE_LIST) && scheme->item_sep == NULL)
		return fail(why, "formats kv and list need item_sep");
	if (scheme->format == INTAKE_KV && (scheme->kv_sep == NULL || row->tag == NULL))
		return fail(why, "format kv needs kv_sep and tag");
	if (scheme->format == INTAKE_JSON_ITEM && scheme->tag == NULL)
		return fail(why, "format json needs tag");
	return true;
}

static bool
compile_jwt(const IntakeSchemeRow *row, IntakeScheme *scheme, const char **why)
{
	static const struct
	{
		const char *name;
		IntakeAlgorithm digest;
		bool shared;
		IntakeKeyType type;
	} algorithms[] = {
		{"HS256", INTAKE_SHA256, true, 0},
		{"HS512", INTAKE_SHA512, true, 0},
		{"RS256", INTAKE_SHA256, false, INTAKE_KEY_RSA},
		{"RS512", INTAKE_SHA512, false, INTAKE_KEY_RSA},
		{"ES256", INTAKE_SHA256, false, INTAKE_KEY_ECDSA},
		{"EdDSA", INTAKE_SHA256, false, INTAKE_KEY_ED25519},
	};

	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
		if (text_is(row->algorithm, algorithms[i].name))
		{
			scheme->jwt_algorithm = algorithms[i].name;
			scheme->algorithm = algorithms[i].digest;
			scheme->key_is_shared = algorithms[i].shared;
			scheme->key_type = algorithms[i].type;
			return true;
		}
	return fail(why, "the algorithm of kind jwt is not HS256, HS512, RS256, RS512, ES256 or EdDSA");
}

static bool
compile_message(const IntakeSchemeRow *row, IntakeScheme *scheme, const char **why)
{
	if (scheme->kind == INTAKE_JWT)
		return compile_jwt(row, scheme, why);
	if (scheme->kind != INTAKE_HMAC && scheme->kind != INTAKE_HASH &&
		scheme->kind != INTAKE_PUBLIC_KEY)
		return true;
	/* Ed25519 has its digest inside. */
	if ((scheme->kind != INTAKE_PUBLIC_KEY || scheme->key_type != INTAKE_KEY_ED25519) &&
		(row->algorithm == NULL || !intake_digest_parse(row->algorithm, &scheme->algorithm)))
		return fail(why, "the algorithm is not sha1, sha256 or sha512");
	if (row->encoding == NULL || !intake_encoding_parse(row->encoding, &scheme->encoding) ||
		scheme->encoding == INTAKE_RAW)
		return fail(why, "the encoding is not hex, base64 or base64url");
	if (row->message == NULL)
		return fail(why, "the message is missing");
	scheme->message = intake_template_compile(row->message, why);
	if (scheme->message == NULL)
		return false;
	if (scheme->kind == INTAKE_HASH && !intake_template_uses(scheme->message, "secret"))
		return fail(why, "the message of kind hash must have {secret}");
	return true;
}

static bool
compile_timestamp(const IntakeSchemeRow *row, IntakeScheme *scheme, const char **why)
{
	IntakeLocation location;

	scheme->tolerance = row->tolerance;
	if (row->timestamp_from == NULL)
	{
		if (scheme->message != NULL && intake_template_uses(scheme->message, "timestamp"))
			return fail(why, "the message has {timestamp}, but timestamp_from is missing");
		return true;
	}
	if (!intake_location_parse(row->timestamp_from, &location, why) || location.count != 1)
		return fail(why, "timestamp_from is not one location");
	if (row->timestamp_unit == NULL || !intake_timestamp_unit(row->timestamp_unit, &scheme->unit))
		return fail(why, "the timestamp_unit is not s, ms, iso8601, iso8601-local or http-date");
	if (location.places[0].kind == INTAKE_SIGNATURE_ITEM && scheme->format != INTAKE_KV &&
		scheme->format != INTAKE_LIST)
		return fail(why, "a timestamp from sig: needs the format kv or list");
	if (location.places[0].kind == INTAKE_CLAIM && scheme->kind != INTAKE_JWT)
		return fail(why, "a timestamp from jwt: needs the kind jwt");
	scheme->has_timestamp = true;
	scheme->timestamp = location.places[0];
	if (scheme->message != NULL)
		intake_template_find_time(scheme->message, &scheme->timestamp);
	return true;
}

static bool
compile_verified(const char *verified, IntakeScheme *scheme, const char **why)
{
	scheme->signs_body = intake_coverage_has_bytes(scheme);
	scheme->binds_body = intake_coverage_has_body(scheme);
	if (verified == NULL && scheme->kind == INTAKE_UNSIGNED)
		scheme->verified = INTAKE_VERIFIED_NONE;
	else if (verified == NULL)
		scheme->verified = scheme->kind != INTAKE_TOKEN && scheme->kind != INTAKE_BASIC &&
								   !scheme->loose && scheme->binds_body
							   ? INTAKE_VERIFIED_SIGNATURE
							   : INTAKE_VERIFIED_ORIGIN;
	else if (strcmp(verified, "signature") == 0)
		scheme->verified = INTAKE_VERIFIED_SIGNATURE;
	else if (strcmp(verified, "origin") == 0)
		scheme->verified = INTAKE_VERIFIED_ORIGIN;
	else
		scheme->verified = INTAKE_VERIFIED_NONE;
	if ((scheme->kind == INTAKE_UNSIGNED) != (scheme->verified == INTAKE_VERIFIED_NONE))
		return fail(why, "verified is none for the kind none, and for no other");
	return true;
}

/* Whether the message of a scheme, or what it requires, has one of the variables. */
static bool
uses(const IntakeScheme *scheme, const char *variable)
{
	for (int i = 0; i < scheme->n_require; i++)
		for (int j = 0; j < scheme->require[i].n_templates; j++)
			if (intake_template_uses(scheme->require[i].templates[j], variable))
				return true;
	return scheme->message != NULL && intake_template_uses(scheme->message, variable);
}

static bool
place_reads(const IntakePlace *place)
{
	return place->kind == INTAKE_JSON || place->kind == INTAKE_FORM;
}

static bool
template_reads(const IntakeTemplate *message)
{
	return message != NULL && (intake_template_reads(message, INTAKE_JSON) ||
							   intake_template_reads(message, INTAKE_FORM));
}

static bool
requirement_reads(const IntakeRequirement *requirement)
{
	for (int i = 0; i < requirement->location.count; i++)
		if (place_reads(&requirement->location.places[i]))
			return true;
	for (int i = 0; i < requirement->n_templates; i++)
		if (template_reads(requirement->templates[i]))
			return true;
	return false;
}

/* Whether verifying reads the body as JSON or as a form. */
static bool
reads_body(const IntakeScheme *scheme)
{
	for (int i = 0; i < scheme->n_signatures; i++)
		if (place_reads(&scheme->signatures[i]))
			return true;
	for (int i = 0; i < scheme->n_require; i++)
		if (requirement_reads(&scheme->require[i]))
			return true;
	return template_reads(scheme->message) ||
		   (scheme->has_timestamp && place_reads(&scheme->timestamp));
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* The names behind form:, with commas between them, sorted. */
static void
compile_fields(const char *names, IntakeScheme *scheme)
{
	IntakeSlice rest = intake_slice_cstr(names);
	const char **fields = palloc((rest.len + 1) * sizeof(char *));

	while (rest.data != NULL)
	{
		IntakeSlice name = intake_slice_cut(rest, ",", &rest);
		char *copy = palloc(name.len + 1);

		memcpy(copy, name.data, name.len);
		copy[name.len] = '\0';
		fields[scheme->n_fields++] = copy;
	}
	qsort(fields, scheme->n_fields, sizeof(char *), compare_names);
	scheme->fields = fields;
}

static bool
compile_content(const IntakeSchemeRow *row, IntakeScheme *scheme, const char **why)
{
	scheme->loose = text_is(row->borders, "loose");
	scheme->signs_plain = text_is(row->signs, "plain");
	if (row->json_from != NULL && strncmp(row->json_from, "form:", 5) != 0)
		return fail(why, "json_from is not form:NAME");
	if (row->json_from != NULL)
		scheme->json_from = intake_slice_cstr(pstrdup(row->json_from + 5));
	if (row->content == NULL)
		return true;
	if (strcmp(row->content, "json") == 0)
		scheme->content = INTAKE_CONTENT_JSON;
	else if (strcmp(row->content, "any") == 0)
		scheme->content = INTAKE_CONTENT_ANY;
	else if (strncmp(row->content, "form", 4) == 0)
		scheme->content = INTAKE_CONTENT_FORM;
	else
		return fail(why, "the content is not json, form, form:NAME,NAME or any");
	if (strncmp(row->content, "form:", 5) == 0)
		compile_fields(row->content + 5, scheme);
	return true;
}

static bool
compile_url_fields(const IntakeSchemeRow *row, IntakeScheme *scheme)
{
	const char **fields = palloc((row->n_url_fields + 1) * sizeof(char *));

	for (int i = 0; i < row->n_url_fields; i++)
		fields[i] = pstrdup(row->url_fields[i]);
	scheme->url_fields = fields;
	scheme->n_url_fields = row->n_url_fields;
	return true;
}

/* Lets a pattern say how a time is written, too. */
static void
expect_of_time(IntakeScheme *scheme)
{
	for (int i = 0; i < scheme->n_require && scheme->message != NULL; i++)
	{
		IntakeRequirement *requirement = &scheme->require[i];

		for (int j = 0; j < scheme->message->count && scheme->has_timestamp; j++)
			if (scheme->message->parts[j].kind == INTAKE_PART_TIMESTAMP &&
				scheme->message->parts[j].pattern == NULL && requirement->test == INTAKE_PATTERN &&
				requirement->location.count == 1 &&
				intake_place_equal(&requirement->location.places[0], &scheme->timestamp))
			{
				scheme->message->parts[j].pattern = &requirement->pattern;
				requirement->in_message = true;
			}
	}
}

static bool
compile_rest(const IntakeSchemeRow *row, IntakeScheme *scheme, const char **why)
{
	if (!intake_requirements_compile(row->require, row->n_require, &scheme->require, why))
		return false;
	scheme->n_require = row->n_require;
	intake_requirements_expect(scheme->require, scheme->n_require, scheme->message);
	expect_of_time(scheme);
	if (!intake_requirements_compile(row->when, row->n_when, &scheme->when, why))
		return false;
	scheme->n_when = row->n_when;
	if (row->each != NULL)
	{
		scheme->each = palloc0(sizeof(IntakePath));
		if (strncmp(row->each, "json:", 5) != 0 ||
			!intake_json_pointer(pstrdup(row->each + 5), scheme->each))
			return fail(why, "each is not a location json:/path");
	}
	for (int i = 0; i < row->n_url_variants; i++)
	{
		if (strcmp(row->url_variants[i], "toggle_default_port") == 0)
			scheme->toggle_port = true;
		else if (strcmp(row->url_variants[i], "decode_escapes") == 0)
			scheme->decode_url = true;
		else if (strcmp(row->url_variants[i], "asis") != 0)
			return fail(why, "url_variants are asis, toggle_default_port and decode_escapes");
	}
	if (!compile_content(row, scheme, why) || !compile_url_fields(row, scheme))
		return false;
	scheme->uses_url = uses(scheme, "url") || uses(scheme, "endpoint") || uses(scheme, "path") ||
					   uses(scheme, "qsh");
	scheme->query_is_fixed =
		scheme->message != NULL && (intake_template_uses(scheme->message, "url") ||
									intake_template_uses(scheme->message, "path"));
	scheme->uses_token = uses(scheme, "token");
	scheme->reads_body = reads_body(scheme);
	return compile_verified(row->verified, scheme, why);
}

/*
 * Where the message does not have the body as it is, the body may have the time and the signature,
 * which another try has anew.
 */
static bool
compile_volatile(const IntakeSchemeRow *row, IntakeScheme *scheme, const char **why)
{
	const char *problem =
		intake_volatile_parse(row->volatiles, row->n_volatiles, &scheme->volatiles);

	if (problem != NULL)
		return fail(why, problem);
	scheme->volatiles.json_from = scheme->json_from;
	for (int i = 0; i < scheme->n_signatures && !scheme->signs_body; i++)
		intake_volatile_add(&scheme->volatiles, &scheme->signatures[i]);
	if (scheme->has_timestamp && !scheme->signs_body)
		intake_volatile_add(&scheme->volatiles, &scheme->timestamp);
	return true;
}

/* Compiles a row. Returns NULL, with what is wrong in *WHY, where it makes no sense. */
IntakeScheme *
intake_scheme_compile(const IntakeSchemeRow *row, const char **why)
{
	IntakeScheme *scheme = palloc0(sizeof(IntakeScheme));

	if (compile_kind(row, scheme, why) && compile_key(row->key, scheme, why) &&
		compile_places(row, scheme, why) && compile_format(row, scheme, why) &&
		compile_message(row, scheme, why) && compile_timestamp(row, scheme, why) &&
		compile_rest(row, scheme, why) && compile_volatile(row, scheme, why))
		return scheme;
	intake_scheme_release(scheme);
	return NULL;
}

/* Gives back what is not palloc'ed. */
void
intake_scheme_release(IntakeScheme *scheme)
{
	intake_requirements_release(scheme->require, scheme->n_require);
	intake_requirements_release(scheme->when, scheme->n_when);
	scheme->n_require = scheme->n_when = 0;
}

/* ---- asking ---- */

/* The first of a list of variants whose condition a request meets; the last one has none. */
const IntakeScheme *
intake_scheme_for(const IntakeScheme *scheme, const IntakeRequest *request)
{
	IntakeValues values = {0};

	values.request = request;
	values.url = request->url;
	while (scheme->next != NULL && !intake_requirements_meet(scheme->when, scheme->n_when, &values))
		scheme = scheme->next;
	return scheme;
}

/* ---- credentials ---- */

static bool
contains(IntakeSlice text, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= text.len; i++)
		if ((text.data[i] | 0x20) == word[0] && strncasecmp(text.data + i, word, n) == 0)
			return true;
	return false;
}

static bool
ends_with(IntakeSlice text, const char *word)
{
	size_t n = strlen(word);

	return text.len >= n && strncasecmp(text.data + text.len - n, word, n) == 0;
}

/* Whether the name of a header says that its value is a credential, or a signature. */
static bool
sounds_like_credential(IntakeSlice name)
{
	static const char *const words[] = {"authorization", "cookie",  "secret",
										"password",      "api-key", "apikey"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (contains(name, words[i]))
			return true;
	if (ends_with(name, "token"))
		return !contains(name, "idempotency");
	return ends_with(name, "signature") || ends_with(name, "signature-256") ||
		   ends_with(name, "-auth") || ends_with(name, "-hmac-sha256");
}

/*
 * Whether a header must not be stored: what is called like a credential, and wherever SCHEME
 * (or NULL) finds signatures or tokens.
 */
bool
intake_scheme_header_is_credential(const IntakeScheme *scheme, IntakeSlice name)
{
	if (sounds_like_credential(name))
		return true;
	for (int i = 0; scheme != NULL && i < scheme->n_signatures; i++)
	{
		const IntakePlace *place = &scheme->signatures[i];
		IntakeSlice start = name;

		if (place->kind == INTAKE_HEADERS && start.len > place->name.len)
			start.len = place->name.len;
		if ((place->kind == INTAKE_HEADER || place->kind == INTAKE_HEADERS) &&
			intake_slice_equal_nocase(start, place->name))
			return true;
	}
	return false;
}
