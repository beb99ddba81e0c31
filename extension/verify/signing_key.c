/*
 * signing_key.c
 *		A secret of a source, made ready for verifying by its scheme. Pure; what is prepared
 *		is palloc'ed, and what libcrypto holds must be released.
 */
#include <stdlib.h>

#include <openssl/crypto.h>

#include "common/memory.h"

#include "verify/jwk.h"
#include "verify/pem.h"
#include "verify/signing_key.h"

#define LEAST_SECRET 4 /* bytes, as it is written and as it signs: fewer are guessed by trying */

static bool
fail(const char **why, const char *what)
{
	*why = what;
	return false;
}

/*
 * How many bytes a character takes at the start of a text that nobody sees: a space of any kind, a
 * joiner, a mark; 0 where there is none.
 */
static size_t
unseen(IntakeSlice text)
{
	static const char *const others[] = {" ",
										 "\xC2\xA0",
										 "\xC2\xAD",
										 "\xE1\x9A\x80",
										 "\xE2\x81\x9F",
										 "\xE2\x81\xA0",
										 "\xE3\x80\x80",
										 "\xEF\xBB\xBF"};

	if (text.len >= 3 && memcmp(text.data, "\xE2\x80", 2) == 0)
	{
		/* U+2000 to U+200F, U+2028 to U+202F */
		unsigned char last = (unsigned char) text.data[2];

		return last <= 0x8F || (last >= 0xA8 && last <= 0xAF) ? 3 : 0;
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (intake_slice_starts(text, intake_slice_cstr(others[i])))
			return strlen(others[i]);
	return 0;
}

static bool
has_control(IntakeSlice text)
{
	for (size_t i = 0; i < text.len; i++)
	{
		unsigned char c = (unsigned char) text.data[i];
		unsigned char before = i > 0 ? (unsigned char) text.data[i - 1] : 0;

		if (c < 0x20 || c == 0x7F || (before == 0xC2 && c < 0xA0))
			return true;
	}
	return false;
}

/*
 * Whether a secret has nothing around it that comes with copying and no provider gives: spaces and
 * their kin at its ends; line breaks and other control characters anywhere.
 */
static bool
is_neat(IntakeSlice secret)
{
	if (has_control(secret) || unseen(secret) > 0)
		return false;
	for (size_t n = 1; n <= 3 && n <= secret.len; n++)
		if (unseen(intake_slice_after(secret, secret.len - n)) == n)
			return false;
	return true;
}

/*
 * Whether a text can be a secret that somebody presents or signs with. Returns false, with the
 * cause in *WHY, where it came to be what it is by mistake, or can be guessed by trying.
 */
bool
intake_signing_key_is_secret(IntakeSlice text, const char **why)
{
	if (text.len == 0)
		return fail(why, "it is empty");
	if (intake_slice_starts(text, intake_slice_cstr("-----BEGIN ")))
		return fail(why, "it is a key in PEM, where a secret is asked for");
	if (!is_neat(text))
		return fail(why, "it has a space or a line break around it, or a control character in it");
	if (text.len < LEAST_SECRET)
		return fail(why, "it is shorter than 4 bytes");
	return true;
}

/* Whether a secret is a user and a password, of which the password is one. */
static bool
is_user_and_password(IntakeSlice secret, const char **why)
{
	IntakeSlice password;
	IntakeSlice user = intake_slice_cut(secret, ":", &password);

	if (password.data == NULL)
		return fail(why, "it is not user:password");
	if (user.len == 0)
		return fail(why, "it has no user before the password");
	if (password.len < LEAST_SECRET)
		return fail(why, "its password is shorter than 4 bytes");
	return true;
}

/* A secret without what its provider shows before it: whsec_, or as Supabase has it v1,whsec_. */
static IntakeSlice
without_prefix(const IntakeScheme *scheme, IntakeSlice secret)
{
	IntakeSlice version = intake_slice_cstr("v1,");
	IntakeSlice rest = secret;

	if (scheme->key_prefix.data == NULL)
		return secret;
	if (intake_slice_starts(rest, version))
		rest = intake_slice_after(rest, version.len);
	if (!intake_slice_starts(rest, scheme->key_prefix))
		return secret;
	return intake_slice_after(rest, scheme->key_prefix.len);
}

/* Decodes base64 whose padding is left out. */
static bool
decode_unpadded(IntakeSlice text, unsigned char *out, size_t *length)
{
	size_t padding = (4 - text.len % 4) % 4;
	char *padded = palloc(text.len + padding);
	bool ok;

	memcpy(padded, text.data, text.len);
	memset(padded + text.len, '=', padding);
	ok = padding > 0 && memchr(text.data, '=', text.len) == NULL &&
		 intake_encoding_decode(INTAKE_BASE64, (IntakeSlice){padded, text.len + padding}, out,
								text.len, length);
	OPENSSL_cleanse(padded, text.len);
	pfree(padded);
	return ok;
}

/* The bytes that a secret stands for. */
static bool
decode(const IntakeScheme *scheme, IntakeSlice secret, IntakeSlice *bytes)
{
	unsigned char *out = palloc(secret.len + INTAKE_DIGEST_MAX);
	IntakeDigest digest;

	*bytes = (IntakeSlice){(char *) out, 0};
	if (scheme->key_form == INTAKE_KEY_SHA1)
	{
		if (!intake_digest_plain(INTAKE_SHA1, &secret, 1, &digest))
			return false;
		memcpy(out, digest.bytes, digest.len);
		bytes->len = digest.len;
		return true;
	}
	secret = without_prefix(scheme, secret);
	/* Base64 of secrets comes in both alphabets, and without its padding, too. */
	return intake_encoding_decode(scheme->key_encoding, secret, out, secret.len, &bytes->len) ||
		   (scheme->key_encoding == INTAKE_BASE64 &&
			(intake_encoding_decode(INTAKE_BASE64URL, secret, out, secret.len, &bytes->len) ||
			 decode_unpadded(secret, out, &bytes->len)));
}

/* Public keys, in whatever form; returns how many, 0 with the cause in *WHY. */
static int
read_public(const IntakeScheme *scheme, IntakeSlice text, IntakePublicKey *keys, const char **why)
{
	IntakeSlice bytes;
	IntakeSlice rest = text;

	while (rest.len > 0 && memchr(" \t\r\n", rest.data[0], 4) != NULL)
		rest = intake_slice_after(rest, 1);
	if (intake_slice_starts(rest, intake_slice_cstr("-----BEGIN ")))
		return intake_pem_read(scheme->key_type, rest, keys, why) ? 1 : 0;
	if (intake_slice_starts(rest, intake_slice_cstr("{")))
		return intake_jwk_read(scheme->key_type, rest, keys, why);
	if (!decode(scheme, text, &bytes))
		return fail(
			why,
			"it is neither PEM, nor a JSON Web Key, nor in the encoding that the scheme names");
	return intake_publickey_read_bytes(scheme->key_type, bytes, keys, why) ? 1 : 0;
}

static bool
prepare_public(const IntakeScheme *scheme, IntakeKey *key, const char **why)
{
	key->public_keys = palloc0(INTAKE_KEYS_MAX * sizeof(IntakePublicKey));
	key->n_public_keys = read_public(scheme, key->secret, key->public_keys, why);
	return key->n_public_keys > 0;
}

static bool
prepare_secret(const IntakeScheme *scheme, IntakeKey *key, const char **why)
{
	IntakeSlice secret = key->secret;

	if (!intake_signing_key_is_secret(secret, why))
		return false;
	if (scheme->kind == INTAKE_BASIC && !is_user_and_password(secret, why))
		return false;
	if (!decode(scheme, secret, &key->bytes))
		return fail(why, "it is not in the encoding that the scheme asks for");
	if (key->bytes.len < LEAST_SECRET)
		return fail(why, "its key is shorter than 4 bytes");
	return true;
}

/*
 * Makes KEY of a secret, which must outlive it. Returns false, with the cause in *WHY, where
 * the scheme cannot use the secret. The cause does not have the secret in it.
 */
bool
intake_signing_key_prepare(const IntakeScheme *scheme, IntakeSlice secret, IntakeKey *key,
						   const char **why)
{
	memset(key, 0, sizeof(*key));
	key->secret = secret;
	if (secret.data == NULL || secret.len == 0)
		return fail(why, "it is empty");
	if (scheme->kind == INTAKE_PUBLIC_KEY || (scheme->kind == INTAKE_JWT && !scheme->key_is_shared))
		return prepare_public(scheme, key, why);
	return prepare_secret(scheme, key, why);
}

/* HMAC with the key. */
IntakeMac
intake_signing_key_mac(const IntakeKey *key, IntakeAlgorithm algorithm)
{
	return (IntakeMac){algorithm, key->bytes};
}

/* Gives back what libcrypto holds for a key, and wipes its bytes; the secret is the caller's. */
void
intake_signing_key_release(IntakeKey *key)
{
	if (key->bytes.data != NULL)
		OPENSSL_cleanse((char *) key->bytes.data, key->bytes.len);
	for (int i = 0; i < key->n_public_keys; i++)
		intake_publickey_free(&key->public_keys[i]);
	memset(key, 0, sizeof(*key));
}
