/*
 * source.c
 *		Sources: the row of one, and its secrets, prepared for its profile.
 */
#include "postgres.h"

#include "common/unicode_norm.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "config/profiles.h"
#include "config/rows.h"
#include "config/source.h"
#include "config/vault.h"
#include "ground/datum.h"
#include "ground/piece.h"

#define LONGEST_NAME 1000 /* bytes; the table has shorter ones */

static IntakeVault vault; /* while a source is read */

/* Which source: that of a name, or the one whose rows are at places. */
typedef struct Which
{
	IntakeSlice name;
	const IntakeSourcePlaces *places; /* NULL: that of the name */
	Snapshot snapshot;                /* which sees what is at the places */
} Which;

static void
note_problem(IntakeSource *source, const char *problem)
{
	if (source->problem == NULL)
		source->problem = MemoryContextStrdup(source->context, problem);
}

/* ---- secrets ---- */

/*
 * A secret as EasyPost takes it: Unicode's compatibility decomposition (NFKD) of it, in UTF-8.
 * What is ASCII is that already.
 */
static IntakeSlice
normalise(IntakeSlice secret)
{
	char *utf8 = pg_server_to_any((char *) secret.data, secret.len, PG_UTF8);
	int length = strlen(utf8);
	pg_wchar *characters = palloc0((length + 1) * sizeof(pg_wchar));
	pg_wchar *normal;
	unsigned char *out;
	size_t n = 0;

	(void) pg_encoding_mb2wchar_with_len(PG_UTF8, utf8, characters, length);
	normal = unicode_normalize(UNICODE_NFKD, characters);
	out = palloc(MAX_MULTIBYTE_CHAR_LEN * pg_wchar_strlen(normal) + 1);
	for (pg_wchar *c = normal; *c != 0; c++)
	{
		unicode_to_utf8(*c, out + n);
		n += pg_utf_mblen(out + n);
	}
	intake_vault_wipe(normal, pg_wchar_strlen(normal) * sizeof(pg_wchar));
	intake_vault_wipe(characters, length * sizeof(pg_wchar));
	if (utf8 != secret.data)
		intake_vault_wipe(utf8, length);
	return (IntakeSlice){(char *) out, n};
}

/* Whether a secret verifies nothing any more, and says at most why a request does not. */
static bool
is_over(void)
{
	return intake_rows_time(0, "expires_at", DT_NOEND) <= GetCurrentTimestamp();
}

/* Puts a secret where it belongs: the newest one comes first. */
static void
insert(IntakeSource *source, IntakeSecret secret)
{
	int place = source->n_secrets++;

	source->secrets = source->secrets == NULL
						  ? palloc(sizeof(IntakeSecret))
						  : repalloc(source->secrets, source->n_secrets * sizeof(IntakeSecret));
	for (; place > 0 && source->secrets[place - 1].id < secret.id; place--)
		source->secrets[place] = source->secrets[place - 1];
	source->secrets[place] = secret;
}

/* Adds the secret of the row, which is TEXT. The current context is the source's. */
static void
add_secret(IntakeSource *source, IntakeSlice text)
{
	IntakeSecret secret = {0};
	const char *why = NULL;

	if (!intake_signing_key_prepare(source->profile->scheme, text, &secret.key, &why))
	{
		/* One that is over is not missed: that is how it is replaced. */
		if (!is_over())
			note_problem(source, psprintf("a secret is unusable: %s", why));
		intake_vault_wipe((char *) text.data, text.len);
		return;
	}
	secret.id = intake_rows_number(0, "id", 0);
	secret.from = intake_rows_time(0, "valid_from", DT_NOBEGIN);
	secret.until = intake_rows_time(0, "expires_at", DT_NOEND);
	insert(source, secret);
}

static void
set_token(IntakeSource *source, IntakeSlice text)
{
	const char *why = NULL;

	intake_vault_wipe((char *) source->token.data, source->token.len);
	source->token = text;
	if (!intake_signing_key_is_secret(text, &why))
		note_problem(source, psprintf("the verify_token is unusable: %s", why));
}

/* A copy of TEXT in the memory of a source; TEXT is wiped. */
static IntakeSlice
move_into(IntakeSource *source, IntakeSlice text)
{
	char *copy = MemoryContextAllocZero(source->context, text.len + 1);

	memcpy(copy, text.data, text.len);
	intake_vault_wipe((char *) text.data, text.len);
	return (IntakeSlice){copy, text.len};
}

/* Takes the secret of the row, which is TEXT. */
static void
take_secret(IntakeSource *source, IntakeSlice text)
{
	const IntakeScheme *scheme = source->profile->scheme;
	bool is_token = intake_rows_is(0, "purpose", "handshake");
	MemoryContext work;

	if (!is_token && scheme != NULL && scheme->key_form == INTAKE_KEY_NFKD)
	{
		IntakeSlice normal = normalise(text);

		intake_vault_wipe((char *) text.data, text.len);
		text = normal;
	}
	text = move_into(source, text);
	work = MemoryContextSwitchTo(source->context);
	if (is_token)
		set_token(source, text);
	else if (scheme != NULL)
		add_secret(source, text);
	else
		intake_vault_wipe((char *) text.data, text.len);
	MemoryContextSwitchTo(work);
}

/* Reads the secret of the row. One that cannot be had closes its source, and no other. */
static void
read_secret(IntakeSource *source)
{
	bool null;
	Datum sealed = intake_rows_datum(0, "secret", &null);
	const char *problem = NULL;
	IntakeSlice text;
	IntakeUnsealing unsealing =
		intake_vault_unseal(&vault, DatumGetByteaPP(sealed), &text, &problem);

	if (unsealing == INTAKE_UNSEALED)
		take_secret(source, text);
	else if (unsealing == INTAKE_NO_KEY_FILE || !is_over())
	{
		note_problem(source, problem);
		source->our_fault = unsealing == INTAKE_DAMAGED ? "damaged_secret" : INTAKE_FAULT_KEY_FILE;
	}
}

static void
look_for_secrets(IntakeRowLook *look, const Which *which, int32 source_id)
{
	if (which->places != NULL)
		intake_rows_look_at(look, "source_secret", which->places->secrets, which->places->n_secrets,
							which->snapshot);
	else
		intake_rows_look(look, "source_secret", "source_secret_source", "source_id",
						 Int32GetDatum(source_id));
}

static void
read_secrets(IntakeSource *source, const Which *which)
{
	IntakeRowLook look;

	look_for_secrets(&look, which, source->id);
	intake_piece_read_from(INTAKE_PIECE_SOURCE, RelationGetRelid(look.table));
	while (intake_rows_next(&look))
		if (intake_rows_number(0, "source_id", 0) == source->id)
			read_secret(source);
	intake_rows_end(&look);
}

/* ---- the row ---- */

static char *
copy_text(IntakeSource *source, const char *text)
{
	return text != NULL ? MemoryContextStrdup(source->context, text) : NULL;
}

static void
read_allowed(IntakeSource *source)
{
	const char **texts = intake_rows_texts(0, "allowed_peers", &source->n_allowed);

	if (source->n_allowed > 0)
		source->allowed =
			MemoryContextAllocZero(source->context, source->n_allowed * sizeof(IntakeRange));
	for (int i = 0; i < source->n_allowed; i++)
		if (!intake_range_parse(intake_slice_cstr(texts[i]), &source->allowed[i]))
			note_problem(source, "allowed_peers has something that is no range of addresses");
}

static void
look_for_row(IntakeRowLook *look, const Which *which)
{
	if (which->places != NULL)
		intake_rows_look_at(look, "source", &which->places->row, 1, which->snapshot);
	else
		intake_rows_look(
			look, "source", "source_name", "name",
			PointerGetDatum(cstring_to_text_with_len(which->name.data, which->name.len)));
}

/* Reads the row of a source. Returns false where there is none that was not dropped. */
static bool
read_row(IntakeSource *source, const Which *which, IntakeSlice *profile_key, char **scheme)
{
	IntakeRowLook look;
	bool found;

	look_for_row(&look, which);
	intake_piece_read_from(INTAKE_PIECE_SOURCE, RelationGetRelid(look.table));
	while ((found = intake_rows_next(&look)) && !intake_rows_null(0, "dropped_at"))
		;
	if (found)
	{
		source->id = intake_rows_number(0, "id", 0);
		source->name = copy_text(source, intake_rows_text(0, "name"));
		source->public_url =
			intake_slice_cstr(copy_text(source, intake_rows_text(0, "public_url")));
		source->replay_dead = intake_rows_is(0, "on_dead_duplicate", "replay");
		read_allowed(source);
		*profile_key = intake_profiles_key();
		*scheme = intake_rows_text(0, "scheme");
	}
	intake_rows_end(&look);
	return found;
}

/* ---- the source ---- */

/* Gives back what a source holds outside of its memory context, and wipes its secrets. */
static void
release(void *argument)
{
	IntakeSource *source = argument;

	for (int i = 0; i < source->n_secrets; i++)
	{
		IntakeSlice secret = source->secrets[i].key.secret;

		intake_signing_key_release(&source->secrets[i].key);
		intake_vault_wipe((char *) secret.data, secret.len);
	}
	intake_vault_wipe((char *) source->token.data, source->token.len);
	if (source->profile != NULL)
		intake_profiles_leave(source->profile);
}

static IntakeSource *
make(MemoryContext context)
{
	IntakeSource *source = MemoryContextAllocZero(context, sizeof(IntakeSource));
	MemoryContextCallback *callback = MemoryContextAllocZero(context, sizeof(*callback));

	source->context = context;
	callback->func = release;
	callback->arg = source;
	MemoryContextRegisterResetCallback(context, callback);
	return source;
}

/*
 * Fills in a source. BEFORE is what intake_profiles_changes() was before the active snapshot. Returns
 * false where there is no such source, or an internal one.
 */
static bool
read_all(IntakeSource *source, const Which *which, uint64 before)
{
	IntakeSlice profile_key;
	char *scheme;

	if (!read_row(source, which, &profile_key, &scheme))
		return false;
	source->profile = intake_profiles_use(profile_key, source->id, scheme, before);
	if (source->profile->internal)
		return false;
	/* What is wrong with the profile is said first. */
	source->problem = source->profile->problem ? source->profile->problem : source->problem;
	source->our_fault = source->profile->our_fault;
	read_secrets(source, which);
	return true;
}

static void
close_vault(void *argument)
{
	intake_vault_close(&vault);
}

/* What is needed while a source is read. Whatever happens, the vault is closed before it goes. */
static MemoryContext
make_work(void)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "pg_intake reading a source",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContextCallback *callback = MemoryContextAllocZero(work, sizeof(*callback));

	callback->func = close_vault;
	MemoryContextRegisterResetCallback(work, callback);
	return work;
}

static IntakeSource *
read_into(MemoryContext context, const Which *which)
{
	IntakeSource *source = make(context);
	MemoryContext work = make_work();
	MemoryContext outer = MemoryContextSwitchTo(work);
	uint64 before = intake_profiles_changes();
	bool found;

	PushActiveSnapshot(GetLatestSnapshot());
	found = read_all(source, which, before);
	PopActiveSnapshot();
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(work);
	return found ? source : NULL;
}

/*
 * Reads the source of that name into CONTEXT, which has nothing else in it: when that is reset, what
 * the source holds is given back. NULL: there is none.
 */
IntakeSource *
intake_source_read(IntakeSlice name, MemoryContext context)
{
	/* Comparing may raise an error for what is no text. */
	if (name.len == 0 || name.len > LONGEST_NAME || !intake_datum_is_text(name))
		return NULL;
	return read_into(context, &(Which){.name = name});
}

/* The same of the source whose rows are at PLACES, as the active snapshot sees them. */
IntakeSource *
intake_source_read_at(const IntakeSourcePlaces *places, MemoryContext context)
{
	return read_into(context, &(Which){.places = places, .snapshot = GetActiveSnapshot()});
}
