/*
 * pgcrypto.c
 *		Secrets, encrypted and decrypted by pgcrypto.
 *
 * Its functions are called as such, not in statements, which could be logged.
 */
#include "postgres.h"

#include <unistd.h>

#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "config/pgcrypto.h"
#include "ground/datum.h"
#include "ground/txn.h"

/* A key of so many bytes is nothing that somebody remembers. */
#define LONG_KEY 32

#define OPTIONS "cipher-algo=aes256, compress-algo=0"

/* A function of pgcrypto, whose arguments are bytea, text, and text if it has three. */
typedef struct Function
{
	const char *name;
	int arguments;
	Oid oid; /* where it was found last */
} Function;

static Oid
look_up(const char *name, int arguments)
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

/* Looking it up takes as long as what it does: it is where it was, unless it is gone. */
static Oid
find(Function *function)
{
	const char *name = OidIsValid(function->oid) ? get_func_name(function->oid) : NULL;

	if (name == NULL || strcmp(name, function->name) != 0)
		function->oid = look_up(function->name, function->arguments);
	return function->oid;
}

static bytea *
make_bytea(IntakeSlice bytes)
{
	return (bytea *) cstring_to_text_with_len(bytes.data, bytes.len);
}

/* Overwrites a copy, even if nobody will look at it again. */
static void
wipe(bytea *value)
{
	explicit_bzero(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

/*
 * What SECRET becomes with KEY; palloc'ed. pgcrypto makes a key of what it takes for a password, and
 * guessing that is made expensive by hashing it again and again, 100 kB of it. Where nobody can guess
 * the key, that would only make each secret expensive to read.
 */
IntakeSlice
intake_pgcrypto_encrypt(IntakeSlice key, IntakeSlice secret)
{
	static Function function = {"pgp_sym_encrypt_bytea", 3};
	const char *options = key.len >= LONG_KEY ? OPTIONS ", s2k-count=1024" : OPTIONS;
	bytea *clear = make_bytea(secret);
	bytea *password = make_bytea(key);
	Datum encrypted = OidFunctionCall3(find(&function), PointerGetDatum(clear),
									   PointerGetDatum(password), CStringGetTextDatum(options));

	wipe(clear);
	wipe(password);
	return intake_datum_bytes(encrypted);
}

/* A secret that is to be decrypted. */
typedef struct Sealed
{
	IntakeSlice key;
	IntakeSlice data;
	IntakeSlice secret; /* when it is */
} Sealed;

static bool
decrypt(void *argument)
{
	static Function function = {"pgp_sym_decrypt_bytea", 2};
	Sealed *sealed = argument;
	bytea *password = make_bytea(sealed->key);
	Datum clear = OidFunctionCall2(find(&function), PointerGetDatum(make_bytea(sealed->data)),
								   PointerGetDatum(password));

	wipe(password);
	sealed->secret = intake_datum_bytes(clear);
	return true;
}

/* Whether an error comes from what was to be decrypted. */
static bool
is_of_the_secret(const ErrorData *error)
{
	int category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	return category == ERRCODE_EXTERNAL_ROUTINE_INVOCATION_EXCEPTION ||
		   category == ERRCODE_EXTERNAL_ROUTINE_EXCEPTION || category == ERRCODE_DATA_EXCEPTION;
}

/*
 * Sets *SECRET to what was encrypted; palloc'ed, and the caller wipes it. Returns false where DATA is
 * not what was made with KEY.
 */
bool
intake_pgcrypto_decrypt(IntakeSlice key, IntakeSlice data, IntakeSlice *secret)
{
	Sealed sealed = {key, data};
	ErrorData *error;

	if (!intake_txn_try(decrypt, &sealed, &error))
	{
		if (!is_of_the_secret(error))
			ReThrowError(error);
		FreeErrorData(error);
		return false;
	}
	*secret = sealed.secret;
	return true;
}
