/*
 * volatile.c
 *		The places of a request that change between the tries of one delivery. Pure; what is made is
 *		palloc'ed.
 *
 * A copy of a body without them has null where a value of JSON stood, whatever that was, and nothing
 * where that of a field of a form did. So all that stands around them stays as it is, to the byte:
 * two bodies have the same copy only where they differ at these places, and nowhere else.
 *
 * When in doubt nothing is cut, and a repetition may pass for news, which is the lesser evil: where
 * the body is no valid JSON, where a name on the way is there twice (of which readers take the one
 * or the other), and where there are more values than anybody sends.
 */
#include <stdlib.h>

#include "common/memory.h"

#include "read/body.h"
#include "read/form.h"
#include "read/headers.h"
#include "read/work.h"
#include "verify/volatile.h"

#define USUALLY_FOUND 64 /* values of a place, for which there is room at first */

/* ---- lists ---- */

static bool
is_in_body(const IntakePlace *place)
{
	return !place->relative && (place->kind == INTAKE_JSON || place->kind == INTAKE_FORM);
}

static void
add(IntakeVolatile *list, const IntakePlace *place)
{
	list->places = list->places == NULL
					   ? palloc(sizeof(IntakePlace))
					   : repalloc(list->places, (list->count + 1) * sizeof(IntakePlace));
	list->places[list->count++] = *place;
}

/* Reads places. Returns what is wrong, or NULL. TEXTS must outlive the list. */
const char *
intake_volatile_parse(const char *const *texts, int count, IntakeVolatile *list)
{
	memset(list, 0, sizeof(*list));
	if (count > INTAKE_VOLATILE_MOST)
		return "volatile has more than 16 places";
	for (int i = 0; i < count; i++)
	{
		IntakeLocation location;
		const char *why = "";

		if (texts[i] == NULL || !intake_location_parse(texts[i], &location, &why) ||
			location.count != 1 ||
			(!is_in_body(&location.places[0]) && location.places[0].kind != INTAKE_HEADER))
			return "volatile has something that is not one place, as $.a[*].b, form:NAME or "
				   "header:NAME";
		add(list, &location.places[0]);
	}
	return NULL;
}

/* Adds a place, where it is one in the body. */
void
intake_volatile_add(IntakeVolatile *list, const IntakePlace *place)
{
	if (is_in_body(place))
		add(list, place);
}

/* Whether a path begins with another one, and goes on. */
static bool
leads_through(const IntakePath *path, const IntakePath *start)
{
	if (path->count <= start->count)
		return false;
	for (int i = 0; i < start->count; i++)
		if (!intake_slice_equal(path->steps[i].name, start->steps[i].name))
			return false;
	return true;
}

/* The places of LIST that stand in the items to which PATHS lead, as they stand there. */
void
intake_volatile_within(const IntakeVolatile *list, const IntakeLocation *paths,
					   IntakeVolatile *within)
{
	memset(within, 0, sizeof(*within));
	for (int i = 0; i < list->count; i++)
		for (int j = 0; j < paths->count; j++)
		{
			const IntakePath *start = &paths->places[j].path;
			IntakePlace place = list->places[i];

			if (place.kind != INTAKE_JSON || !leads_through(&place.path, start))
				continue;
			place.path.count -= start->count;
			memmove(place.path.steps, place.path.steps + start->count,
					place.path.count * sizeof(IntakeStep));
			intake_volatile_add(within, &place);
		}
}

/* ---- finding ---- */

/* What is to be cut out of a body. */
typedef struct Cut
{
	const char *start;
	size_t length;
	bool json; /* a value of JSON */
} Cut;

typedef struct Cuts
{
	Cut *list;
	int count;
} Cuts;

static void
add_cuts(Cuts *cuts, const IntakeSlice *values, int count, bool json)
{
	size_t size = (cuts->count + count) * sizeof(Cut);

	if (count == 0)
		return;
	cuts->list = cuts->list == NULL ? palloc(size) : repalloc(cuts->list, size);
	for (int i = 0; i < count; i++)
		cuts->list[cuts->count++] = (Cut){values[i].data, values[i].len, json};
}

static void
find_json(const IntakePlace *place, IntakeSlice text, Cuts *cuts)
{
	IntakeSlice few[USUALLY_FOUND];
	IntakeSlice *values = few;
	bool repeats;
	int found = intake_json_find_all(text, &place->path, values, USUALLY_FOUND, &repeats);

	if (found == USUALLY_FOUND)
	{
		values = palloc((INTAKE_VOLATILE_FOUND + 1) * sizeof(IntakeSlice));
		found =
			intake_json_find_all(text, &place->path, values, INTAKE_VOLATILE_FOUND + 1, &repeats);
	}
	if (!repeats && found <= INTAKE_VOLATILE_FOUND)
		add_cuts(cuts, values, found, true);
	if (values != few)
		pfree(values);
}

/* The value of a field as it is written; absent where the field is not there once. */
static IntakeSlice
field_of(IntakeSlice form, IntakeSlice name)
{
	IntakeFormReader reader = intake_form_begin(form);
	IntakeSlice value = INTAKE_ABSENT;
	IntakeField field;
	int found = 0;

	while (intake_form_next(&reader, &field))
		if (intake_form_says(field.name, name))
		{
			value = field.value;
			found++;
		}
	return found == 1 ? value : INTAKE_ABSENT;
}

static void
find_field(const IntakePlace *place, IntakeSlice form, Cuts *cuts)
{
	IntakeSlice value = field_of(form, place->name);

	if (value.len > 0)
		add_cuts(cuts, &value, 1, false);
}

/* Whether the text of a request is JSON; what is neither object nor array has no places in it. */
static bool
is_json(const IntakeRequest *request)
{
	if (request->json == INTAKE_JSON_UNKNOWN)
		return intake_json_look(intake_json_unmarked(intake_request_text(request)), NULL) !=
			   INTAKE_JSON_NOT;
	return request->json != INTAKE_JSON_NOT;
}

/* As they stand, those around others before them. */
static int
by_place(const void *a, const void *b)
{
	const Cut *left = a;
	const Cut *right = b;

	if (left->start != right->start)
		return left->start < right->start ? -1 : 1;
	if (left->length != right->length)
		return left->length > right->length ? -1 : 1;
	return 0;
}

/* Sorts what is to be cut, and keeps what does not stand in something else that is. */
static void
settle(Cuts *cuts)
{
	const char *end = NULL;
	int count = 0;

	if (cuts->count > 1)
		qsort(cuts->list, cuts->count, sizeof(Cut), by_place);
	for (int i = 0; i < cuts->count; i++)
	{
		if (end != NULL && cuts->list[i].start < end)
			continue;
		end = cuts->list[i].start + cuts->list[i].length;
		cuts->list[count++] = cuts->list[i];
	}
	cuts->count = count;
}

/* Finds the places of one kind. Returns false where that costs too much. */
static bool
find_all(const IntakeVolatile *list, IntakePlaceKind kind, IntakeSlice text, Cuts *cuts)
{
	for (int i = 0; i < list->count; i++)
	{
		if (list->places[i].kind != kind)
			continue;
		if (kind == INTAKE_JSON)
			find_json(&list->places[i], text, cuts);
		else
			find_field(&list->places[i], text, cuts);
		if (intake_work_over())
			return false;
	}
	settle(cuts);
	return true;
}

/* Moves cuts from a text to the field of a form in which it is encoded. */
static void
move_to_field(Cuts *cuts, const char *text, IntakeSlice field)
{
	for (int i = 0; i < cuts->count; i++)
	{
		Cut *cut = &cuts->list[i];
		const char *end = cut->start + cut->length;

		field = intake_form_behind(field, cut->start - text);
		text = end;
		cut->start = field.data;
		field = intake_form_behind(field, cut->length);
		cut->length = field.data - cut->start;
	}
}

/* The same in a form, and in the JSON that stands in one of its fields. */
static bool
find_in_form(const IntakeVolatile *list, const IntakeRequest *request, Cuts *cuts)
{
	IntakeSlice field = field_of(request->form, list->json_from);

	if (is_json(request) && field.data != NULL)
	{
		if (!find_all(list, INTAKE_JSON, request->text, cuts))
			return false;
		move_to_field(cuts, request->text.data, field);
	}
	return find_all(list, INTAKE_FORM, request->form, cuts);
}

/* ---- cutting ---- */

static char *
put(char *out, const char *start, const char *end)
{
	if (end > start)
		memcpy(out, start, end - start);
	return out + (end - start);
}

static bool
has_header(const IntakeVolatile *list, IntakeSlice name)
{
	for (int i = 0; i < list->count; i++)
		if (list->places[i].kind == INTAKE_HEADER &&
			intake_slice_equal_nocase(list->places[i].name, name))
			return true;
	return false;
}

/* A copy of a text without what is cut out. */
static IntakeSlice
replace(IntakeSlice text, const Cuts *cuts)
{
	static const char null[] = {'n', 'u', 'l', 'l'};
	char *start = palloc(text.len + cuts->count * sizeof(null) + 1);
	char *end = start;
	const char *from = text.data;

	intake_work_charge(text.len + cuts->count * sizeof(null));
	for (int i = 0; i < cuts->count; i++)
	{
		const Cut *cut = &cuts->list[i];

		end = put(end, from, cut->start);
		end = put(end, null, cut->json ? null + sizeof(null) : null);
		from = cut->start + cut->length;
	}
	end = put(end, from, text.data + text.len);
	return (IntakeSlice){start, end - start};
}

/* The content of a request without its volatile places: itself where it has none. */
IntakeSlice
intake_volatile_cut(const IntakeVolatile *list, const IntakeRequest *request)
{
	IntakeRequest opened = *request;
	IntakeSlice body;
	Cuts cuts = {NULL, 0};
	bool found;

	intake_body_open(&opened, list->json_from);
	body = intake_request_content(&opened);
	if (list->count == 0)
		return body;
	if (opened.form.data != NULL)
		found = find_in_form(list, &opened, &cuts);
	else
		found = find_all(list, is_json(&opened) ? INTAKE_JSON : INTAKE_FORM, body, &cuts);
	if (found && cuts.count > 0)
		body = replace(body, &cuts);
	if (cuts.list != NULL)
		pfree(cuts.list);
	return body;
}

/* The headers of a request without those that are volatile: themselves where it has none. */
IntakeSlice
intake_volatile_cut_headers(const IntakeVolatile *list, IntakeSlice block)
{
	IntakeHeaderIterator iterator = intake_headers_begin(block);
	IntakeSlice name;
	IntakeSlice value;
	const char *from = block.data;
	char *start = NULL;
	char *end = NULL;

	for (int i = 0; i < list->count; i++)
		if (list->places[i].kind == INTAKE_HEADER && start == NULL)
			start = end = palloc(block.len + 1);
	if (start == NULL)
		return block;
	intake_work_charge(block.len * list->count);
	while (intake_headers_next(&iterator, &name, &value))
	{
		const char *to = iterator.rest.data != NULL ? iterator.rest.data : block.data + block.len;

		if (!has_header(list, name))
			end = put(end, from, to);
		from = to;
	}
	return (IntakeSlice){start, end - start};
}

/*
 * Whether two bodies are the same but for their volatile places. They are judged by themselves: no
 * request is being judged meanwhile.
 */
bool
intake_volatile_same(const IntakeVolatile *list, const IntakeRequest *one,
					 const IntakeRequest *other)
{
	if (intake_slice_equal(one->body, other->body))
		return true;
	intake_work_begin(one->body.len + one->most + other->body.len + other->most, 1);
	return intake_slice_equal(intake_volatile_cut(list, one), intake_volatile_cut(list, other));
}
