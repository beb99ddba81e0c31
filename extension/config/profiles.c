/*
 * profiles.c
 *		The profiles that a process knows: sources of which it is the same share one.
 *
 * One whose scheme has changed is outdated. It stays for the sources that use it, until they are
 * read again, and others get a new one.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "config/profiles.h"
#include "config/rows.h"
#include "ground/piece.h"
#include "ground/slice_table.h"
#include "ground/table.h"

/* The newest profile of a key. */
typedef struct Entry
{
	IntakeSlice key; /* in the profile */
	IntakeProfile *profile;
} Entry;

static HTAB *newest = NULL;
static dlist_head all = DLIST_STATIC_INIT(all);
static size_t bytes = 0;
static uint64 changes = 0;

/* ---- what has changed ---- */

/* A scheme has changed. */
static void
forget(int32 id)
{
	dlist_iter place;

	changes++;
	dlist_foreach(place, &all)
	{
		IntakeProfile *profile = dlist_container(IntakeProfile, place, place.cur);

		profile->outdated |= id == 0 || id == profile->piece;
	}
}

/* Has the process know from now on what has changed. */
void
intake_profiles_watch(void)
{
	if (newest != NULL)
		return;
	newest = intake_slice_table_make("pg_intake profiles", sizeof(Entry));
	intake_piece_watch(INTAKE_PIECE_SCHEME, forget);
}

/* Grows when profiles may have become outdated. */
uint64
intake_profiles_changes(void)
{
	return changes;
}

/* ---- coming and going ---- */

static void
drop(IntakeProfile *profile)
{
	Entry *entry = hash_search(newest, &profile->made_of, HASH_FIND, NULL);

	if (entry != NULL && entry->profile == profile)
		(void) hash_search(newest, &profile->made_of, HASH_REMOVE, NULL);
	dlist_delete(&profile->place);
	bytes -= profile->bytes;
	MemoryContextDelete(profile->context);
}

/* Has it known, in the place of the one before. */
static void
keep(IntakeProfile *profile)
{
	bool found;
	Entry *entry;
	IntakeProfile *before;

	MemoryContextSetParent(profile->context, TopMemoryContext);
	dlist_push_tail(&all, &profile->place);
	profile->bytes = MemoryContextMemAllocated(profile->context, true);
	bytes += profile->bytes;
	entry = hash_search(newest, &profile->made_of, HASH_ENTER, &found);
	before = found ? entry->profile : NULL;
	entry->key = profile->made_of;
	entry->profile = profile;
	if (before != NULL && before->users == 0)
		drop(before);
}

static IntakeProfile *
read_new(IntakeSlice key, int32 source_id, const char *scheme, uint64 before)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "pg_intake profile", ALLOCSET_SMALL_SIZES);
	IntakeProfile *profile;

	intake_piece_read_from(INTAKE_PIECE_SCHEME, intake_table_oid("scheme"));
	profile = intake_profile_read(source_id, context);
	profile->made_of = (IntakeSlice){MemoryContextAlloc(context, key.len), key.len};
	memcpy((char *) profile->made_of.data, key.data, key.len);
	profile->piece = intake_piece_named(scheme, strlen(scheme));
	/* What was told meanwhile may have been about it. */
	profile->outdated = changes != before;
	keep(profile);
	return profile;
}

/* ---- looking up ---- */

/*
 * All that the profile of a source is made of, but for the row of its scheme; palloc'ed. The source's
 * row was asked for last.
 */
IntakeSlice
intake_profiles_key(void)
{
	static const char *const columns[] = {
		"scheme",       "key_from", "type_from", "missing_key", "signature_from",
		"dedup_window", "split",    "tolerance", "content",     "replay_guard"};
	StringInfoData key;

	initStringInfo(&key);
	for (int i = 0; i < lengthof(columns); i++)
		intake_rows_append(0, columns[i], &key);
	return (IntakeSlice){key.data, key.len};
}

/*
 * The profile of a source, which is made of KEY and a scheme. It stays as it is until the caller
 * leaves it. BEFORE is what intake_profiles_changes() was before the active snapshot was taken.
 */
IntakeProfile *
intake_profiles_use(IntakeSlice key, int32 source_id, const char *scheme, uint64 before)
{
	Entry *entry = hash_search(newest, &key, HASH_FIND, NULL);
	IntakeProfile *profile = entry != NULL ? entry->profile : NULL;

	if (profile == NULL || profile->outdated)
		profile = read_new(key, source_id, scheme, before);
	profile->users++;
	return profile;
}

void
intake_profiles_leave(IntakeProfile *profile)
{
	if (--profile->users == 0 && profile->outdated)
		drop(profile);
}

/* The memory that profiles take. */
size_t
intake_profiles_bytes(void)
{
	return bytes;
}

/* Forgets profiles that no source uses. */
void
intake_profiles_tidy(void)
{
	dlist_mutable_iter place;

	dlist_foreach_modify(place, &all)
	{
		IntakeProfile *profile = dlist_container(IntakeProfile, place, place.cur);

		if (profile->users == 0)
			drop(profile);
	}
}
