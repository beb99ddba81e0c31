/*
 * jwk.h
 *		Public keys as JSON Web Keys, and sets of them. Pure.
 */
#ifndef INTAKE_JWK_H
#define INTAKE_JWK_H

#include "verify/publickey.h"

extern int intake_jwk_read(IntakeKeyType type, IntakeSlice text, IntakePublicKey *keys,
						   const char **why);

#endif
