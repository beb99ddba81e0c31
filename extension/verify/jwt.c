/*
 * jwt.c
 *		JSON Web Tokens (RFC 7519) in compact form. Pure; results are palloc'ed.
 *
 * The algorithm is the scheme's. What the header of a token says of it must agree, and decides
 * nothing: neither alg "none" nor an HMAC with a public key can come in that way.
 */
#include "common/memory.h"

#include "read/encoding.h"
#include "verify/jwt.h"

#define MOST_TOKEN 65536 /* bytes */

/* Decodes a part, which has no padding: so it can be written in one way only. */
static bool
decode(IntakeSlice text, IntakeSlice *out)
{
	unsigned char *bytes = palloc(text.len + 1);

	out->data = (char *) bytes;
	return text.data != NULL && memchr(text.data, '=', text.len) == NULL &&
		   intake_encoding_decode(INTAKE_BASE64URL, text, bytes, text.len, &out->len);
}

static IntakeSlice
member(IntakeSlice json, const char *pointer)
{
	IntakePath path;
	IntakeSlice value = INTAKE_ABSENT;

	if (!intake_json_pointer(pointer, &path) || intake_json_find(json, &path, &value, 1) == 0)
		return INTAKE_ABSENT;
	return value;
}

/* Whether JSON is an object in which each name stands once. */
static bool
is_object(IntakeSlice json)
{
	while (json.len > 0 && memchr(" \t\r\n", json.data[0], 4) != NULL)
		json = intake_slice_after(json, 1);
	return json.len > 0 && json.data[0] == '{' && intake_json_valid(json) &&
		   !intake_json_repeats_name(json);
}

/* Takes kid from the header: a string, or not there. */
static bool
read_key_id(IntakeJwt *token)
{
	IntakeSlice value = member(token->header, "/kid");

	token->key_id = INTAKE_ABSENT;
	if (value.data == NULL)
		return true;
	if (value.data[0] == '"')
		token->key_id = intake_json_scalar(value);
	return token->key_id.data != NULL;
}

/*
 * Takes a token apart. Returns false where it is none, or asks for extensions (crit), of which none
 * is known here, or for claims that are signed without their encoding (b64).
 */
bool
intake_jwt_read(IntakeSlice text, IntakeJwt *token)
{
	IntakeSlice rest;
	IntakeSlice header;
	IntakeSlice claims;

	memset(token, 0, sizeof(*token));
	if (text.data == NULL || text.len > MOST_TOKEN)
		return false;
	header = intake_slice_cut(text, ".", &rest);
	claims = intake_slice_cut(rest, ".", &rest);
	if (rest.data == NULL || !decode(header, &token->header) || !decode(claims, &token->claims) ||
		!decode(rest, &token->signature))
		return false;
	token->content = (IntakeSlice){text.data, header.len + 1 + claims.len};
	if (!is_object(token->header) || !is_object(token->claims) ||
		member(token->header, "/crit").data != NULL || member(token->header, "/b64").data != NULL)
		return false;
	return read_key_id(token);
}

bool
intake_jwt_algorithm_is(const IntakeJwt *token, const char *algorithm)
{
	IntakeSlice value = member(token->header, "/alg");

	return value.len > 0 && value.data[0] == '"' &&
		   intake_slice_equal(intake_json_scalar(value), intake_slice_cstr(algorithm));
}

static bool
verify_public(const IntakeJwt *token, const IntakeScheme *scheme, const IntakeKey *key)
{
	IntakeSlice signature = token->signature;
	IntakeSigned content;

	if (!intake_publickey_prepare(scheme->key_type, scheme->algorithm, &token->content, 1,
								  &content))
		return false;
	if (scheme->key_type == INTAKE_KEY_ECDSA)
		signature = intake_publickey_ecdsa_der(signature);
	for (int i = 0; signature.data != NULL && i < key->n_public_keys; i++)
	{
		IntakePublicKey *candidate = &key->public_keys[i];

		if (candidate->id.data != NULL && token->key_id.data != NULL &&
			!intake_slice_equal(candidate->id, token->key_id))
			continue;
		if (intake_publickey_verify(candidate, scheme->algorithm, &content, signature))
			return true;
	}
	return false;
}

/* Whether a token has the algorithm of a scheme, and was signed with a key. */
bool
intake_jwt_verify(const IntakeJwt *token, const IntakeScheme *scheme, IntakeKey *key)
{
	IntakeDigest digest;

	if (!intake_jwt_algorithm_is(token, scheme->jwt_algorithm))
		return false;
	if (!scheme->key_is_shared)
		return verify_public(token, scheme, key);
	return intake_digest_mac(intake_signing_key_mac(key, scheme->algorithm), &token->content, 1,
							 &digest) &&
		   intake_digest_equal(token->signature, intake_digest_slice(&digest));
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * Reads a claim that is a time: seconds in up to 12 digits, perhaps with a fraction, which is
 * dropped. Returns false where it is there and no time; a number with an exponent is none.
 */
bool
intake_jwt_time(const IntakeJwt *token, const char *claim, bool *present, int64_t *microseconds)
{
	IntakeSlice value = member(token->claims, claim);
	int64_t seconds = 0;
	size_t n = 0;

	*present = value.data != NULL;
	if (!*present)
		return true;
	while (n < value.len && n < 12 && is_digit(value.data[n]))
		seconds = seconds * 10 + (value.data[n++] - '0');
	*microseconds = seconds * 1000000;
	if (n == value.len || n == 0 || value.data[n] != '.')
		return n > 0 && n == value.len;
	while (++n < value.len)
		if (!is_digit(value.data[n]))
			return false;
	return true;
}
