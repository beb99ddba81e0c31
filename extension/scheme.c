/*
 * scheme.c
 *		How a provider signs: a row of intake.scheme, compiled. Pure; palloc'ed.
 */
#include "memory.h"

#include "scheme.h"

static bool
fail(char **error, const char *what)
{
	*error = pstrdup(what);
	return false;
}

static const char *
copy_or_null(const char *text)
{
	return text != NULL && text[0] != '\0' ? pstrdup(text) : NULL;
}

static bool
compile_kind(const IntakeSchemeRow *row, IntakeScheme *scheme, char **error)
{
	static const char *const kinds[] = {"hmac", "hash", "token", "basic"};

	for (int i = 0; i < 4; i++)
		if (row->kind != NULL && strcmp(row->kind, kinds[i]) == 0)
		{
			scheme->kind = (IntakeSchemeKind) i;
			return true;
		}
	return fail(error, "the kind is not hmac, hash, token or basic");
}

/* raw, hex, base64, base64:PREFIX, raw:sha1, raw:nfkd */
static bool
compile_key(const char *key, IntakeScheme *scheme, char **error)
{
	IntakeSlice option;
	IntakeSlice name =
		intake_slice_cut(intake_slice_cstr(key ? pstrdup(key) : "raw"), ":", &option);
	char word[16] = "";

	if (name.len < sizeof(word))
		memcpy(word, name.data, name.len);
	if (!intake_encoding_parse(word, &scheme->key_encoding))
		return fail(error, "the key is not raw, hex, base64 or base64:PREFIX");
	if (scheme->key_encoding != INTAKE_RAW)
		scheme->key_prefix = option;
	else if (option.data == NULL)
		scheme->key_form = INTAKE_KEY_DECODED;
	else if (strcmp(option.data, "sha1") == 0)
		scheme->key_form = INTAKE_KEY_SHA1;
	else if (strcmp(option.data, "nfkd") == 0)
		scheme->key_form = INTAKE_KEY_NFKD;
	else
		return fail(error, "the key is not raw, raw:sha1 or raw:nfkd");
	return true;
}

static bool
compile_places(const IntakeSchemeRow *row, IntakeScheme *scheme, char **error)
{
	const char *basic = "header:authorization";
	const char *const *texts = row->signature_from;
	int count = row->n_signature_from;

	if (count == 0 && scheme->kind == INTAKE_BASIC)
	{
		texts = &basic;
		count = 1;
	}
	if (count == 0)
		return fail(error, "signature_from names no place");
	scheme->signatures = palloc0(count * sizeof(IntakePlace));
	for (int i = 0; i < count; i++)
	{
		IntakeLocation location;
		const char *why = "";

		if (!intake_location_parse(texts[i], &location, &why) || location.count != 1 ||
			location.places[0].kind == INTAKE_SIGNATURE_ITEM)
			return fail(error, "signature_from has something that is not one location");
		scheme->signatures[i] = location.places[0];
	}
	scheme->n_signatures = count;
	return true;
}

static bool
compile_format(const IntakeSchemeRow *row, IntakeScheme *scheme, char **error)
{
	const char *format = row->format ? row->format : "plain";

	scheme->prefix = intake_slice_cstr(copy_or_null(row->prefix));
	scheme->item_sep = copy_or_null(row->item_sep);
	scheme->kv_sep = copy_or_null(row->kv_sep);
	scheme->group_sep = copy_or_null(row->group_sep);
	scheme->tag = copy_or_null(row->tag);
	if (scheme->tag != NULL && strcmp(scheme->tag, "*") == 0)
		scheme->tag = NULL;
	if (strcmp(format, "plain") == 0)
		scheme->format = INTAKE_PLAIN;
	else if (strcmp(format, "list") == 0)
		scheme->format = INTAKE_LIST;
	else if (strcmp(format, "kv") == 0)
		scheme->format = INTAKE_KV;
	else
		return fail(error, "the format is not plain, kv or list");
	if (scheme->format != INTAKE_PLAIN && scheme->item_sep == NULL)
		return fail(error, "formats kv and list need item_sep");
	if (scheme->format == INTAKE_KV && (scheme->kv_sep == NULL || row->tag == NULL))
		return fail(error, "format kv needs kv_sep and tag");
	return true;
}

static bool
compile_message(const IntakeSchemeRow *row, IntakeScheme *scheme, char **error)
{
	if (scheme->kind != INTAKE_HMAC && scheme->kind != INTAKE_HASH)
		return true;
	if (row->algorithm == NULL || !intake_digest_parse(row->algorithm, &scheme->algorithm))
		return fail(error, "the algorithm is not sha1, sha256 or sha512");
	if (row->encoding == NULL || !intake_encoding_parse(row->encoding, &scheme->encoding) ||
		scheme->encoding == INTAKE_RAW)
		return fail(error, "the encoding is not hex, base64 or base64url");
	if (row->message == NULL)
		return fail(error, "the message is missing");
	if (scheme->kind == INTAKE_HASH && strstr(row->message, "{secret}") == NULL)
		return fail(error, "the message of kind hash must have {secret}");
	scheme->message = intake_message_compile(row->message, error);
	return scheme->message != NULL;
}

static bool
compile_timestamp(const IntakeSchemeRow *row, IntakeScheme *scheme, char **error)
{
	IntakeLocation location;
	const char *why = "";

	scheme->tolerance = row->tolerance;
	if (row->timestamp_from == NULL)
	{
		if (row->message != NULL && strstr(row->message, "{timestamp}") != NULL)
			return fail(error, "the message has {timestamp}, but timestamp_from is missing");
		return true;
	}
	if (!intake_location_parse(row->timestamp_from, &location, &why) || location.count != 1)
		return fail(error, "timestamp_from is not one location");
	if (row->timestamp_unit == NULL || !intake_timestamp_unit(row->timestamp_unit, &scheme->unit))
		return fail(error, "the timestamp_unit is not s, ms, iso8601 or http-date");
	if (location.places[0].kind == INTAKE_SIGNATURE_ITEM && scheme->format != INTAKE_KV)
		return fail(error, "a timestamp from sig: needs the format kv");
	scheme->has_timestamp = true;
	scheme->timestamp = location.places[0];
	return true;
}

/* Compiles a requirement; the template * is met by any value. */
bool
intake_scheme_requirement(const IntakePair *pair, IntakeRequirement *requirement, char **error)
{
	const char *why = "";

	if (!intake_location_parse(pair->location, &requirement->location, &why))
		return fail(error, "a requirement names something that is not a location");
	requirement->value = NULL;
	if (strcmp(pair->value, "*") == 0)
		return true;
	requirement->value = intake_message_compile(pair->value, error);
	return requirement->value != NULL;
}

static bool
compile_rest(const IntakeSchemeRow *row, IntakeScheme *scheme, char **error)
{
	scheme->require = palloc0((row->n_require + 1) * sizeof(IntakeRequirement));
	for (int i = 0; i < row->n_require; i++)
		if (!intake_scheme_requirement(&row->require[i], &scheme->require[i], error))
			return false;
	scheme->n_require = row->n_require;
	if (row->each != NULL)
	{
		scheme->each = palloc0(sizeof(IntakePath));
		if (strncmp(row->each, "json:", 5) != 0 ||
			!intake_json_pointer(pstrdup(row->each + 5), scheme->each))
			return fail(error, "each is not a location json:/path");
	}
	for (int i = 0; i < row->n_url_variants; i++)
	{
		if (strcmp(row->url_variants[i], "toggle_default_port") == 0)
			scheme->toggle_port = true;
		else if (strcmp(row->url_variants[i], "asis") != 0)
			return fail(error, "url_variants are asis and toggle_default_port");
	}
	return true;
}

/* Compiles a row. Returns NULL, with what is wrong in *ERROR, where it makes no sense. */
IntakeScheme *
intake_scheme_compile(const IntakeSchemeRow *row, char **error)
{
	IntakeScheme *scheme = palloc0(sizeof(IntakeScheme));

	if (compile_kind(row, scheme, error) && compile_key(row->key, scheme, error) &&
		compile_places(row, scheme, error) && compile_format(row, scheme, error) &&
		compile_message(row, scheme, error) && compile_timestamp(row, scheme, error) &&
		compile_rest(row, scheme, error))
		return scheme;
	return NULL;
}

/* Whether a request has what is required. Compares in constant time. */
bool
intake_scheme_meets(const IntakeRequirement *requirement, const IntakeValues *values)
{
	IntakeSlice found =
		intake_location_read_item(&requirement->location, values->request, values->item);
	IntakeSlice wanted;

	if (found.data == NULL)
		return false;
	if (requirement->value == NULL)
		return true;
	wanted = intake_message_text(requirement->value, values);
	return wanted.data != NULL && intake_digest_equal(found, wanted);
}

/*
 * Whether a header must not be stored: the customary credentials, and wherever SCHEME (or
 * NULL) finds signatures or tokens.
 */
bool
intake_scheme_header_is_credential(const IntakeScheme *scheme, IntakeSlice name)
{
	static const char *const names[] = {"authorization", "proxy-authorization", "cookie"};

	for (int i = 0; i < 3; i++)
		if (intake_slice_equal_nocase(name, intake_slice_cstr(names[i])))
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
