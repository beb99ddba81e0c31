/*
 * Places that change. Input: places with spaces between them, and maybe in: with the name of a field
 * that has the JSON of a form; then a body.
 *
 * The copy without them is compared with the body, byte by byte: where they part, a value begins in
 * the body that stands at one of the places, and behind it they go on together. So whoever knows the
 * copy knows all of the body but for these values.
 */
#include "read/body.h"
#include "read/form.h"
#include "read/work.h"
#include "verify/volatile.h"
#include "fuzz.h"

static bool
parse(IntakeSlice line, IntakeVolatile *list)
{
	const char *texts[INTAKE_VOLATILE_MOST + 1];
	const char *field = NULL;
	int count = 0;

	while (line.data != NULL && count <= INTAKE_VOLATILE_MOST)
	{
		IntakeSlice text = intake_slice_cut(line, " ", &line);
		char *copy = palloc(text.len + 1);

		memcpy(copy, text.data, text.len);
		copy[text.len] = '\0';
		if (strncmp(copy, "in:", 3) == 0)
			field = copy + 3;
		else
			texts[count++] = copy;
	}
	if (intake_volatile_parse(texts, count, list) != NULL)
		return false;
	list->json_from = intake_slice_cstr(field);
	return true;
}

static IntakeSlice
cut(const IntakeVolatile *list, IntakeSlice body)
{
	IntakeRequest request = {.body = body};

	intake_work_begin(body.len, 1);
	return intake_volatile_cut(list, &request);
}

static bool
same(const IntakeVolatile *list, IntakeSlice one, IntakeSlice other)
{
	IntakeRequest left = {.body = one};
	IntakeRequest right = {.body = other};

	return intake_volatile_same(list, &left, &right);
}

/* The value at one of the places that begins at START. */
static IntakeSlice
value_at(const IntakeVolatile *list, IntakeSlice body, bool json, const char *start)
{
	IntakeSlice *values = palloc((INTAKE_VOLATILE_FOUND + 1) * sizeof(IntakeSlice));

	for (int i = 0; i < list->count; i++)
	{
		const IntakePlace *place = &list->places[i];
		IntakeFormReader reader = intake_form_begin(body);
		IntakeField field;
		int found = 0;

		if (json && place->kind == INTAKE_JSON)
			found = intake_json_find(body, &place->path, values, INTAKE_VOLATILE_FOUND + 1);
		while (!json && place->kind == INTAKE_FORM && intake_form_next(&reader, &field))
			if (intake_form_says(field.name, place->name))
				values[found++] = field.value;
		while (found-- > 0)
			if (values[found].data == start)
				return values[found];
	}
	return INTAKE_ABSENT;
}

/* Nothing but values at these places is missing in the copy. */
static void
check_copy(const IntakeVolatile *list, IntakeSlice body, bool json, IntakeSlice copy)
{
	IntakeSlice instead = intake_slice_cstr(json ? "null" : "");
	const char *end = body.data + body.len;
	const char *at = body.data;

	while (at < end || copy.len > 0)
	{
		IntakeSlice value;

		if (at < end && copy.len > 0 && *at == copy.data[0])
		{
			at++;
			copy = intake_slice_after(copy, 1);
			continue;
		}
		value = value_at(list, body, json, at);
		PROMISE(value.data != NULL && value.len > 0 && intake_slice_starts(copy, instead));
		at += value.len;
		copy = intake_slice_after(copy, instead.len);
	}
}

/* Nothing is left of a place whose values anybody reads in the same way. */
static void
check_nothing_left(const IntakeVolatile *list, IntakeSlice body, IntakeSlice copy)
{
	for (int i = 0; i < list->count; i++)
	{
		const IntakePath *path = &list->places[i].path;
		IntakeSlice values[INTAKE_VOLATILE_FOUND + 1];
		bool repeats;
		int found;

		if (list->places[i].kind != INTAKE_JSON)
			continue;
		found = intake_json_find_all(body, path, values, INTAKE_VOLATILE_FOUND + 1, &repeats);
		if (repeats || found > INTAKE_VOLATILE_FOUND)
			continue;
		found = intake_json_find(copy, path, values, INTAKE_VOLATILE_FOUND + 1);
		while (found-- > 0)
			PROMISE(intake_slice_equal(values[found], intake_slice_cstr("null")));
	}
}

/* The body with one byte changed is the same where it has the same copy, and nowhere else. */
static void
check_change(const IntakeVolatile *list, IntakeSlice body, IntakeSlice copy, size_t place)
{
	char *out = palloc(body.len);
	IntakeSlice other = {out, body.len};

	memcpy(out, body.data, body.len);
	out[place] ^= 1;
	PROMISE(same(list, body, other) == intake_slice_equal(copy, cut(list, other)));
}

/* The places of one kind. */
static IntakeVolatile
only(const IntakeVolatile *list, IntakePlaceKind kind)
{
	IntakeVolatile out = {0};

	for (int i = 0; i < list->count; i++)
		if (list->places[i].kind == kind)
			intake_volatile_add(&out, &list->places[i]);
	return out;
}

/* Takes the value of a field out of a form; absent where it is not there once, or is empty. */
static IntakeSlice
take_field(IntakeSlice *form, IntakeSlice name)
{
	IntakeFormReader reader = intake_form_begin(*form);
	IntakeSlice value = INTAKE_ABSENT;
	IntakeField field;
	int found = 0;
	char *out;

	while (intake_form_next(&reader, &field))
		if (intake_form_says(field.name, name))
		{
			value = field.value;
			found++;
		}
	if (found != 1 || value.len == 0)
		return INTAKE_ABSENT;
	out = palloc(form->len);
	memcpy(out, form->data, value.data - form->data);
	memcpy(out + (value.data - form->data), value.data + value.len,
		   form->data + form->len - value.data - value.len);
	*form = (IntakeSlice){out, form->len - value.len};
	return value;
}

/* The field with the JSON is cut as a body would be, and the form around it as one without it. */
static void
check_field(const IntakeVolatile *list, IntakeSlice body, IntakeSlice copy)
{
	IntakeVolatile json = only(list, INTAKE_JSON);
	IntakeVolatile form = only(list, INTAKE_FORM);
	IntakeSlice name = list->json_from;
	IntakeSlice value = take_field(&body, name);
	IntakeSlice kept = value.data == NULL ? value : take_field(&copy, name);

	PROMISE(intake_slice_equal(cut(&form, body), copy));
	if (value.data == NULL)
		return;
	value = intake_form_decode(value);
	value = cut(&json, value);
	PROMISE(kept.data == NULL || intake_slice_equal(intake_form_decode(kept), value));
}

void
fuzz(IntakeSlice input)
{
	IntakeVolatile list;
	IntakeSlice copy;
	char first;
	bool json;

	if (!parse(fuzz_line(&input), &list))
		return;
	copy = cut(&list, input);
	first = intake_body_first(input);
	if (list.json_from.data != NULL && first != '{' && first != '[')
	{
		check_field(&list, input, copy);
		return;
	}
	json = intake_json_look(intake_json_unmarked(input), NULL) != INTAKE_JSON_NOT;
	check_copy(&list, input, json, copy);
	if (json)
		check_nothing_left(&list, input, copy);
	PROMISE(!json || intake_json_look(intake_json_unmarked(copy), NULL) != INTAKE_JSON_NOT);
	if (json)
		PROMISE(intake_slice_equal(cut(&list, copy), copy) && same(&list, input, copy));
	for (size_t i = 0; i < 16 && input.len > 0; i++)
		check_change(&list, input, copy, i * input.len / 16);
}
