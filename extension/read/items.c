/*
 * items.c
 *		The items of a delivery: the parts of its JSON that are events by themselves. Pure.
 *
 * Nothing may be lost between items. An element of an array on the way to items which has none, such
 * as a change without messages beside one with them, is a piece, too: the whole of it, as the rest.
 *
 * Nor may we find other items than somebody else who reads the same body. Where a name on the way is
 * there twice, which of them counts is a matter of taste, and the body is ambiguous.
 */
#include <stdlib.h>

#include "common/memory.h"

#include "read/items.h"
#include "read/work.h"

static bool
is_number(IntakeSlice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] < '0' || name.data[i] > '9')
			return false;
	return true;
}

/* Has a path end in all elements of an array. */
static bool
complete(IntakePath *path, const char **why)
{
	IntakeStep *steps = path->steps;

	for (int i = 0; i < path->count; i++)
		if (is_number(steps[i].name))
		{
			*why = "what stands beside one element of an array would be lost: [*] is all of them";
			return false;
		}
	if (steps[path->count - 1].any)
		return true;
	*why = "it has more than 15 steps before the [*]";
	if (path->count == INTAKE_PATH_MAX)
		return false;
	steps[path->count++] = (IntakeStep){true, intake_slice_cstr("*")};
	return true;
}

/*
 * Reads where items stand: JSON paths with " | " between them, all of which count. The end of each is
 * an array, and [*] may be left out behind it. Returns false, with what is wrong in *WHY, where it
 * is not that.
 */
bool
intake_items_parse(const char *text, IntakeLocation *paths, const char **why)
{
	if (!intake_location_parse(text, paths, why))
		return false;
	for (int i = 0; i < paths->count; i++)
	{
		IntakePlace *place = &paths->places[i];

		*why = "items stand in JSON: it must begin with $";
		if (place->kind != INTAKE_JSON || place->relative || !complete(&place->path, why))
			return false;
	}
	return true;
}

/* Pieces as they stand, those around others before them. */
static int
by_place(const void *a, const void *b)
{
	IntakeSlice left = ((const IntakePiece *) a)->bytes;
	IntakeSlice right = ((const IntakePiece *) b)->bytes;

	if (left.data != right.data)
		return left.data < right.data ? -1 : 1;
	if (left.len != right.len)
		return left.len > right.len ? -1 : 1;
	return 0;
}

static void
sort(IntakePieces *pieces)
{
	if (pieces->count > 1)
		qsort(pieces->list, pieces->count, sizeof(IntakePiece), by_place);
}

typedef struct Search
{
	IntakeSlice text;
	IntakeSlice *values; /* room for one more than there may be */
	IntakeItemsFound result;
} Search;

/* Adds what stands at a path to PIECES. Returns false where that is no way to find items. */
static bool
add(Search *search, const IntakePath *path, bool rest, IntakePieces *pieces)
{
	bool repeats;
	int found =
		intake_json_find_all(search->text, path, search->values, INTAKE_ITEMS_MOST + 1, &repeats);

	if (intake_work_over())
		search->result = INTAKE_ITEMS_TOO_COSTLY;
	else if (repeats)
		search->result = INTAKE_ITEMS_AMBIGUOUS;
	else if (found > INTAKE_ITEMS_MOST || (!rest && pieces->count + found > INTAKE_ITEMS_MOST))
		search->result = INTAKE_ITEMS_TOO_MANY;
	if (search->result != INTAKE_ITEMS_FOUND || found == 0)
		return search->result == INTAKE_ITEMS_FOUND;
	pieces->list = pieces->count == 0
					   ? palloc(found * sizeof(IntakePiece))
					   : repalloc(pieces->list, (pieces->count + found) * sizeof(IntakePiece));
	for (int i = 0; i < found; i++)
		pieces->list[pieces->count++] = (IntakePiece){search->values[i], rest};
	return true;
}

/* Whether one of the pieces, which are sorted, stands in what ELEMENT is. */
static bool
has_piece(const IntakePieces *pieces, IntakeSlice element)
{
	int low = 0;
	int high = pieces->count;

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (pieces->list[middle].bytes.data < element.data)
			low = middle + 1;
		else
			high = middle;
	}
	return low < pieces->count && pieces->list[low].bytes.data < element.data + element.len;
}

/* Keeps each piece once, and of those that are the rest only what stands in no other. */
static void
thin_out(IntakePieces *pieces, const IntakePieces *items)
{
	const char *end = NULL; /* of the last one that was kept */
	int count = 0;

	sort(pieces);
	for (int i = 0; i < pieces->count; i++)
	{
		IntakePiece piece = pieces->list[i];

		if (piece.rest ? (piece.bytes.data < end || has_piece(items, piece.bytes))
					   : (count > 0 && by_place(&piece, &pieces->list[count - 1]) == 0))
			continue;
		if (piece.rest)
			end = piece.bytes.data + piece.bytes.len;
		pieces->list[count++] = piece;
	}
	pieces->count = count;
}

/* Whether the first COUNT steps of the path I are those of an earlier one, too. */
static bool
is_shared(const IntakeLocation *paths, int i, int count)
{
	const IntakePath *path = &paths->places[i].path;

	for (int j = 0; j < i; j++)
	{
		const IntakePath *other = &paths->places[j].path;
		int same = 0;

		while (same < count && same < other->count - 1 &&
			   intake_slice_equal(path->steps[same].name, other->steps[same].name))
			same++;
		if (same == count)
			return true;
	}
	return false;
}

/* Adds the elements on the way to items that have none to PIECES, in which the items are. */
static bool
add_rest(Search *search, const IntakeLocation *paths, IntakePieces *pieces)
{
	IntakePieces rest = {NULL, 0};

	for (int i = 0; i < paths->count; i++)
	{
		IntakePath path = paths->places[i].path;

		while (--path.count > 0)
		{
			if (!path.steps[path.count - 1].any || is_shared(paths, i, path.count))
				continue;
			if (!add(search, &path, true, &rest))
				return false;
			thin_out(&rest, pieces);
		}
	}
	if (rest.count == 0)
		return true;
	if (pieces->count + rest.count > INTAKE_ITEMS_MOST)
	{
		search->result = INTAKE_ITEMS_TOO_MANY;
		return false;
	}
	pieces->list = repalloc(pieces->list, (pieces->count + rest.count) * sizeof(IntakePiece));
	memcpy(pieces->list + pieces->count, rest.list, rest.count * sizeof(IntakePiece));
	pieces->count += rest.count;
	sort(pieces);
	return true;
}

/*
 * Finds the items of a text, which is valid JSON, in the order in which they stand there, with the
 * rest. PIECES is empty unless they were found.
 */
IntakeItemsFound
intake_items_find(const IntakeLocation *paths, IntakeSlice text, IntakePieces *pieces)
{
	Search search = {text, palloc((INTAKE_ITEMS_MOST + 1) * sizeof(IntakeSlice)),
					 INTAKE_ITEMS_FOUND};
	IntakePieces found = {NULL, 0};
	bool good = true;

	*pieces = found;
	for (int i = 0; good && i < paths->count; i++)
		good = add(&search, &paths->places[i].path, false, &found);
	if (good && found.count == 0)
		return INTAKE_ITEMS_NONE;
	if (good)
		thin_out(&found, &found);
	if (!good || !add_rest(&search, paths, &found))
		return search.result;
	*pieces = found;
	return INTAKE_ITEMS_FOUND;
}
