/*
 * pem.h
 *		Public keys in PEM. Pure.
 */
#ifndef INTAKE_PEM_H
#define INTAKE_PEM_H

#include "verify/publickey.h"

extern bool intake_pem_read(IntakeKeyType type, IntakeSlice text, IntakePublicKey *key,
							const char **why);

#endif
