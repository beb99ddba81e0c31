/*
 * signing_key.c
 *		A secret of a source, made ready for verifying by its scheme. Pure; what is prepared
 *		is palloc'ed, and what libcrypto holds must be released.
 */
#include <stdlib.h>

#include <openssl/crypto.h>

#include "common/memory.h"

#include "verify/signing_key.h"

static bool
fail(const char **why, const char *what)
{
	*why = what;
	return false;
}

/*
 * Whether a secret has nothing around it that comes with copying and no provider gives: spaces and
 * their kin at its ends; line breaks and other control characters anywhere.
 */
bool
intake_signing_key_is_neat(IntakeSlice secret, const char **why)
{
	/* No-break space, zero-width space, line separator, byte order mark. */
	static const char *const invisible[] = {"\xC2\xA0", "\xE2\x80\x8B", "\xE2\x80\xA8",
											"\xEF\xBB\xBF"};

	*why = "it has a space or a line break around it, or a control character in it";
	for (size_t i = 0; i < secret.len; i++)
		if ((unsigned char) secret.data[i] < 0x20 || secret.data[i] == 0x7F)
			return false;
	if (secret.len > 0 && (secret.data[0] == ' ' || secret.data[secret.len - 1] == ' '))
		return false;
	for (size_t i = 0; i < sizeof(invisible) / sizeof(invisible[0]); i++)
	{
		IntakeSlice mark = intake_slice_cstr(invisible[i]);

		if (intake_slice_starts(secret, mark) ||
			(secret.len >= mark.len &&
			 memcmp(secret.data + secret.len - mark.len, mark.data, mark.len) == 0))
			return false;
	}
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

static bool
prepare_public(const IntakeScheme *scheme, IntakeKey *key, const char **why)
{
	IntakeSlice bytes;
	int count;

	key->public_keys = palloc0(INTAKE_KEYS_MAX * sizeof(IntakePublicKey));
	count = intake_publickey_read(scheme->key_type, key->secret, key->public_keys, why);
	if (count < 0)
	{
		*why = "it is neither PEM, nor a JSON Web Key, nor in the encoding that the scheme names";
		count = decode(scheme, key->secret, &bytes) &&
				intake_publickey_read_bytes(scheme->key_type, bytes, key->public_keys, why);
	}
	key->n_public_keys = count;
	return count > 0;
}

static bool
prepare_secret(const IntakeScheme *scheme, IntakeKey *key, const char **why)
{
	IntakeSlice secret = key->secret;

	if (!intake_signing_key_is_neat(secret, why))
		return false;
	if (scheme->kind == INTAKE_BASIC && memchr(secret.data, ':', secret.len) == NULL)
		return fail(why, "it is not user:password");
	if (!decode(scheme, secret, &key->bytes))
		return fail(why, "it is not in the encoding that the scheme asks for");
	if (key->bytes.len == 0)
		return fail(why, "its key is empty");
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

/* HMAC with the key; NULL when libcrypto fails. */
IntakeMac *
intake_signing_key_mac(IntakeKey *key, IntakeAlgorithm algorithm)
{
	if (key->mac[algorithm] == NULL && key->bytes.data != NULL)
		key->mac[algorithm] = intake_digest_mac_new(algorithm, key->bytes);
	return key->mac[algorithm];
}

/* Gives back what libcrypto holds for a key, and wipes its bytes; the secret is the caller's. */
void
intake_signing_key_release(IntakeKey *key)
{
	if (key->bytes.data != NULL)
		OPENSSL_cleanse((char *) key->bytes.data, key->bytes.len);
	for (int i = 0; i < 3; i++)
		intake_digest_mac_free(key->mac[i]);
	for (int i = 0; i < key->n_public_keys; i++)
		intake_publickey_free(&key->public_keys[i]);
	memset(key, 0, sizeof(*key));
}
