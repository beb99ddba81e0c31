/*
 * publickey.h
 *		Public keys, and signatures made with their other half, by libcrypto. Pure.
 */
#ifndef INTAKE_PUBLICKEY_H
#define INTAKE_PUBLICKEY_H

#include <openssl/evp.h>

#include "common/slice.h"
#include "verify/digest.h"

typedef enum
{
	INTAKE_KEY_ED25519,
	INTAKE_KEY_ECDSA, /* on curve P-256 */
	INTAKE_KEY_RSA    /* PKCS #1 v1.5, of at least 2048 bits */
} IntakeKeyType;

typedef struct IntakePublicKey
{
	EVP_PKEY *key;
	EVP_PKEY_CTX *contexts[3]; /* for verifying digests, by algorithm; made when first wanted */
	IntakeSlice id;            /* kid of a JSON Web Key, or absent */
} IntakePublicKey;

/* A message, as far as it can be prepared for every key and signature that is tried. */
typedef struct IntakeSigned
{
	IntakeSlice message; /* for Ed25519: in one piece */
	IntakeDigest digest; /* for the others */
} IntakeSigned;

#define INTAKE_KEYS_MAX 16 /* in one set */

extern bool intake_publickey_accept(IntakeKeyType type, EVP_PKEY *read, IntakePublicKey *key,
									const char **why);
extern bool intake_publickey_read_info(IntakeKeyType type, IntakeSlice der, IntakePublicKey *key,
									   const char **why);
extern bool intake_publickey_read_bytes(IntakeKeyType type, IntakeSlice bytes, IntakePublicKey *key,
										const char **why);
extern bool intake_publickey_prepare(IntakeKeyType type, IntakeAlgorithm algorithm,
									 const IntakeSlice *parts, int count, IntakeSigned *content);
extern bool intake_publickey_verify(IntakePublicKey *key, IntakeAlgorithm algorithm,
									const IntakeSigned *content, IntakeSlice signature);
extern void intake_publickey_free(IntakePublicKey *key);
extern IntakeSlice intake_publickey_ecdsa_der(IntakeSlice signature);

#endif
