/*
 * pgcrypto.h
 *		Secrets, encrypted and decrypted by pgcrypto.
 */
#ifndef INTAKE_PGCRYPTO_H
#define INTAKE_PGCRYPTO_H

#include "postgres.h"

#include "common/slice.h"

extern IntakeSlice intake_pgcrypto_encrypt(IntakeSlice key, IntakeSlice secret);
extern bool intake_pgcrypto_decrypt(IntakeSlice key, IntakeSlice data, IntakeSlice *secret);

#endif
