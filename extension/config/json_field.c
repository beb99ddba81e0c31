/*
 * json_field.c
 *		The fields of forms that have the JSON of sources, as a process knows them. Who runs jobs needs
 *		them, and must hold no secret: so they are known apart from the sources.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "config/json_field.h"
#include "config/rows.h"
#include "ground/piece.h"

#define MOST 100000 /* sources of which it is known */

typedef struct Field
{
	int32 source_id; /* hash key */
	bool outdated;
	char *name; /* or NULL */
} Field;

static MemoryContext context = NULL; /* of all */
static HTAB *fields = NULL;
static bool all_outdated = false;
static uint64 changes = 0; /* that this process was told of */

/* A source has changed. */
static void
forget(int32 id)
{
	Field *field = fields != NULL ? hash_search(fields, &id, HASH_FIND, NULL) : NULL;

	changes++;
	if (field != NULL)
		field->outdated = true;
	all_outdated |= id == 0;
}

/* A scheme has changed. */
static void
forget_scheme(int32 id)
{
	changes++;
	all_outdated = true;
}

/* What the scheme of a source says of JSON in forms, without "form:"; palloc'ed, or NULL. */
static char *
read(int32 source_id)
{
	IntakeRowLook look;
	Datum scheme = (Datum) 0;
	char *text = NULL;

	intake_rows_look(&look, "source", "source_pkey", "id", Int32GetDatum(source_id));
	intake_piece_read_from(INTAKE_PIECE_SOURCE, RelationGetRelid(look.table));
	if (intake_rows_next(&look) && !intake_rows_null(0, "scheme"))
		scheme = CStringGetTextDatum(intake_rows_text(0, "scheme"));
	intake_rows_end(&look);
	if (scheme == (Datum) 0)
		return NULL;
	intake_rows_look(&look, "scheme", "scheme_pkey", "name", scheme);
	intake_piece_read_from(INTAKE_PIECE_SCHEME, RelationGetRelid(look.table));
	if (intake_rows_next(&look))
		text = intake_rows_text(0, "json_from");
	intake_rows_end(&look);
	return text != NULL && strncmp(text, "form:", 5) == 0 ? text + 5 : NULL;
}

/* Begins anew with the fields that are known, where all are outdated or there are too many. */
static void
begin(void)
{
	HASHCTL control = {.keysize = sizeof(int32), .entrysize = sizeof(Field)};

	if (fields != NULL && !all_outdated && hash_get_num_entries(fields) < MOST)
		return;
	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "pg_intake fields of forms",
										ALLOCSET_DEFAULT_SIZES);
	fields = NULL;
	MemoryContextReset(context);
	control.hcxt = context;
	fields = hash_create("pg_intake fields of forms", 64, &control,
						 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	all_outdated = false;
	intake_piece_watch(INTAKE_PIECE_SOURCE, forget);
	intake_piece_watch(INTAKE_PIECE_SCHEME, forget_scheme);
}

static Field *
keep(int32 source_id, const char *name, bool is_outdated)
{
	char *copy = name != NULL ? MemoryContextStrdup(context, name) : NULL;
	bool found;
	Field *field = hash_search(fields, &source_id, HASH_ENTER, &found);

	if (found && field->name != NULL)
		pfree(field->name);
	field->name = copy;
	field->outdated = is_outdated;
	return field;
}

/*
 * The field of forms that has the JSON of a source, dropped ones too, or absent. Reads no secret. It
 * holds until the next call. The caller is in a transaction.
 */
IntakeSlice
intake_json_field(int32 source_id)
{
	uint64 before = changes;
	Field *field;
	char *name;

	begin();
	field = hash_search(fields, &source_id, HASH_FIND, NULL);
	if (field == NULL || field->outdated)
	{
		PushActiveSnapshot(GetLatestSnapshot());
		name = read(source_id);
		PopActiveSnapshot();
		field = keep(source_id, name, changes != before);
	}
	return intake_slice_cstr(field->name);
}
