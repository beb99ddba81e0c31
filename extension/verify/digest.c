/*
 * digest.c
 *		Digests and HMAC by libcrypto, and comparison in constant time. Pure.
 *
 * A message comes as parts, so that a body is never copied to stand behind a timestamp.
 * Looking up a method of libcrypto, and making a context for it, costs as much as digesting
 * a kilobyte; both are kept.
 */
#include <openssl/core_names.h>
#include <openssl/crypto.h>

#include "read/word.h"
#include "read/work.h"
#include "verify/digest.h"

#define CHUNK (1024 * 1024) /* bytes between two looks for interrupts */

static const char *const algorithm_names[] = {"sha1", "sha256", "sha512"};

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

/* Digests a slice, chunk by chunk, with a function of libcrypto. SHA-512 takes twice as long. */
static bool
update(int (*function)(void *, const void *, size_t), void *context, IntakeSlice text, int weight)
{
	while (text.len > 0)
	{
		size_t length = text.len < CHUNK ? text.len : CHUNK;

		if (function(context, text.data, length) != 1)
			return false;
		text = intake_slice_after(text, length);
		intake_work_charge(length * weight);
	}
	return true;
}

static int
update_plain(void *context, const void *data, size_t length)
{
	return EVP_DigestUpdate(context, data, length);
}

static int
update_mac(void *context, const void *data, size_t length)
{
	return EVP_MAC_update(context, data, length);
}

/* Asking what a context is for costs as much as a short message. */
static int
mac_weight(IntakeMac *mac, size_t length)
{
	return length > 4096 && EVP_MAC_CTX_get_mac_size(mac) > 32 ? 2 : 1;
}

/* The digest of the parts, one behind the other. Returns false when libcrypto fails. */
bool
intake_digest_plain(IntakeAlgorithm algorithm, const IntakeSlice *parts, int count,
					IntakeDigest *out)
{
	static EVP_MD_CTX *context = NULL;
	const EVP_MD *method = intake_digest_method(algorithm);
	unsigned int length = 0;
	bool ok;

	if (context == NULL)
		context = EVP_MD_CTX_new();
	ok = context != NULL && method != NULL && EVP_DigestInit_ex(context, method, NULL) == 1;
	for (int i = 0; ok && i < count; i++)
		ok = update(update_plain, context, parts[i], algorithm == INTAKE_SHA512 ? 2 : 1);
	ok = ok && EVP_DigestFinal_ex(context, out->bytes, &length) == 1;
	out->len = length;
	return ok;
}

/* Makes a key of HMAC (RFC 2104) ready for use. NULL when libcrypto fails. */
IntakeMac *
intake_digest_mac_new(IntakeAlgorithm algorithm, IntakeSlice key)
{
	static EVP_MAC *hmac = NULL;
	IntakeMac *mac;
	OSSL_PARAM parameters[2] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *) algorithm_names[algorithm],
										 0),
		OSSL_PARAM_construct_end(),
	};

	if (hmac == NULL)
		hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
	if (mac == NULL ||
		EVP_MAC_init(mac, (const unsigned char *) key.data, key.len, parameters) != 1)
	{
		EVP_MAC_CTX_free(mac);
		return NULL;
	}
	return mac;
}

/* HMAC of the parts. Returns false when libcrypto fails. */
bool
intake_digest_mac(IntakeMac *mac, const IntakeSlice *parts, int count, IntakeDigest *out)
{
	bool ok = mac != NULL && EVP_MAC_init(mac, NULL, 0, NULL) == 1;

	for (int i = 0; ok && i < count; i++)
		ok = update(update_mac, mac, parts[i], mac_weight(mac, parts[i].len));
	return ok && EVP_MAC_final(mac, out->bytes, &out->len, sizeof(out->bytes)) == 1;
}

void
intake_digest_mac_free(IntakeMac *mac)
{
	EVP_MAC_CTX_free(mac);
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
