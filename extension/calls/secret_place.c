/*
 * secret_place.c
 *		Where a secret stands in a call. Pure; what is made is palloc'ed, and has the secret in it.
 */
#include <inttypes.h>
#include <stdio.h>

#include "common/memory.h"

#include "calls/field.h"
#include "calls/secret_place.h"
#include "read/encoding.h"
#include "verify/signing_key.h"

#define MOST_SECRET 8000 /* bytes: servers take headers and URLs of about that */
#define MOST_FIELD 100

/* Texts that are put together. */
typedef struct Text
{
	char *bytes;
	size_t len;
} Text;

static void
append(Text *text, IntakeSlice more)
{
	if (more.len > 0)
		memcpy(text->bytes + text->len, more.data, more.len);
	text->len += more.len;
}

static IntakeSlice
join(const IntakeSlice *parts, int count)
{
	size_t size = 1;
	Text text;

	for (int i = 0; i < count; i++)
		size += parts[i].len;
	text = (Text){palloc(size), 0};
	for (int i = 0; i < count; i++)
		append(&text, parts[i]);
	return (IntakeSlice){text.bytes, text.len};
}

/* ---- what a place is ---- */

static bool
is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
		   c == '.' || c == '_' || c == '~';
}

static const char *
check_header(IntakeSlice name)
{
	static const char *const set[] = {"content-type", "idempotency-key", "traceparent",
									  "user-agent"};

	for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++)
		if (intake_slice_equal_nocase(name, intake_slice_cstr(set[i])))
			return "the header of its place has something else in it";
	return intake_field_name_problem(name) ? "the header of its place cannot be sent" : NULL;
}

static const char *
check_field(IntakeSlice name)
{
	if (name.len == 0 || name.len > MOST_FIELD)
		return "the field of its place has a name of 1 to 100 bytes";
	for (size_t i = 0; i < name.len; i++)
		if (!is_unreserved(name.data[i]))
			return "the field of its place has other characters than letters, digits and -._~";
	return NULL;
}

/* Reads a place as it is written. Returns NULL, or what is wrong with it: a constant text. */
const char *
intake_secret_place_parse(IntakeSlice text, IntakeSecretPlace *place)
{
	static const char *const words[] = {"bearer", "basic", "url", "standard-webhooks"};
	IntakeSlice name;
	IntakeSlice word = intake_slice_cut(text, ":", &name);

	*place = (IntakeSecretPlace){.name = name};
	if (name.data == NULL)
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (intake_slice_equal(word, intake_slice_cstr(words[i])))
			{
				place->kind = (IntakeSecretPlaceKind) i;
				return NULL;
			}
	if (name.data != NULL && intake_slice_equal(word, intake_slice_cstr("header")))
	{
		place->kind = INTAKE_PLACE_HEADER;
		return check_header(name);
	}
	if (name.data != NULL && intake_slice_equal(word, intake_slice_cstr("query")))
	{
		place->kind = INTAKE_PLACE_QUERY;
		return check_field(name);
	}
	return "its place is none of bearer, basic, header:NAME, query:NAME, url, standard-webhooks";
}

/* Whether a place takes a header of this name, which the call cannot have then. */
bool
intake_secret_place_takes(const IntakeSecretPlace *place, IntakeSlice header)
{
	switch (place->kind)
	{
		case INTAKE_PLACE_BEARER:
		case INTAKE_PLACE_BASIC:
			return intake_slice_equal_nocase(header, intake_slice_cstr("authorization"));
		case INTAKE_PLACE_HEADER:
			return intake_slice_equal_nocase(header, place->name);
		case INTAKE_PLACE_STANDARD_WEBHOOKS:
			return intake_slice_equal_nocase(header, intake_slice_cstr("webhook-id")) ||
				   intake_slice_equal_nocase(header, intake_slice_cstr("webhook-timestamp")) ||
				   intake_slice_equal_nocase(header, intake_slice_cstr("webhook-signature"));
		case INTAKE_PLACE_QUERY:
		case INTAKE_PLACE_URL:
			break;
	}
	return false;
}

/* ---- whether a secret can stand there ---- */

/* The key that a secret of Standard Webhooks is, which the caller releases. */
static bool
prepare_key(IntakeSlice secret, IntakeKey *key, const char **why)
{
	IntakeScheme scheme = {.kind = INTAKE_HMAC,
						   .key_form = INTAKE_KEY_DECODED,
						   .key_encoding = INTAKE_BASE64,
						   .key_prefix = intake_slice_cstr("whsec_")};

	return intake_signing_key_prepare(&scheme, secret, key, why);
}

static const char *
check_key(IntakeSlice secret)
{
	IntakeKey key;
	const char *why = NULL;

	(void) prepare_key(secret, &key, &why);
	intake_signing_key_release(&key);
	return why;
}

static const char *
check_url(IntakeSlice secret)
{
	IntakeCallUrl url;

	return intake_call_url_parse(secret, &url) ? "it is not a URL that can be called" : NULL;
}

/* Why a secret cannot stand in a place: a constant text, without the secret; NULL: it can. */
const char *
intake_secret_place_check(const IntakeSecretPlace *place, IntakeSlice secret)
{
	const char *why;

	if (secret.len > MOST_SECRET)
		return "it is longer than 8000 bytes";
	if (!intake_signing_key_is_secret(secret, &why))
		return why;
	switch (place->kind)
	{
		case INTAKE_PLACE_BEARER:
			if (memchr(secret.data, ' ', secret.len) != NULL)
				return "it has a space in it";
			return intake_field_value_problem(secret) ? "it has characters beyond ASCII" : NULL;
		case INTAKE_PLACE_HEADER:
			return intake_field_value_problem(secret) ? "it has characters beyond ASCII" : NULL;
		case INTAKE_PLACE_BASIC:
			return memchr(secret.data, ':', secret.len) ? NULL : "it is not user:password";
		case INTAKE_PLACE_URL:
			return check_url(secret);
		case INTAKE_PLACE_STANDARD_WEBHOOKS:
			return check_key(secret);
		case INTAKE_PLACE_QUERY:
			break;
	}
	return NULL;
}

/* ---- putting it there ---- */

static IntakeSlice
encode_base64(IntakeSlice bytes)
{
	char *out = palloc(intake_encoding_size(bytes.len));

	return (IntakeSlice){out, intake_encoding_encode(INTAKE_BASE64, bytes, out)};
}

/* The headers of Standard Webhooks; absent where the secret is no key of theirs. */
static IntakeSlice
sign(IntakeSlice secret, const IntakePresented *what)
{
	IntakeSlice dot = intake_slice_cstr(".");
	IntakeKey key;
	IntakeDigest digest;
	char *seconds = palloc(32);
	const char *why;
	bool made;

	(void) snprintf(seconds, 32, "%" PRId64, what->seconds);
	IntakeSlice parts[] = {what->id, dot, intake_slice_cstr(seconds), dot, what->body};

	made = prepare_key(secret, &key, &why) &&
		   intake_digest_mac(intake_signing_key_mac(&key, INTAKE_SHA256), parts, 5, &digest);
	intake_signing_key_release(&key);
	if (!made)
		return INTAKE_ABSENT;
	return join((IntakeSlice[]){intake_slice_cstr("webhook-id: "), what->id,
								intake_slice_cstr("\r\nwebhook-timestamp: "), parts[2],
								intake_slice_cstr("\r\nwebhook-signature: v1,"),
								encode_base64(intake_digest_slice(&digest)),
								intake_slice_cstr("\r\n")},
				7);
}

/*
 * The header lines by which a secret is presented; none where its place is in the target. Absent where
 * it cannot be.
 */
IntakeSlice
intake_secret_place_headers(const IntakeSecretPlace *place, IntakeSlice secret,
							const IntakePresented *what)
{
	IntakeSlice end = intake_slice_cstr("\r\n");

	switch (place->kind)
	{
		case INTAKE_PLACE_BEARER:
			return join((IntakeSlice[]){intake_slice_cstr("Authorization: Bearer "), secret, end},
						3);
		case INTAKE_PLACE_BASIC:
			return join((IntakeSlice[]){intake_slice_cstr("Authorization: Basic "),
										encode_base64(secret), end},
						3);
		case INTAKE_PLACE_HEADER:
			return join((IntakeSlice[]){place->name, intake_slice_cstr(": "), secret, end}, 4);
		case INTAKE_PLACE_STANDARD_WEBHOOKS:
			return sign(secret, what);
		case INTAKE_PLACE_QUERY:
		case INTAKE_PLACE_URL:
			break;
	}
	return intake_slice_cstr("");
}

/* A target with a field more. */
static IntakeSlice
with_field(IntakeSlice target, IntakeSlice name, IntakeSlice value)
{
	static const char digits[] = "0123456789ABCDEF";
	bool has_query = memchr(target.data, '?', target.len) != NULL;
	Text text = {palloc(target.len + name.len + 3 * value.len + 2), 0};

	append(&text, target);
	text.bytes[text.len++] = has_query ? '&' : '?';
	append(&text, name);
	text.bytes[text.len++] = '=';
	for (size_t i = 0; i < value.len; i++)
	{
		unsigned char c = (unsigned char) value.data[i];

		if (is_unreserved((char) c))
			text.bytes[text.len++] = (char) c;
		else
		{
			text.bytes[text.len++] = '%';
			text.bytes[text.len++] = digits[c >> 4];
			text.bytes[text.len++] = digits[c & 15];
		}
	}
	return (IntakeSlice){text.bytes, text.len};
}

/* A target behind the path of a URL; the queries of both. */
static IntakeSlice
behind_url(IntakeSlice target, IntakeSlice secret)
{
	IntakeCallUrl url;
	IntakeSlice own;
	IntakeSlice first;
	IntakeSlice before;
	IntakeSlice path = intake_slice_cut(target, "?", &own);
	bool both;

	if (intake_call_url_parse(secret, &url) != NULL)
		return INTAKE_ABSENT;
	before = intake_slice_cut(url.target, "?", &first);
	if (path.len == 1)
		path.len = 0;
	else if (before.data[before.len - 1] == '/')
		before.len--;
	both = first.data != NULL && own.data != NULL;
	return join((IntakeSlice[]){before, path, intake_slice_cstr(first.data || own.data ? "?" : ""),
								first, intake_slice_cstr(both ? "&" : ""), own},
				6);
}

/* The target of a call with its secret; as it is where its place is in the headers. */
IntakeSlice
intake_secret_place_target(const IntakeSecretPlace *place, IntakeSlice secret, IntakeSlice target)
{
	if (place->kind == INTAKE_PLACE_QUERY)
		return with_field(target, place->name, secret);
	return place->kind == INTAKE_PLACE_URL ? behind_url(target, secret) : target;
}
