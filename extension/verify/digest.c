/*
 * digest.c
 *		Digests and HMAC by libcrypto, and comparison in constant time. Pure.
 *
 * A message comes as parts, so that a body is never copied to stand behind a timestamp.
 * Looking up a method of libcrypto, and making a context for it, costs as much as digesting
 * a kilobyte; both are kept. Nothing is kept of a key of HMAC: digesting its two blocks takes as long
 * as copying what libcrypto would keep of them, and less where that must come from memory, because
 * many sources take turns.
 */
#include <openssl/crypto.h>

#include "read/word.h"
#include "read/work.h"
#include "verify/digest.h"

#define CHUNK (1024 * 1024) /* bytes between two looks for interrupts */

#define MOST_BLOCK 128

static const char *const algorithm_names[] = {"sha1", "sha256", "sha512"};
static const size_t block_sizes[] = {64, 64, MOST_BLOCK};

bool
intake_digest_parse(const char *name, IntakeAlgorithm *algorithm)
{
	int found = 0;

	if (!intake_word_find(name, algorithm_names, 3, &found))
		return false;
	*algorithm = (IntakeAlgorithm) found;
	return true;
}

/* libcrypto's method, looked up once; NULL when libcrypto has none. */
const EVP_MD *
intake_digest_method(IntakeAlgorithm algorithm)
{
	static EVP_MD *methods[3];

	if (methods[algorithm] == NULL)
		methods[algorithm] = EVP_MD_fetch(NULL, algorithm_names[algorithm], NULL);
	return methods[algorithm];
}

/* A context for digests of that kind, begun anew; NULL when libcrypto fails. Each is made once. */
static EVP_MD_CTX *
begin(IntakeAlgorithm algorithm)
{
	static EVP_MD_CTX *contexts[3];
	EVP_MD_CTX **context = &contexts[algorithm];
	const EVP_MD *method = NULL; /* as it was */

	if (*context == NULL)
	{
		method = intake_digest_method(algorithm);
		*context = method ? EVP_MD_CTX_new() : NULL;
	}
	return *context != NULL && EVP_DigestInit_ex(*context, method, NULL) == 1 ? *context : NULL;
}

/* Digests a slice, chunk by chunk. SHA-512 takes twice as long. */
static bool
update(EVP_MD_CTX *context, IntakeSlice text, int weight)
{
	while (text.len > 0)
	{
		size_t length = text.len < CHUNK ? text.len : CHUNK;

		if (EVP_DigestUpdate(context, text.data, length) != 1)
			return false;
		text = intake_slice_after(text, length);
		intake_work_charge(length * weight);
	}
	return true;
}

static bool
finish(EVP_MD_CTX *context, const IntakeSlice *parts, int count, int weight, IntakeDigest *out)
{
	unsigned int length = 0;
	bool ok = context != NULL;

	for (int i = 0; ok && i < count; i++)
		ok = update(context, parts[i], weight);
	ok = ok && EVP_DigestFinal_ex(context, out->bytes, &length) == 1;
	out->len = length;
	return ok;
}

static int
weight_of(IntakeAlgorithm algorithm)
{
	return algorithm == INTAKE_SHA512 ? 2 : 1;
}

/* The digest of the parts, one behind the other. Returns false when libcrypto fails. */
bool
intake_digest_plain(IntakeAlgorithm algorithm, const IntakeSlice *parts, int count,
					IntakeDigest *out)
{
	return finish(begin(algorithm), parts, count, weight_of(algorithm), out);
}

/* The digest of a block made of KEY, in which each byte is changed by PAD, and of the parts. */
static bool
digest_behind(IntakeMac mac, unsigned char pad, const IntakeSlice *parts, int count,
			  IntakeDigest *out)
{
	size_t size = block_sizes[mac.algorithm];
	unsigned char block[MOST_BLOCK];
	EVP_MD_CTX *context = begin(mac.algorithm);
	bool ok;

	memset(block, pad, size);
	for (size_t i = 0; i < mac.key.len; i++)
		block[i] ^= (unsigned char) mac.key.data[i];
	ok = context != NULL && EVP_DigestUpdate(context, block, size) == 1 &&
		 finish(context, parts, count, weight_of(mac.algorithm), out);
	OPENSSL_cleanse(block, size);
	return ok;
}

/* HMAC (RFC 2104) of the parts. Returns false when there is no key, or libcrypto fails. */
bool
intake_digest_mac(IntakeMac mac, const IntakeSlice *parts, int count, IntakeDigest *out)
{
	IntakeDigest shorter;
	IntakeDigest inner;
	IntakeSlice digested;
	bool ok = mac.key.data != NULL;

	if (ok && mac.key.len > block_sizes[mac.algorithm])
	{
		ok = intake_digest_plain(mac.algorithm, &mac.key, 1, &shorter);
		mac.key = intake_digest_slice(&shorter);
	}
	ok = ok && digest_behind(mac, 0x36, parts, count, &inner);
	digested = intake_digest_slice(&inner);
	return ok && digest_behind(mac, 0x5C, &digested, 1, out);
}

IntakeSlice
intake_digest_slice(const IntakeDigest *digest)
{
	return (IntakeSlice){(const char *) digest->bytes, digest->len};
}

/* Compares in a time that depends on the lengths only. */
bool
intake_digest_equal(IntakeSlice a, IntakeSlice b)
{
	return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.data, b.data, a.len) == 0);
}
