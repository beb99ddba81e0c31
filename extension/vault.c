/*
 * vault.c
 *		Secrets at rest: sealed with a key that lives outside of the database.
 *
 * The file that pg_intake.key_file names has a key in each line: the first one seals, all of
 * them unseal, so that a key is changed by putting a new one before it. A sealed secret is
 * the letter e, the number of its key, and what pgcrypto's pgp_sym_encrypt_bytea made of the
 * secret with that key; without a key file it is the letter c and the secret.
 *
 * pgcrypto is called as functions, not in statements, which could be logged.
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "executor/spi.h"
#include "fmgr.h"
#include "storage/fd.h"
#include "utils/builtins.h"

#include "config.h"
#include "digest.h"
#include "encoding.h"
#include "payload.h"
#include "vault.h"

#define MOST_FILE 8192
#define LEAST_KEY 16
#define KEY_NUMBER 8 /* bytes */

PG_FUNCTION_INFO_V1(intake_sql_seal);
PG_FUNCTION_INFO_V1(intake_sql_unseal);
PG_FUNCTION_INFO_V1(intake_sql_sealed_with);
PG_FUNCTION_INFO_V1(intake_sql_key_number);

typedef struct MasterKey
{
	IntakeSlice key;
	unsigned char number[KEY_NUMBER];
} MasterKey;

typedef struct Vault
{
	MasterKey *keys;
	int n_keys;
	char *problem; /* why the file cannot be used, or NULL */
} Vault;

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
		return NULL;
	}
	if (fread(text, 1, MOST_FILE, file) == 0)
		*problem = "the key file is empty";
	FreeFile(file);
	return text;
}

static void
add_key(Vault *vault, IntakeSlice line)
{
	IntakeSlice parts[2] = {intake_slice_cstr("pg_intake key "), line};
	IntakeDigest digest;
	MasterKey *key = &vault->keys[vault->n_keys++];

	if (line.len < LEAST_KEY)
		vault->problem = "a key in the key file has less than 16 characters";
	if (!intake_digest_plain(INTAKE_SHA256, parts, 2, &digest))
		elog(ERROR, "could not compute a digest");
	key->key = line;
	memcpy(key->number, digest.bytes, KEY_NUMBER);
}

/* Reads the key file. No keys and no problem: there is to be none. */
static void
open_vault(Vault *vault)
{
	const char *path = intake_config_key_file;
	IntakeSlice rest;

	memset(vault, 0, sizeof(*vault));
	if (path == NULL || path[0] == '\0')
		return;
	vault->problem = check_file(path);
	if (vault->problem != NULL)
		return;
	rest = intake_slice_cstr(read_file(path, &vault->problem));
	vault->keys = palloc0((rest.len + 1) * sizeof(MasterKey));
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

static void
open_vault_or_fail(Vault *vault)
{
	open_vault(vault);
	if (vault->problem != NULL)
		ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR), errmsg("%s", vault->problem),
						errhint("The setting pg_intake.key_file names it.")));
}

/* ---- pgcrypto ---- */

/* The function of pgcrypto with that name and arguments bytea, text, and text if it has three. */
static Oid
find_function(const char *name, int arguments)
{
	char *query = psprintf("SELECT p.oid FROM pg_catalog.pg_proc p"
						   " JOIN pg_catalog.pg_depend d ON d.objid = p.oid"
						   "  AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass"
						   " JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid"
						   "  AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass"
						   " WHERE e.extname = 'pgcrypto' AND p.proname = '%s' AND p.pronargs = %d",
						   name, arguments);
	Oid function = InvalidOid;
	bool null;

	SPI_connect();
	if (SPI_execute(query, true, 1) == SPI_OK_SELECT && SPI_processed == 1)
		function =
			DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
	SPI_finish();
	if (!OidIsValid(function))
		elog(ERROR, "the function %s of pgcrypto was not found", name);
	return function;
}

static bytea *
make_bytea(IntakeSlice bytes)
{
	return (bytea *) cstring_to_text_with_len(bytes.data, bytes.len);
}

/* ---- sealing ---- */

/* Seals a secret. Palloc'ed. */
bytea *
intake_vault_seal(IntakeSlice secret)
{
	Vault vault;
	IntakeSlice data;
	char *out;
	Datum encrypted;

	open_vault_or_fail(&vault);
	if (vault.n_keys == 0)
	{
		out = palloc(secret.len + 1);
		out[0] = 'c';
		memcpy(out + 1, secret.data, secret.len);
		return make_bytea((IntakeSlice){out, secret.len + 1});
	}
	encrypted = OidFunctionCall3(find_function("pgp_sym_encrypt_bytea", 3),
								 PointerGetDatum(make_bytea(secret)),
								 PointerGetDatum(make_bytea(vault.keys[0].key)),
								 CStringGetTextDatum("cipher-algo=aes256, compress-algo=0"));
	data = intake_payload_bytes(encrypted);
	out = palloc(1 + KEY_NUMBER + data.len);
	out[0] = 'e';
	memcpy(out + 1, vault.keys[0].number, KEY_NUMBER);
	memcpy(out + 1 + KEY_NUMBER, data.data, data.len);
	return make_bytea((IntakeSlice){out, 1 + KEY_NUMBER + data.len});
}

static bool
is_encrypted(IntakeSlice sealed)
{
	return sealed.len > 1 + KEY_NUMBER && sealed.data[0] == 'e';
}

/*
 * What was sealed, palloc'ed and ended with a NUL; NULL, with the cause in *PROBLEM, where
 * that cannot be had.
 */
char *
intake_vault_unseal(bytea *sealed, char **problem)
{
	IntakeSlice slice = intake_payload_bytes(PointerGetDatum(sealed));
	Vault vault;

	if (slice.len > 0 && slice.data[0] == 'c')
		return pnstrdup(slice.data + 1, slice.len - 1);
	*problem = "a stored secret is damaged";
	if (!is_encrypted(slice))
		return NULL;
	open_vault(&vault);
	for (int i = 0; i < vault.n_keys && vault.problem == NULL; i++)
		if (memcmp(vault.keys[i].number, slice.data + 1, KEY_NUMBER) == 0)
		{
			IntakeSlice data = intake_slice_after(slice, 1 + KEY_NUMBER);
			Datum secret = OidFunctionCall2(find_function("pgp_sym_decrypt_bytea", 2),
											PointerGetDatum(make_bytea(data)),
											PointerGetDatum(make_bytea(vault.keys[i].key)));

			return text_to_cstring(DatumGetTextPP(secret));
		}
	*problem = vault.problem ? vault.problem
							 : "the secret is encrypted, and its key is not in the key file";
	return NULL;
}

/* ---- SQL, for functions of the extension only ---- */

/* SQL: a text, sealed. */
Datum
intake_sql_seal(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(intake_vault_seal(intake_payload_bytes(PG_GETARG_DATUM(0))));
}

/* SQL: what was sealed. */
Datum
intake_sql_unseal(PG_FUNCTION_ARGS)
{
	char *problem = NULL;
	char *secret = intake_vault_unseal(PG_GETARG_BYTEA_PP(0), &problem);

	if (secret == NULL)
		ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR), errmsg("%s", problem)));
	PG_RETURN_TEXT_P(cstring_to_text(secret));
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
	IntakeSlice sealed = intake_payload_bytes(PG_GETARG_DATUM(0));

	if (!is_encrypted(sealed))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(number_text((const unsigned char *) sealed.data + 1));
}

/* SQL: the number of the key that seals now; NULL: there is no key file. */
Datum
intake_sql_key_number(PG_FUNCTION_ARGS)
{
	Vault vault;

	open_vault_or_fail(&vault);
	if (vault.n_keys == 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(number_text(vault.keys[0].number));
}
