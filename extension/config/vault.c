/*
 * vault.c
 *		Secrets at rest: sealed with a key that lives outside of the database.
 *
 * The file that pg_intake.key_file names has a key in each line: the first one seals, all of
 * them unseal, so that a key is changed by putting a new one before it. A sealed secret is
 * the letter e, the number of its key, and what pgcrypto's pgp_sym_encrypt_bytea made of the
 * secret with that key; without a key file it is the letter c and the secret.
 *
 * What was in the clear is wiped where it was ours: not what SQL made of it, a parameter or a variable.
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "fmgr.h"
#include "storage/fd.h"
#include "utils/builtins.h"

#include "config/pgcrypto.h"
#include "config/vault.h"
#include "ground/datum.h"
#include "ground/settings.h"
#include "read/encoding.h"
#include "verify/digest.h"

#define MOST_FILE 8192
#define LEAST_KEY 16
#define KEY_NUMBER 8 /* bytes */

PG_FUNCTION_INFO_V1(intake_sql_seal);
PG_FUNCTION_INFO_V1(intake_sql_unseal);
PG_FUNCTION_INFO_V1(intake_sql_sealed_with);
PG_FUNCTION_INFO_V1(intake_sql_key_number);

struct IntakeMasterKey
{
	IntakeSlice key;
	unsigned char number[KEY_NUMBER];
};

/* Overwrites a secret, even if nobody will look at it again. */
void
intake_vault_wipe(void *memory, size_t size)
{
	if (memory != NULL)
		explicit_bzero(memory, size);
}

/* ---- the key file ---- */

/* Why a file must not be used as it is: the rule that the server has for its TLS key. */
static char *
check_file(const char *path)
{
	struct stat info;

	if (stat(path, &info) != 0)
		return psprintf("the key file cannot be read: %m");
	if (!S_ISREG(info.st_mode))
		return "the key file is not a file";
	if (info.st_uid != geteuid() && info.st_uid != 0)
		return "the key file must belong to the user of the server, or to root";
	if (info.st_mode &
		(info.st_uid == 0 && geteuid() != 0 ? (S_IWGRP | S_IRWXO) : (S_IRWXG | S_IRWXO)))
		return "the key file can be read by others: chmod 600, or 640 if root owns it";
	if (info.st_size > MOST_FILE)
		return "the key file is larger than 8 kB";
	return NULL;
}

static char *
read_file(const char *path, char **problem)
{
	char *text = palloc0(MOST_FILE + 1);
	FILE *file = AllocateFile(path, "r");

	if (file == NULL)
	{
		*problem = psprintf("the key file cannot be read: %m");
		return text;
	}
	if (fread(text, 1, MOST_FILE, file) == 0)
		*problem = "the key file is empty";
	FreeFile(file);
	return text;
}

static void
add_key(IntakeVault *vault, IntakeSlice line)
{
	IntakeSlice parts[2] = {intake_slice_cstr("pg_intake key "), line};
	IntakeDigest digest;
	IntakeMasterKey *key = &vault->keys[vault->n_keys++];

	if (line.len < LEAST_KEY)
		vault->problem = "a key in the key file has less than 16 characters";
	if (!intake_digest_plain(INTAKE_SHA256, parts, 2, &digest))
		elog(ERROR, "could not compute a digest");
	key->key = line;
	memcpy(key->number, digest.bytes, KEY_NUMBER);
}

/*
 * Reads the key file. No keys and no problem: there is to be none. Whoever opens it closes it, and
 * nobody looks at it after that.
 */
void
intake_vault_open(IntakeVault *vault)
{
	const char *path = intake_settings_key_file;
	IntakeSlice rest;

	memset(vault, 0, sizeof(*vault));
	vault->open = true;
	if (path == NULL || path[0] == '\0')
		return;
	vault->problem = check_file(path);
	if (vault->problem != NULL)
		return;
	vault->text = read_file(path, &vault->problem);
	rest = intake_slice_cstr(vault->text);
	vault->keys = palloc0((rest.len + 1) * sizeof(IntakeMasterKey));
	while (rest.data != NULL)
	{
		IntakeSlice line = intake_slice_trim(intake_slice_cut(rest, "\n", &rest));

		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		if (line.len > 0 && line.data[0] != '#')
			add_key(vault, line);
	}
	if (vault->n_keys == 0 && vault->problem == NULL)
		vault->problem = "the key file has no key";
}

/* Forgets the keys, if it was opened. */
void
intake_vault_close(IntakeVault *vault)
{
	intake_vault_wipe(vault->text, MOST_FILE);
	if (vault->text != NULL)
		pfree(vault->text);
	if (vault->keys != NULL)
		pfree(vault->keys);
	memset(vault, 0, sizeof(*vault));
}

static void
open_vault_or_fail(IntakeVault *vault)
{
	intake_vault_open(vault);
	if (vault->problem != NULL)
		ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR), errmsg("%s", vault->problem),
						errhint("The setting pg_intake.key_file names it.")));
}

/* ---- sealing ---- */

static bytea *
make_bytea(IntakeSlice bytes)
{
	return (bytea *) cstring_to_text_with_len(bytes.data, bytes.len);
}

/* Seals a secret. Palloc'ed. */
bytea *
intake_vault_seal(IntakeSlice secret)
{
	IntakeVault vault;
	IntakeSlice data;
	char *out;

	open_vault_or_fail(&vault);
	if (vault.n_keys == 0)
	{
		out = palloc(secret.len + 1);
		out[0] = 'c';
		memcpy(out + 1, secret.data, secret.len);
		return make_bytea((IntakeSlice){out, secret.len + 1});
	}
	data = intake_pgcrypto_encrypt(vault.keys[0].key, secret);
	out = palloc(1 + KEY_NUMBER + data.len);
	out[0] = 'e';
	memcpy(out + 1, vault.keys[0].number, KEY_NUMBER);
	memcpy(out + 1 + KEY_NUMBER, data.data, data.len);
	intake_vault_close(&vault);
	return make_bytea((IntakeSlice){out, 1 + KEY_NUMBER + data.len});
}

static bool
is_encrypted(IntakeSlice sealed)
{
	return sealed.len > 1 + KEY_NUMBER && sealed.data[0] == 'e';
}

static const IntakeMasterKey *
find_key(const IntakeVault *vault, const char *number)
{
	for (int i = 0; i < vault->n_keys && vault->problem == NULL; i++)
		if (memcmp(vault->keys[i].number, number, KEY_NUMBER) == 0)
			return &vault->keys[i];
	return NULL;
}

/*
 * Sets *SECRET to what was sealed: memory of its own, ended with a NUL, which the caller wipes.
 * Where that cannot be had, the cause is in *PROBLEM. A vault that is needed and not open is opened.
 */
IntakeUnsealing
intake_vault_unseal(IntakeVault *vault, bytea *stored, IntakeSlice *secret, const char **problem)
{
	IntakeSlice sealed = intake_datum_bytes(PointerGetDatum(stored));
	const IntakeMasterKey *key;
	IntakeSlice text;

	*problem = "a stored secret is damaged";
	if (sealed.len > 0 && sealed.data[0] == 'c')
	{
		*secret = (IntakeSlice){pnstrdup(sealed.data + 1, sealed.len - 1), sealed.len - 1};
		return INTAKE_UNSEALED;
	}
	if (!is_encrypted(sealed))
		return INTAKE_DAMAGED;
	if (!vault->open)
		intake_vault_open(vault);
	key = find_key(vault, sealed.data + 1);
	if (key == NULL)
	{
		*problem = vault->problem ? vault->problem
								  : "the secret is encrypted, and its key is not in the key file";
		return INTAKE_NO_KEY_FILE;
	}
	if (!intake_pgcrypto_decrypt(key->key, intake_slice_after(sealed, 1 + KEY_NUMBER), &text))
		return INTAKE_DAMAGED;
	*secret = (IntakeSlice){pnstrdup(text.data, text.len), text.len};
	intake_vault_wipe((char *) text.data, text.len);
	return INTAKE_UNSEALED;
}

/* ---- SQL, for functions of the extension only ---- */

/* SQL: a text, sealed. */
Datum
intake_sql_seal(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(intake_vault_seal(intake_datum_bytes(PG_GETARG_DATUM(0))));
}

/* SQL: what was sealed. */
Datum
intake_sql_unseal(PG_FUNCTION_ARGS)
{
	const char *problem = NULL;
	IntakeVault vault = {0};
	IntakeSlice secret;
	IntakeUnsealing unsealing;
	text *result;

	unsealing = intake_vault_unseal(&vault, PG_GETARG_BYTEA_PP(0), &secret, &problem);
	intake_vault_close(&vault);
	if (unsealing != INTAKE_UNSEALED)
		ereport(ERROR, (errcode(unsealing == INTAKE_DAMAGED ? ERRCODE_DATA_CORRUPTED
															: ERRCODE_CONFIG_FILE_ERROR),
						errmsg("%s", problem)));
	result = cstring_to_text_with_len(secret.data, secret.len);
	intake_vault_wipe((char *) secret.data, secret.len);
	PG_RETURN_TEXT_P(result);
}

static Datum
number_text(const unsigned char *number)
{
	char hex[2 * KEY_NUMBER + 1];

	intake_encoding_hex(number, KEY_NUMBER, hex);
	return CStringGetTextDatum(hex);
}

/* SQL: the number of the key that sealed something; NULL: it is in the clear. */
Datum
intake_sql_sealed_with(PG_FUNCTION_ARGS)
{
	IntakeSlice sealed = intake_datum_bytes(PG_GETARG_DATUM(0));

	if (!is_encrypted(sealed))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(number_text((const unsigned char *) sealed.data + 1));
}

/* SQL: the number of the key that seals now; NULL: there is no key file. */
Datum
intake_sql_key_number(PG_FUNCTION_ARGS)
{
	IntakeVault vault;
	bool any;
	Datum number = (Datum) 0;

	open_vault_or_fail(&vault);
	any = vault.n_keys > 0;
	if (any)
		number = number_text(vault.keys[0].number);
	intake_vault_close(&vault);
	if (!any)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(number);
}
