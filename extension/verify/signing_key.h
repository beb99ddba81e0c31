/*
 * signing_key.h
 *		A secret of a source, made ready for verifying by its scheme. Pure.
 */
#ifndef INTAKE_SIGNING_KEY_H
#define INTAKE_SIGNING_KEY_H

#include "common/slice.h"
#include "verify/digest.h"
#include "verify/publickey.h"
#include "verify/scheme.h"

typedef struct IntakeKey
{
	IntakeSlice secret; /* as the provider shows it, or normalised where its scheme asks */
	IntakeSlice bytes;  /* what it stands for, for HMAC */
	IntakePublicKey *public_keys; /* for kinds with public keys */
	int n_public_keys;
} IntakeKey;

extern bool intake_signing_key_is_secret(IntakeSlice text, const char **why);
extern bool intake_signing_key_prepare(const IntakeScheme *scheme, IntakeSlice secret,
									   IntakeKey *key, const char **why);
extern IntakeMac intake_signing_key_mac(const IntakeKey *key, IntakeAlgorithm algorithm);
extern void intake_signing_key_release(IntakeKey *key);

#endif
