/*
 * sources.c
 *		The sources that a process knows: each is read when it is first asked for.
 *
 * A source is known until it has changed, its scheme has, or others need its room. What is found
 * out about that while requests are judged is noted only: a source goes at a refresh, and whoever
 * found it has it until then. Names that no source has are asked for again each time.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/ilist.h"
#include "storage/itemptr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "config/profiles.h"
#include "config/sources.h"
#include "ground/clock.h"
#include "ground/datum.h"
#include "ground/piece.h"
#include "ground/slice_table.h"

#define RETRY_MS 1000

/* Memory for sources: 10,000 plain ones need less than half of it. */
#define MOST_BYTES (32 * 1024 * 1024)

/* What libcrypto takes for a public key, about. */
#define KEY_BYTES 2000

typedef struct Known
{
	IntakeSource *source;
	size_t bytes;
	bool doomed;
	bool used;        /* since it was last looked at whether it may go */
	int64 retry_at;   /* by intake_clock_ms; 0: it needs no retry */
	dlist_node place; /* in all */
	dlist_node going; /* in outdated or retried */
} Known;

typedef struct NameEntry
{
	IntakeSlice name; /* in the source */
	Known *known;
} NameEntry;

typedef struct IdEntry
{
	int32 id;
	Known *known;
} IdEntry;

static HTAB *by_name = NULL;
static HTAB *by_id = NULL;
static dlist_head all = DLIST_STATIC_INIT(all);
static dlist_head outdated = DLIST_STATIC_INIT(outdated); /* to be dropped */
static dlist_head retried = DLIST_STATIC_INIT(retried);   /* likewise, at their time */
static bool all_outdated = false;
static size_t bytes = 0;
static uint64 changes = 0;         /* that this process was told of */
static uint64 profile_changes = 0; /* that were looked at */
static int holders = 0;

PG_FUNCTION_INFO_V1(intake_sql_source_problem);
PG_FUNCTION_INFO_V1(intake_sql_source_problem_at);

/* ---- what has changed ---- */

static void
doom(Known *known)
{
	if (known->doomed)
		return;
	if (known->retry_at != 0)
		dlist_delete(&known->going);
	dlist_push_tail(&outdated, &known->going);
	known->doomed = true;
}

/* A source has changed, or one of its secrets. */
static void
forget(int32 id)
{
	IdEntry *entry = hash_search(by_id, &id, HASH_FIND, NULL);

	changes++;
	if (entry != NULL)
		doom(entry->known);
	all_outdated |= id == 0;
}

/* ---- the sources that are known ---- */

static void
begin(void)
{
	HASHCTL control = {.keysize = sizeof(int32), .entrysize = sizeof(IdEntry)};

	if (by_id != NULL)
		return;
	by_name = intake_slice_table_make("pg_intake sources", sizeof(NameEntry));
	by_id = hash_create("pg_intake sources by id", 64, &control, HASH_ELEM | HASH_BLOBS);
	intake_profiles_watch();
	intake_piece_watch(INTAKE_PIECE_SOURCE, forget);
}

static void
drop(Known *known)
{
	IntakeSlice name = intake_slice_cstr(known->source->name);
	NameEntry *named = hash_search(by_name, &name, HASH_FIND, NULL);
	IdEntry *numbered = hash_search(by_id, &known->source->id, HASH_FIND, NULL);

	if (named != NULL && named->known == known)
		(void) hash_search(by_name, &name, HASH_REMOVE, NULL);
	if (numbered != NULL && numbered->known == known)
		(void) hash_search(by_id, &known->source->id, HASH_REMOVE, NULL);
	if (known->doomed || known->retry_at != 0)
		dlist_delete(&known->going);
	dlist_delete(&known->place);
	bytes -= known->bytes;
	MemoryContextDelete(known->source->context);
}

static bool
lacks_key_file(const IntakeSource *source)
{
	return source->our_fault != NULL && strcmp(source->our_fault, INTAKE_FAULT_KEY_FILE) == 0;
}

/*
 * Has a source known that was read while this process had been told of BEFORE changes. Where memory
 * runs out in the midst of it, it is in the list, and will go.
 */
static Known *
keep(IntakeSource *source, uint64 before)
{
	IntakeSlice name = intake_slice_cstr(source->name);
	Known *known = MemoryContextAllocZero(source->context, sizeof(Known));
	IdEntry *numbered;
	bool found;

	known->source = source;
	known->bytes =
		MemoryContextMemAllocated(source->context, true) + sizeof(NameEntry) + sizeof(IdEntry);
	for (int i = 0; i < source->n_secrets; i++)
		known->bytes += source->secrets[i].key.n_public_keys * KEY_BYTES;
	MemoryContextSetParent(source->context, TopMemoryContext);
	bytes += known->bytes;
	dlist_push_tail(&all, &known->place);
	if (lacks_key_file(source))
	{
		known->retry_at = intake_clock_ms() + RETRY_MS;
		dlist_push_tail(&retried, &known->going);
	}
	/* What was told meanwhile may have been about it. */
	if (changes != before)
		doom(known);
	numbered = hash_search(by_id, &source->id, HASH_ENTER, &found);
	/* It has another name now, and the message of that, which is still to come, can find one only. */
	if (found && numbered->known != known)
		doom(numbered->known);
	numbered->known = known;
	((NameEntry *) hash_search(by_name, &name, HASH_ENTER, &found))->known = known;
	return known;
}

/* Reads a source into a context of its own, a child of the current one. NULL: there is none. */
static IntakeSource *
read_source(IntakeSlice name)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "pg_intake source", ALLOCSET_SMALL_SIZES);
	IntakeSource *source = intake_source_read(name, context);

	if (source == NULL)
		MemoryContextDelete(context);
	return source;
}

static Known *
find_known(IntakeSlice name)
{
	NameEntry *entry = hash_search(by_name, &name, HASH_FIND, NULL);

	return entry != NULL ? entry->known : NULL;
}

/* ---- what must go ---- */

static void
drop_changed(void)
{
	dlist_mutable_iter place;

	while (!dlist_is_empty(&outdated))
		drop(dlist_head_element(Known, going, &outdated));
	if (!all_outdated && profile_changes == intake_profiles_changes())
		return;
	dlist_foreach_modify(place, &all)
	{
		Known *known = dlist_container(Known, place, place.cur);

		if (all_outdated || known->source->profile->outdated)
			drop(known);
	}
	all_outdated = false;
	profile_changes = intake_profiles_changes();
}

static void
drop_retried(void)
{
	while (!dlist_is_empty(&retried))
	{
		Known *first = dlist_head_element(Known, going, &retried);

		if (first->retry_at > intake_clock_ms())
			return;
		drop(first);
	}
}

static bool
is_too_much(void)
{
	return bytes + intake_profiles_bytes() > MOST_BYTES;
}

/*
 * Has those go first that were not used since the last look at them: to keep a list in the order of
 * use would have each request write to three sources.
 */
static void
make_room(void)
{
	if (is_too_much())
		intake_profiles_tidy();
	while (is_too_much() && !dlist_is_empty(&all))
	{
		Known *first = dlist_head_element(Known, place, &all);

		if (first->used)
		{
			first->used = false;
			dlist_delete(&first->place);
			dlist_push_tail(&all, &first->place);
			continue;
		}
		drop(first);
		if (is_too_much())
			intake_profiles_tidy();
	}
}

/* ---- looking up ---- */

/*
 * Forgets the sources that have changed, and beyond the memory for them those not used for long,
 * unless they are held. What intake_sources_find returns holds until the next refresh. The caller is
 * in a transaction.
 */
void
intake_sources_refresh(void)
{
	begin();
	if (holders > 0)
		return;
	/* A function may ask many times in one transaction. */
	AcceptInvalidationMessages();
	drop_changed();
	drop_retried();
	make_room();
}

/*
 * Has no refresh forget anything until intake_sources_release, which must come after an error as
 * well: what is called meanwhile may run SQL, with functions of ours in triggers.
 */
void
intake_sources_hold(void)
{
	holders++;
}

void
intake_sources_release(void)
{
	holders--;
}

/* The source of that name, or NULL. */
IntakeSource *
intake_sources_find(IntakeSlice name)
{
	Known *known = find_known(name);

	if (known == NULL)
	{
		uint64 before = changes;
		IntakeSource *source = read_source(name);

		if (source == NULL)
			return NULL;
		known = keep(source, before);
	}
	if (!known->used)
		known->used = true;
	return known->source;
}

/* SQL: why a source rejects everything, or NULL. What was not known before is not known after. */
Datum
intake_sql_source_problem(PG_FUNCTION_ARGS)
{
	IntakeSlice name = intake_datum_bytes(PG_GETARG_DATUM(0));
	Known *known;
	IntakeSource *source;
	text *problem = NULL;

	intake_sources_refresh();
	known = find_known(name);
	source = known != NULL ? known->source : read_source(name);
	if (source != NULL && source->problem != NULL)
		problem = cstring_to_text(source->problem);
	if (known == NULL && source != NULL)
		MemoryContextDelete(source->context);
	if (problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(problem);
}

/* The places in an array of them, without nulls; returns how many. */
static int
places_in(ArrayType *array, Datum **places)
{
	bool *nulls;
	int count;
	int kept = 0;

	deconstruct_array(array, TIDOID, sizeof(ItemPointerData), false, TYPALIGN_SHORT, places, &nulls,
					  &count);
	for (int i = 0; i < count; i++)
		if (!nulls[i])
			(*places)[kept++] = (*places)[i];
	return kept;
}

/*
 * SQL: the same of the source whose row is at a place, and its secrets at others: a query that has
 * found them does not look for each again.
 */
Datum
intake_sql_source_problem_at(PG_FUNCTION_ARGS)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "pg_intake source", ALLOCSET_SMALL_SIZES);
	IntakeSourcePlaces places = {.row = PG_GETARG_DATUM(0)};
	Datum *secrets;
	IntakeSource *source;
	text *problem = NULL;

	intake_sources_refresh();
	places.n_secrets = places_in(PG_GETARG_ARRAYTYPE_P(1), &secrets);
	places.secrets = secrets;
	source = intake_source_read_at(&places, context);
	if (source != NULL && source->problem != NULL)
		problem = cstring_to_text(source->problem);
	MemoryContextDelete(context);
	if (problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(problem);
}
