/*
 * vault.h
 *		Secrets at rest: sealed with a key that lives outside of the database.
 */
#ifndef INTAKE_VAULT_H
#define INTAKE_VAULT_H

#include "postgres.h"

#include "common/slice.h"

typedef struct IntakeMasterKey IntakeMasterKey;

/* The key file, as it was when it was opened; all zero: it was not yet. */
typedef struct IntakeVault
{
	bool open;
	char *text; /* of the file */
	IntakeMasterKey *keys;
	int n_keys;
	char *problem; /* why the file cannot be used, or NULL */
} IntakeVault;

/* What became of a sealed secret. */
typedef enum
{
	INTAKE_UNSEALED,
	INTAKE_NO_KEY_FILE, /* or not the key in it */
	INTAKE_DAMAGED
} IntakeUnsealing;

extern void intake_vault_open(IntakeVault *vault);
extern void intake_vault_close(IntakeVault *vault);
extern bytea *intake_vault_seal(IntakeSlice secret);
extern IntakeUnsealing intake_vault_unseal(IntakeVault *vault, bytea *sealed, IntakeSlice *secret,
										   const char **problem);
extern void intake_vault_wipe(void *memory, size_t size);

#endif
