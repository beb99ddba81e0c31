/*
 * slice_table.c
 *		Hash tables of the server's whose keys are slices.
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "ground/slice_table.h"

static uint32
hash_slice(const void *key, Size size)
{
	const IntakeSlice *slice = key;

	return hash_bytes((const unsigned char *) slice->data, slice->len);
}

static int
compare_slices(const void *a, const void *b, Size size)
{
	return intake_slice_equal(*(const IntakeSlice *) a, *(const IntakeSlice *) b) ? 0 : 1;
}

/*
 * Makes a table that lives as long as the process. An entry begins with an IntakeSlice, its key; the
 * bytes of that are somebody else's, who keeps them as long as the entry is there.
 */
HTAB *
intake_slice_table_make(const char *name, size_t entry_size)
{
	HASHCTL control = {.keysize = sizeof(IntakeSlice),
					   .entrysize = entry_size,
					   .hash = hash_slice,
					   .match = compare_slices};

	return hash_create(name, 64, &control, HASH_ELEM | HASH_FUNCTION | HASH_COMPARE);
}
