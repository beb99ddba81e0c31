/*
 * location.c
 *		Where in a request a value stands. Pure; what is parsed is palloc'ed.
 */
#include "common/memory.h"

#include "read/form.h"
#include "read/headers.h"
#include "read/location.h"
#include "read/work.h"

static const char *const kinds[] = {"header", "headers", "query", "form",  "json",
									"jwt",    "sig",     "body",  "digest"};

/* The word before the colon of a place of that kind. */
const char *
intake_place_word(IntakePlaceKind kind)
{
	return kinds[kind];
}

static char *
copy(IntakeSlice text)
{
	char *out = palloc(text.len + 1);

	memcpy(out, text.data, text.len);
	out[text.len] = '\0';
	return out;
}

static bool
parse_place(IntakeSlice text, IntakePlace *place, const char **why)
{
	char *all = copy(text);
	IntakeSlice rest;
	IntakeSlice kind = intake_slice_cut(intake_slice_cstr(all), ":", &rest);

	if (all[0] == '$')
	{
		place->kind = INTAKE_JSON;
		*why = "it is not a JSON path of at most 16 steps";
		return intake_json_path(all, &place->path);
	}
	if (intake_slice_equal(kind, intake_slice_cstr("ce")) && rest.len > 0)
	{
		place->kind = INTAKE_HEADER;
		place->encoded = true;
		all[2] = '-';
		place->name = intake_slice_cstr(all);
		return true;
	}
	*why = "it must begin with header:, headers:, query:, form:, json:, jwt:, ce: or $.";
	for (int i = 0; i < 8; i++)
	{
		if (rest.data == NULL || (rest.len == 0) != (i == INTAKE_BODY) ||
			!intake_slice_equal(kind, intake_slice_cstr(kinds[i])))
			continue;
		place->kind = (IntakePlaceKind) i;
		place->name = rest;
		if (place->kind == INTAKE_HEADERS)
		{
			*why = "headers: takes a prefix that ends in *";
			place->name.len--;
			return rest.data[rest.len - 1] == '*';
		}
		if (place->kind == INTAKE_JSON || place->kind == INTAKE_CLAIM)
		{
			*why = "it is not a JSON pointer of at most 16 steps";
			place->relative = rest.data[0] != '/';
			return intake_json_pointer(rest.data, &place->path);
		}
		return true;
	}
	return false;
}

/* Cuts the first part of a key off, at a + that is in no brackets. */
static IntakeSlice
cut_part(IntakeSlice text, IntakeSlice *rest)
{
	bool inside = false;

	for (size_t i = 0; i < text.len; i++)
	{
		if (text.data[i] == '[' || text.data[i] == ']')
			inside = text.data[i] == '[';
		if (text.data[i] != '+' || inside)
			continue;
		*rest = intake_slice_trim(intake_slice_after(text, i + 1));
		return intake_slice_trim((IntakeSlice){text.data, i});
	}
	*rest = INTAKE_ABSENT;
	return text;
}

static bool
parse_part(IntakeSlice text, IntakePlace *place, const char **why)
{
	if (!intake_slice_equal(text, intake_slice_cstr("digest")))
		return parse_place(text, place, why);
	place->kind = INTAKE_DIGEST_PART;
	return true;
}

/* Reads one alternative of a key: its parts. */
static bool
parse_parts(IntakeSlice text, IntakePlace *place, const char **why)
{
	IntakeSlice rest;

	for (int count = 1; parse_part(cut_part(text, &rest), place, why); count++)
	{
		if (rest.data == NULL)
			return true;
		if (count == INTAKE_KEY_PARTS_MAX)
		{
			*why = "one of its alternatives has more than 6 parts";
			return false;
		}
		text = rest;
		place->also = palloc0(sizeof(IntakePlace));
		place = place->also;
	}
	return false;
}

/* Reads alternatives, each by READ. */
static bool
parse_alternatives(const char *text, IntakeLocation *location, const char **why,
				   bool (*read)(IntakeSlice, IntakePlace *, const char **))
{
	IntakeSlice rest = intake_slice_cstr(text);

	memset(location, 0, sizeof(*location));
	while (rest.data != NULL)
	{
		IntakeSlice part = intake_slice_trim(intake_slice_cut(rest, "|", &rest));

		if (location->count == INTAKE_LOCATION_MAX)
		{
			*why = "it has more than 6 alternatives";
			return false;
		}
		if (!read(part, &location->places[location->count++], why))
			return false;
	}
	return true;
}

/*
 * Reads a location. Returns false, with what is wrong in *WHY, where it is not one.
 */
bool
intake_location_parse(const char *text, IntakeLocation *location, const char **why)
{
	return parse_alternatives(text, location, why, parse_place);
}

/* The same for the location of a key, which may have several parts. */
bool
intake_location_parse_key(const char *text, IntakeLocation *location, const char **why)
{
	return parse_alternatives(text, location, why, parse_parts);
}

static bool
path_equal(const IntakePath *a, const IntakePath *b)
{
	if (a->count != b->count)
		return false;
	for (int i = 0; i < a->count; i++)
		if (!intake_slice_equal(a->steps[i].name, b->steps[i].name))
			return false;
	return true;
}

/* Whether two places are one, however they are written. */
bool
intake_place_equal(const IntakePlace *a, const IntakePlace *b)
{
	if (a->kind != b->kind || a->relative != b->relative || a->encoded != b->encoded)
		return false;
	if (a->kind == INTAKE_JSON || a->kind == INTAKE_CLAIM)
		return path_equal(&a->path, &b->path);
	if (a->kind == INTAKE_HEADER || a->kind == INTAKE_HEADERS)
		return intake_slice_equal_nocase(a->name, b->name);
	return intake_slice_equal(a->name, b->name);
}

static int
find_headers(const IntakePlace *place, IntakeSlice block, IntakeSlice *values, int most)
{
	IntakeHeaderIterator iterator = intake_headers_begin(block);
	IntakeSlice name;
	IntakeSlice value;
	int found = 0;

	intake_work_charge(block.len);
	while (found < most && intake_headers_next(&iterator, &name, &value))
	{
		if (place->kind == INTAKE_HEADERS && name.len > place->name.len)
			name.len = place->name.len;
		if (intake_slice_equal_nocase(name, place->name))
			values[found++] = place->encoded ? intake_headers_decode(value) : value;
	}
	return found;
}

/* Whether fields can be in a body: one that is known to be JSON is no form. */
static bool
may_be_form(const IntakeRequest *request)
{
	return request->form.data != NULL || request->json <= INTAKE_JSON_NOT;
}

static int
find_json(const IntakePlace *place, IntakeSlice text, IntakeSlice *values, int most)
{
	int found = intake_json_find(text, &place->path, values, most);

	for (int i = 0; i < found; i++)
		values[i] = intake_json_scalar(values[i]);
	return found;
}

/*
 * Every value at a place, at most MOST, in order; returns how many. A JSON value that is no
 * scalar counts, and is absent. ITEM is where relative pointers begin.
 */
int
intake_location_all(const IntakePlace *place, const IntakeRequest *request, IntakeSlice item,
					IntakeSlice *values, int most)
{
	switch (place->kind)
	{
		case INTAKE_HEADER:
		case INTAKE_HEADERS:
			return find_headers(place, request->headers, values, most);
		case INTAKE_QUERY:
			return intake_form_all(request->query, place->name, values, most);
		case INTAKE_FORM:
			return may_be_form(request)
					   ? intake_form_all(intake_request_form(request), place->name, values, most)
					   : 0;
		case INTAKE_JSON:
			if (place->relative && item.data != NULL)
				return find_json(place, item, values, most);
			return request->json != INTAKE_JSON_NOT
					   ? find_json(place, intake_request_text(request), values, most)
					   : 0;
		case INTAKE_CLAIM:
			return find_json(place, request->claims, values, most);
		case INTAKE_BODY:
			values[0] = request->body;
			return 1;
		default:
			return 0;
	}
}

/* Whether an object or an array of JSON stands at a place. */
bool
intake_place_is_compound(const IntakePlace *place, const IntakeRequest *request, IntakeSlice item)
{
	IntakeSlice text = place->kind == INTAKE_CLAIM            ? request->claims
					   : place->relative && item.data != NULL ? item
															  : intake_request_text(request);
	IntakeSlice value;

	return (place->kind == INTAKE_JSON || place->kind == INTAKE_CLAIM) &&
		   intake_json_find(text, &place->path, &value, 1) == 1 && value.len > 0 &&
		   (value.data[0] == '{' || value.data[0] == '[');
}

/*
 * The value at a place; absent if there is none. A header without a value is not there; an empty
 * string in JSON or in a form is.
 */
IntakeSlice
intake_place_read(const IntakePlace *place, const IntakeRequest *request, IntakeSlice item)
{
	IntakeSlice value;

	if (intake_location_all(place, request, item, &value, 1) == 1 && value.data != NULL &&
		(value.len > 0 || place->kind > INTAKE_HEADERS))
		return value;
	return INTAKE_ABSENT;
}

/* The first value that is there; absent if there is none. */
IntakeSlice
intake_location_read_item(const IntakeLocation *location, const IntakeRequest *request,
						  IntakeSlice item)
{
	IntakeSlice value = INTAKE_ABSENT;

	for (int i = 0; i < location->count && value.data == NULL; i++)
		value = intake_place_read(&location->places[i], request, item);
	return value;
}

IntakeSlice
intake_location_read(const IntakeLocation *location, const IntakeRequest *request)
{
	return intake_location_read_item(location, request, INTAKE_ABSENT);
}
