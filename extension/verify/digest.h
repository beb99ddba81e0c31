/*
 * digest.h
 *		Digests and HMAC by libcrypto, and comparison in constant time. Pure.
 */
#ifndef INTAKE_DIGEST_H
#define INTAKE_DIGEST_H

#include <openssl/evp.h>

#include "common/slice.h"

#define INTAKE_DIGEST_MAX EVP_MAX_MD_SIZE

typedef enum
{
	INTAKE_SHA1,
	INTAKE_SHA256,
	INTAKE_SHA512
} IntakeAlgorithm;

typedef struct IntakeDigest
{
	unsigned char bytes[INTAKE_DIGEST_MAX];
	size_t len;
} IntakeDigest;

/* HMAC with a key, which is somebody else's; absent: there is none. */
typedef struct IntakeMac
{
	IntakeAlgorithm algorithm;
	IntakeSlice key;
} IntakeMac;

extern bool intake_digest_parse(const char *name, IntakeAlgorithm *algorithm);
extern const EVP_MD *intake_digest_method(IntakeAlgorithm algorithm);
extern bool intake_digest_plain(IntakeAlgorithm algorithm, const IntakeSlice *parts, int count,
								IntakeDigest *out);
extern bool intake_digest_mac(IntakeMac mac, const IntakeSlice *parts, int count,
							  IntakeDigest *out);
extern IntakeSlice intake_digest_slice(const IntakeDigest *digest);
extern bool intake_digest_equal(IntakeSlice a, IntakeSlice b);

#endif
