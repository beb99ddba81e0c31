/*
 * vault.h
 *		Secrets at rest: sealed with a key that lives outside of the database.
 */
#ifndef INTAKE_VAULT_H
#define INTAKE_VAULT_H

#include "postgres.h"

#include "slice.h"

extern bytea *intake_vault_seal(IntakeSlice secret);
extern char *intake_vault_unseal(bytea *sealed, char **problem);

#endif
