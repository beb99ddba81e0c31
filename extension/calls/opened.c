/*
 * opened.c
 *		Secrets of calls as a process has unsealed them.
 *
 * Unsealing takes longer than all else that a call costs the server, so who hands out calls keeps the
 * last secrets. One is good for the very bytes that it was unsealed from: a secret that was changed,
 * or sealed anew, is another one, and nobody has to tell.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "calls/opened.h"
#include "ground/datum.h"

#define MOST_OPENED 64

typedef struct Opened
{
	int32 id;    /* 0: free */
	char *bytes; /* the sealed ones, and then the secret */
	size_t sealed;
	size_t secret;
} Opened;

static Opened opened[MOST_OPENED];

static void
forget(Opened *entry)
{
	intake_vault_wipe(entry->bytes, entry->sealed + entry->secret);
	if (entry->bytes != NULL)
		pfree(entry->bytes);
	memset(entry, 0, sizeof(*entry));
}

static void
keep(Opened *entry, int32 id, IntakeSlice sealed, IntakeSlice secret)
{
	char *bytes = MemoryContextAlloc(TopMemoryContext, sealed.len + secret.len + 1);

	forget(entry);
	memcpy(bytes, sealed.data, sealed.len);
	memcpy(bytes + sealed.len, secret.data, secret.len);
	*entry = (Opened){id, bytes, sealed.len, secret.len};
}

/*
 * Sets *SECRET to what was sealed, which stays until this is called again. Where that cannot be had,
 * the cause is in *PROBLEM.
 */
IntakeUnsealing
intake_opened_secret(int32 id, bytea *stored, IntakeSlice *secret, const char **problem)
{
	IntakeSlice sealed = intake_datum_bytes(PointerGetDatum(stored));
	Opened *entry = &opened[(uint32) id % MOST_OPENED];
	IntakeVault vault = {0};
	IntakeUnsealing unsealing;
	IntakeSlice value;

	if (entry->id != id || entry->sealed != sealed.len ||
		memcmp(entry->bytes, sealed.data, sealed.len) != 0)
	{
		unsealing = intake_vault_unseal(&vault, stored, &value, problem);
		intake_vault_close(&vault);
		if (unsealing != INTAKE_UNSEALED)
			return unsealing;
		keep(entry, id, sealed, value);
		intake_vault_wipe((char *) value.data, value.len);
	}
	*secret = (IntakeSlice){entry->bytes + entry->sealed, entry->secret};
	return INTAKE_UNSEALED;
}
