/*
 * digest.h
 *		Digests and HMAC by libcrypto, and comparison in constant time. Pure.
 */
#ifndef INTAKE_DIGEST_H
#define INTAKE_DIGEST_H

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "slice.h"

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

extern bool intake_digest_parse(const char *name, IntakeAlgorithm *algorithm);
extern size_t intake_digest_size(IntakeAlgorithm algorithm);
extern bool intake_digest_hmac(IntakeAlgorithm algorithm, IntakeSlice key, const IntakeSlice *parts,
							   int count, IntakeDigest *out);
extern bool intake_digest_plain(IntakeAlgorithm algorithm, const IntakeSlice *parts, int count,
								IntakeDigest *out);
extern bool intake_digest_equal(IntakeSlice a, IntakeSlice b);

#endif
