/*
 * sign.c
 *		The other direction: what a sender would send. Pure; results are palloc'ed.
 *
 * The scheme is read backwards: headers that it signs, requires or takes the key from are made
 * up where the request has none, then the message is rendered and signed.
 */
#include <stdio.h>

#include "common/memory.h"

#include "read/encoding.h"
#include "read/timestamp.h"
#include "verify/content.h"
#include "verify/sign.h"

#define EXPIRES_AFTER 300 /* seconds, for tokens */

typedef struct Signing
{
	const IntakeSigner *signer;
	const IntakeScheme *scheme; /* the variant */
	IntakeRequest request;      /* with the headers so far */
	IntakeValues values;
	char *block;
	size_t length;
	const char **why;
} Signing;

static bool
fail(Signing *s, const char *what)
{
	*s->why = what;
	return false;
}

/* ---- text ---- */

static IntakeSlice
join(const IntakeSlice *parts, int count)
{
	size_t length = 0;
	char *out;

	for (int i = 0; i < count; i++)
		length += parts[i].len;
	out = palloc(length + 1);
	length = 0;
	for (int i = 0; i < count; i++)
	{
		if (parts[i].len > 0)
			memcpy(out + length, parts[i].data, parts[i].len);
		length += parts[i].len;
	}
	out[length] = '\0';
	return (IntakeSlice){out, length};
}

static IntakeSlice
encode(IntakeEncoding encoding, IntakeSlice bytes)
{
	char *out = palloc(intake_encoding_size(bytes.len));

	return (IntakeSlice){out, intake_encoding_encode(encoding, bytes, out)};
}

/* A time as a sender writes it; absent where it cannot be written so. */
static IntakeSlice
format_time(IntakeTimeUnit unit, int64_t microseconds)
{
	char *out = palloc(INTAKE_TIMESTAMP_TEXT);
	int length = intake_timestamp_write(unit, microseconds, out);

	return length > 0 ? (IntakeSlice){out, length} : INTAKE_ABSENT;
}

/* ---- headers ---- */

static bool
has_header(const Signing *s, IntakeSlice name)
{
	IntakePlace place = {.kind = INTAKE_HEADER, .name = name};
	IntakeSlice value;

	return intake_location_all(&place, &s->request, INTAKE_ABSENT, &value, 1) > 0;
}

static void
add_header(Signing *s, IntakeSlice name, IntakeSlice value)
{
	IntakeSlice parts[] = {
		{s->block, s->length}, name, intake_slice_cstr(": "), value, intake_slice_cstr("\r\n")};

	s->request.headers = join(parts, 5);
	s->block = (char *) s->request.headers.data;
	s->length = s->request.headers.len;
}

/* Makes up a header at a place, unless it is there or the place is none. */
static void
need_header(Signing *s, const IntakePlace *place, IntakeSlice value)
{
	if (place != NULL && place->kind == INTAKE_HEADER && !has_header(s, place->name))
		add_header(s, place->name, value);
}

/* Makes up a header that lists the headers which are signed: itself, and the timestamp. */
static void
need_header_list(Signing *s, IntakeSlice name)
{
	IntakeSlice parts[] = {name, intake_slice_cstr(","), s->scheme->timestamp.name};

	if (name.data != NULL && !has_header(s, name))
		add_header(s, name, join(parts, s->scheme->has_timestamp ? 3 : 1));
}

static void
need_headers(Signing *s)
{
	const IntakeScheme *scheme = s->scheme;
	const IntakeLocation *key = s->signer->event_key;

	if (scheme->has_timestamp)
		need_header(s, &scheme->timestamp, format_time(scheme->unit, s->request.now));
	for (int i = 0; scheme->message != NULL && i < scheme->message->count; i++)
	{
		const IntakePart *part = &scheme->message->parts[i];

		need_header(s, part->place, s->signer->id);
		if (part->kind == INTAKE_PART_HEADER_LIST)
			need_header_list(s, part->literal);
	}
	for (int i = 0; i < scheme->n_require; i++)
		if (scheme->require[i].test == INTAKE_EQUAL)
		{
			IntakeSlice value = intake_template_text(scheme->require[i].templates[0], &s->values);

			if (value.data != NULL)
				need_header(s, &scheme->require[i].location.places[0], value);
		}
	if (key != NULL && intake_location_read(key, &s->request).data == NULL)
		for (const IntakePlace *place = &key->places[0]; place != NULL; place = place->also)
			need_header(s, place, s->signer->id);
}

/* ---- signatures ---- */

/* The signature in its place among what else stands there. */
static IntakeSlice
dress(Signing *s, IntakeSlice signature)
{
	const IntakeScheme *scheme = s->scheme;
	bool timed = scheme->has_timestamp && scheme->timestamp.kind == INTAKE_SIGNATURE_ITEM;
	IntakeSlice parts[9] = {scheme->prefix};
	int n = 1;

	if (timed && scheme->format == INTAKE_KV)
	{
		parts[n++] = scheme->timestamp.name;
		parts[n++] = intake_slice_cstr(scheme->kv_sep);
	}
	if (timed)
	{
		parts[n++] = s->values.timestamp;
		parts[n++] = intake_slice_cstr(scheme->item_sep);
	}
	if (scheme->format == INTAKE_KV)
	{
		parts[n++] = intake_slice_cstr(scheme->tag ? scheme->tag : "key");
		parts[n++] = intake_slice_cstr(scheme->kv_sep);
	}
	parts[n++] = signature;
	return join(parts, n);
}

/* Puts a signature or token where the scheme looks for it. */
static bool
place_signature(Signing *s, IntakeSlice value)
{
	const IntakePlace *place = &s->scheme->signatures[0];
	IntakeSlice name = place->name;

	if (s->scheme->each != NULL || (place->kind != INTAKE_HEADER && place->kind != INTAKE_HEADERS))
		return fail(s, "the scheme has its signature in the body or the query, not in a header");
	if (place->kind == INTAKE_HEADERS)
	{
		IntakeSlice parts[] = {name, intake_slice_cstr("1")};

		name = join(parts, 2);
	}
	if (!has_header(s, name))
		add_header(s, name, value);
	return true;
}

static IntakeSlice
current_timestamp(Signing *s)
{
	const IntakeScheme *scheme = s->scheme;
	IntakeSlice value;

	if (!scheme->has_timestamp)
		return INTAKE_ABSENT;
	if (scheme->timestamp.kind == INTAKE_SIGNATURE_ITEM)
		return format_time(scheme->unit, s->request.now);
	if (intake_location_all(&scheme->timestamp, &s->request, INTAKE_ABSENT, &value, 1) == 0)
		return INTAKE_ABSENT;
	return value;
}

static bool
sign_message(Signing *s)
{
	const IntakeScheme *scheme = s->scheme;
	IntakeDigest digest;
	IntakeSlice content;
	bool ok;

	s->values.timestamp = current_timestamp(s);
	s->values.secret = s->signer->key->secret;
	content = intake_template_text(scheme->message, &s->values);
	if (content.data == NULL)
		return fail(s, "the scheme signs something that the body, the query or the source lacks");
	if (scheme->kind == INTAKE_HASH)
		ok = intake_digest_plain(scheme->algorithm, &content, 1, &digest);
	else
		ok = intake_digest_mac(intake_signing_key_mac(s->signer->key, scheme->algorithm), &content,
							   1, &digest);
	if (!ok)
		return fail(s, "the secret cannot be used");
	return place_signature(s, dress(s, encode(scheme->encoding, intake_digest_slice(&digest))));
}

static bool
sign_token(Signing *s)
{
	IntakeSlice token = s->signer->key->secret;
	IntakeSlice parts[2] = {s->scheme->prefix, token};

	if (s->scheme->kind == INTAKE_BASIC)
	{
		parts[0] = intake_slice_cstr("Basic ");
		parts[1] = encode(INTAKE_BASE64, token);
	}
	return place_signature(s, join(parts, 2));
}

/* ---- JSON Web Tokens ---- */

/* The claims that a scheme requires, with the times that libraries put into tokens. */
static bool
make_claims(Signing *s, char *out, size_t size)
{
	long long now = (long long) (s->request.now / 1000000);
	size_t n = (size_t) snprintf(
		out, size, "{\"iat\":%lld,\"nbf\":%lld,\"exp\":%lld,\"jti\":\"%.*s\"", now, now,
		now + EXPIRES_AFTER, (int) s->signer->id.len, s->signer->id.data);

	for (int i = 0; i < s->scheme->n_require; i++)
	{
		const IntakeRequirement *requirement = &s->scheme->require[i];
		const IntakePlace *place = &requirement->location.places[0];
		IntakeSlice value;

		if (place->kind != INTAKE_CLAIM || requirement->test != INTAKE_EQUAL)
			continue;
		value = intake_template_text(requirement->templates[0], &s->values);
		if (value.data == NULL || place->path.count != 1 || n + value.len + 200 > size ||
			memchr(value.data, '"', value.len) || memchr(value.data, '\\', value.len))
			return fail(s, "the scheme requires a claim that the source cannot make up");
		n += (size_t) snprintf(out + n, size - n, ",\"%.*s\":\"%.*s\"",
							   (int) place->path.steps[0].name.len, place->path.steps[0].name.data,
							   (int) value.len, value.data);
	}
	snprintf(out + n, size - n, "}");
	return true;
}

static bool
sign_jwt(Signing *s)
{
	char header[64];
	char *claims = palloc(8192);
	IntakeSlice parts[4];
	IntakeSlice content;
	IntakeDigest digest;

	if (!s->scheme->key_is_shared)
		return fail(s, "only the sender has the private key");
	if (!make_claims(s, claims, 8192))
		return false;
	snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"typ\":\"JWT\"}", s->scheme->jwt_algorithm);
	parts[0] = encode(INTAKE_BASE64URL, intake_slice_cstr(header));
	parts[1] = intake_slice_cstr(".");
	parts[2] = encode(INTAKE_BASE64URL, intake_slice_cstr(claims));
	content = join(parts, 3);
	if (!intake_digest_mac(intake_signing_key_mac(s->signer->key, s->scheme->algorithm), &content,
						   1, &digest))
		return fail(s, "the secret cannot be used");
	parts[0] = s->scheme->prefix;
	parts[1] = content;
	parts[2] = intake_slice_cstr(".");
	parts[3] = encode(INTAKE_BASE64URL, intake_digest_slice(&digest));
	return place_signature(s, join(parts, 4));
}

/*
 * Signs a request. Sets *HEADERS to its header block with what the sender would have added.
 * Returns false, with the cause in *WHY, where that cannot be done.
 */
bool
intake_sign(const IntakeSigner *signer, const IntakeRequest *request, IntakeSlice *headers,
			const char **why)
{
	Signing *s = palloc0(sizeof(Signing));
	bool ok;

	s->signer = signer;
	s->request = *request;
	intake_content_open_early(signer->scheme, &s->request);
	s->scheme = intake_scheme_for(signer->scheme, &s->request);
	s->values.request = &s->request;
	s->values.url = request->url;
	s->values.token = signer->token;
	s->why = why;
	s->block = (char *) request->headers.data;
	s->length = request->headers.len;
	if (s->scheme->has_timestamp && format_time(s->scheme->unit, request->now).data == NULL)
		return fail(s, "its times begin in 1970 and end in 2286");
	need_headers(s);
	switch (s->scheme->kind)
	{
		case INTAKE_UNSIGNED:
			ok = true;
			break;
		case INTAKE_PUBLIC_KEY:
			ok = fail(s, "only the sender has the private key");
			break;
		case INTAKE_JWT:
			ok = sign_jwt(s);
			break;
		case INTAKE_TOKEN:
		case INTAKE_BASIC:
			ok = sign_token(s);
			break;
		default:
			ok = sign_message(s);
	}
	*headers = s->request.headers;
	return ok;
}
