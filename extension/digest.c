/*
 * digest.c
 *		Digests and HMAC by libcrypto, and comparison in constant time. Pure.
 *
 * A message comes as parts, so that a body is never copied to stand behind a timestamp.
 * HMAC is computed by its definition over two plain digests: looking up libcrypto's HMAC for
 * each message costs more than digesting a kilobyte.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "digest.h"

#define BLOCK_MAX 128

static const EVP_MD *
method(IntakeAlgorithm algorithm)
{
	switch (algorithm)
	{
		case INTAKE_SHA1:
			return EVP_sha1();
		case INTAKE_SHA512:
			return EVP_sha512();
		default:
			return EVP_sha256();
	}
}

bool
intake_digest_parse(const char *name, IntakeAlgorithm *algorithm)
{
	static const char *const names[] = {"sha1", "sha256", "sha512"};

	for (int i = 0; i < 3; i++)
		if (strcmp(name, names[i]) == 0)
		{
			*algorithm = (IntakeAlgorithm) i;
			return true;
		}
	return false;
}

/* Bytes of a digest. */
size_t
intake_digest_size(IntakeAlgorithm algorithm)
{
	return (size_t) EVP_MD_get_size(method(algorithm));
}

/* The digest of the parts, one behind the other. Returns false when libcrypto fails. */
bool
intake_digest_plain(IntakeAlgorithm algorithm, const IntakeSlice *parts, int count,
					IntakeDigest *out)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned int length = 0;
	bool ok = context != NULL && EVP_DigestInit_ex(context, method(algorithm), NULL) == 1;

	for (int i = 0; ok && i < count; i++)
		ok = EVP_DigestUpdate(context, parts[i].data, parts[i].len) == 1;
	ok = ok && EVP_DigestFinal_ex(context, out->bytes, &length) == 1;
	EVP_MD_CTX_free(context);
	out->len = length;
	return ok;
}

/* The digest of one block, KEY with each byte changed by MASK, followed by the parts. */
static bool
digest_behind_pad(IntakeAlgorithm algorithm, IntakeSlice key, unsigned char mask,
				  const IntakeSlice *parts, int count, IntakeDigest *out)
{
	unsigned char pad[BLOCK_MAX];
	size_t block = algorithm == INTAKE_SHA512 ? 128 : 64;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned int length = 0;
	bool ok = context != NULL && EVP_DigestInit_ex(context, method(algorithm), NULL) == 1;

	memset(pad, mask, block);
	for (size_t i = 0; i < key.len; i++)
		pad[i] ^= (unsigned char) key.data[i];
	ok = ok && EVP_DigestUpdate(context, pad, block) == 1;
	for (int i = 0; ok && i < count; i++)
		ok = EVP_DigestUpdate(context, parts[i].data, parts[i].len) == 1;
	ok = ok && EVP_DigestFinal_ex(context, out->bytes, &length) == 1;
	EVP_MD_CTX_free(context);
	OPENSSL_cleanse(pad, sizeof(pad));
	out->len = length;
	return ok;
}

/* HMAC (RFC 2104) of the parts. Returns false when libcrypto fails. */
bool
intake_digest_hmac(IntakeAlgorithm algorithm, IntakeSlice key, const IntakeSlice *parts, int count,
				   IntakeDigest *out)
{
	size_t block = algorithm == INTAKE_SHA512 ? 128 : 64;
	IntakeDigest short_key;
	IntakeDigest inner;
	IntakeSlice part;

	if (key.len > block)
	{
		if (!intake_digest_plain(algorithm, &key, 1, &short_key))
			return false;
		key = (IntakeSlice){(char *) short_key.bytes, short_key.len};
	}
	if (!digest_behind_pad(algorithm, key, 0x36, parts, count, &inner))
		return false;
	part = (IntakeSlice){(char *) inner.bytes, inner.len};
	return digest_behind_pad(algorithm, key, 0x5c, &part, 1, out);
}

/* Compares in a time that depends on the lengths only. */
bool
intake_digest_equal(IntakeSlice a, IntakeSlice b)
{
	return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.data, b.data, a.len) == 0);
}
