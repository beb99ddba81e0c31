/*
 * form.c
 *		Reading URL-encoded queries and forms. Pure; results are palloc'ed.
 */
#include <stdlib.h>

#include "memory.h"

#include "encoding.h"
#include "form.h"

/* Decodes + and %XX. A % that two digits do not follow stands for itself. */
IntakeSlice
intake_form_decode(IntakeSlice text)
{
	char *out = palloc(text.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
	{
		unsigned char byte;
		size_t length;

		if (text.data[i] == '%' && i + 2 < text.len &&
			intake_encoding_decode(INTAKE_HEX, (IntakeSlice){text.data + i + 1, 2}, &byte, 1,
								   &length))
		{
			out[n++] = (char) byte;
			i += 2;
		}
		else
			out[n++] = text.data[i] == '+' ? ' ' : text.data[i];
	}
	out[n] = '\0';
	return (IntakeSlice){out, n};
}

/* Takes the next name=value off *REST, both decoded. Returns false at the end. */
static bool
next_field(IntakeSlice *rest, IntakeSlice *name, IntakeSlice *value)
{
	IntakeSlice field;

	do
	{
		if (rest->data == NULL || rest->len == 0)
			return false;
		field = intake_slice_cut(*rest, "&", rest);
	} while (field.len == 0);
	*name = intake_form_decode(intake_slice_cut(field, "=", value));
	*value = value->data ? intake_form_decode(*value) : intake_slice_cstr("");
	return true;
}

/* The value of the NTH (from 0) field of that name, decoded; absent if there is none. */
IntakeSlice
intake_form_find(IntakeSlice form, IntakeSlice name, int nth)
{
	IntakeSlice found;
	IntakeSlice value;

	while (next_field(&form, &found, &value))
		if (intake_slice_equal(found, name) && nth-- == 0)
			return value;
	return INTAKE_ABSENT;
}

typedef struct Field
{
	IntakeSlice name;
	IntakeSlice value;
} Field;

static int
compare_slices(IntakeSlice a, IntakeSlice b)
{
	int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int
compare_fields(const void *a, const void *b)
{
	const Field *left = a;
	const Field *right = b;
	int order = compare_slices(left->name, right->name);

	return order != 0 ? order : compare_slices(left->value, right->value);
}

/*
 * Every field as name and value, one behind the other, decoded, sorted by the bytes of name
 * and then value, the same field only once. A field that no other resembles in name stands as
 * it is.
 */
IntakeSlice
intake_form_sorted(IntakeSlice form)
{
	size_t count = 0;
	size_t length = 0;
	size_t room = 1;
	Field *fields;
	char *out;

	for (size_t i = 0; i < form.len; i++)
		room += form.data[i] == '&';
	fields = palloc(room * sizeof(Field));
	while (next_field(&form, &fields[count].name, &fields[count].value))
	{
		length += fields[count].name.len + fields[count].value.len;
		count++;
	}
	qsort(fields, count, sizeof(Field), compare_fields);
	out = palloc(length + 1);
	length = 0;
	for (size_t i = 0; i < count; i++)
	{
		if (i > 0 && intake_slice_equal(fields[i].name, fields[i - 1].name))
		{
			if (intake_slice_equal(fields[i].value, fields[i - 1].value))
				continue;
		}
		memcpy(out + length, fields[i].name.data, fields[i].name.len);
		length += fields[i].name.len;
		memcpy(out + length, fields[i].value.data, fields[i].value.len);
		length += fields[i].value.len;
	}
	return (IntakeSlice){out, length};
}
