/*
 * form.c
 *		Reading URL-encoded queries and forms. Pure; what is decoded is palloc'ed.
 *
 * A form is read in place, and only what is wanted of it is decoded. Of a form with more than
 * INTAKE_FIELDS_MAX fields the rest is not read, and the request is marked (work.h).
 */
#include <stdlib.h>

#include "common/memory.h"

#include "read/encoding.h"
#include "read/form.h"
#include "read/work.h"

/* Takes one byte, decoded, off a text that is not empty. A % without two digits is a %. */
static inline char
take_byte(const char **text, const char *end)
{
	const char *place = *text;
	unsigned char byte;
	size_t length;

	*text = place + 1;
	if (*place == '+')
		return ' ';
	if (*place != '%' || end - place < 3 ||
		!intake_encoding_decode(INTAKE_HEX, (IntakeSlice){place + 1, 2}, &byte, 1, &length))
		return *place;
	*text = place + 3;
	return (char) byte;
}

/* Decodes + and %XX to OUT, which has room for as much; returns how much it is. */
static size_t
decode_to(char *out, IntakeSlice text)
{
	const char *place = text.data;
	const char *end = place + text.len;
	size_t n = 0;

	while (place < end)
		out[n++] = take_byte(&place, end);
	return n;
}

/* Decodes + and %XX. A % that two digits do not follow stands for itself. */
IntakeSlice
intake_form_decode(IntakeSlice text)
{
	char *out = palloc(text.len + 1);
	size_t n = decode_to(out, text);

	out[n] = '\0';
	return (IntakeSlice){out, n};
}

/* What stands behind the first COUNT bytes of a text, as they are once it is decoded. */
IntakeSlice
intake_form_behind(IntakeSlice text, size_t count)
{
	const char *place = text.data;
	const char *end = place + text.len;

	while (place < end && count-- > 0)
		(void) take_byte(&place, end);
	return (IntakeSlice){place, end - place};
}

/* Whether a text says NAME once it is decoded. */
bool
intake_form_says(IntakeSlice text, IntakeSlice name)
{
	const char *place = text.data;
	const char *end = place + text.len;
	size_t n = 0;

	if (text.len < name.len)
		return false;
	while (place < end && n < name.len)
		if (take_byte(&place, end) != name.data[n++])
			return false;
	return place == end && n == name.len;
}

IntakeFormReader
intake_form_begin(IntakeSlice form)
{
	return (IntakeFormReader){form, 0};
}

/* Moves to the next field. Returns false at the end. */
bool
intake_form_next(IntakeFormReader *reader, IntakeField *field)
{
	IntakeSlice text;

	do
	{
		if (reader->rest.data == NULL || reader->rest.len == 0)
			return false;
		if (reader->count++ == INTAKE_FIELDS_MAX)
		{
			intake_work.too_many_fields = true;
			return false;
		}
		text = intake_slice_cut(reader->rest, "&", &reader->rest);
		intake_work_charge(text.len + 1);
	} while (text.len == 0);
	field->name = intake_slice_cut(text, "=", &field->value);
	if (field->value.data == NULL)
		field->value = intake_slice_cstr("");
	return true;
}

/* The values of the fields of that name, decoded, at most MOST; returns how many. */
int
intake_form_all(IntakeSlice form, IntakeSlice name, IntakeSlice *values, int most)
{
	IntakeFormReader reader = intake_form_begin(form);
	IntakeField field;
	int found = 0;

	while (found < most && intake_form_next(&reader, &field))
		if (intake_form_says(field.name, name))
			values[found++] = intake_form_decode(field.value);
	return found;
}

/* The value of the NTH (from 0) field of that name, decoded; absent if there is none. */
IntakeSlice
intake_form_find(IntakeSlice form, IntakeSlice name, int nth)
{
	IntakeFormReader reader = intake_form_begin(form);
	IntakeField field;

	while (intake_form_next(&reader, &field))
		if (intake_form_says(field.name, name) && nth-- == 0)
			return intake_form_decode(field.value);
	return INTAKE_ABSENT;
}

static int
compare_slices(IntakeSlice a, IntakeSlice b)
{
	int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int
compare_fields(const void *a, const void *b)
{
	const IntakeField *left = a;
	const IntakeField *right = b;
	int order = compare_slices(left->name, right->name);

	return order != 0 ? order : compare_slices(left->value, right->value);
}

static IntakeSlice
decode_into(char **out, IntakeSlice text)
{
	IntakeSlice decoded = {*out, decode_to(*out, text)};

	*out += decoded.len;
	return decoded;
}

/* How many fields a form has at most; no more than are read. */
static int
count_fields(IntakeSlice form)
{
	IntakeFormReader reader = intake_form_begin(form);
	IntakeField field;

	while (intake_form_next(&reader, &field))
		continue;
	return reader.count;
}

/* Whether a name can stand behind a URL, or behind a value, without looking like more of it. */
static bool
is_plain_name(IntakeSlice name)
{
	return name.len > 0 && name.len <= INTAKE_FORM_NAME_MOST &&
		   strchr(INTAKE_FORM_NAME_STARTS, name.data[0]) != NULL && name.data[0] != '\0';
}

/*
 * Every field as name and value, one behind the other, decoded, sorted by the bytes of name
 * and then value, the same field only once. Absent where a field has no name, or a strange one.
 */
IntakeSlice
intake_form_sorted(IntakeSlice form)
{
	IntakeField *fields = palloc(count_fields(form) * sizeof(IntakeField) + 1);
	char *buffer = palloc(form.len + 1);
	char *rest = buffer;
	char *out = palloc(form.len + 1);
	IntakeFormReader reader = intake_form_begin(form);
	IntakeField field;
	size_t count = 0;
	size_t length = 0;
	bool plain = true;

	while (plain && intake_form_next(&reader, &field))
	{
		fields[count].name = decode_into(&rest, field.name);
		plain = is_plain_name(fields[count].name);
		fields[count++].value = decode_into(&rest, field.value);
	}
	if (count > 1)
		qsort(fields, count, sizeof(IntakeField), compare_fields);
	intake_work_charge(4 * form.len);
	for (size_t i = 0; i < count; i++)
	{
		if (i > 0 && intake_slice_equal(fields[i].name, fields[i - 1].name) &&
			intake_slice_equal(fields[i].value, fields[i - 1].value))
			continue;
		memcpy(out + length, fields[i].name.data, fields[i].name.len);
		length += fields[i].name.len;
		memcpy(out + length, fields[i].value.data, fields[i].value.len);
		length += fields[i].value.len;
	}
	pfree(buffer);
	pfree(fields);
	return plain ? (IntakeSlice){out, length} : INTAKE_ABSENT;
}

/* Encodes all but letters, digits and -._~ (RFC 3986); *OUT has room for three times as much. */
static IntakeSlice
encode_into(char **out, IntakeSlice text)
{
	char *start = *out;
	const char *place = text.data;
	const char *end = place + text.len;

	while (place < end)
	{
		unsigned char c = (unsigned char) take_byte(&place, end);

		if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			(c != '\0' && strchr("-._~", c) != NULL))
			*(*out)++ = (char) c;
		else
		{
			*(*out)++ = '%';
			*(*out)++ = "0123456789ABCDEF"[c >> 4];
			*(*out)++ = "0123456789ABCDEF"[c & 15];
		}
	}
	return (IntakeSlice){start, *out - start};
}

/*
 * A query as Atlassian hashes it: fields but for those called WITHOUT, encoded anew, sorted by name
 * and value; the values of one name after each other with commas.
 */
IntakeSlice
intake_form_canonical(IntakeSlice query, IntakeSlice without)
{
	IntakeField *fields = palloc(count_fields(query) * sizeof(IntakeField) + 1);
	char *encoded = palloc(3 * query.len + 1);
	char *out = palloc(4 * query.len + 1);
	IntakeFormReader reader = intake_form_begin(query);
	IntakeField field;
	size_t count = 0;
	size_t n = 0;

	while (intake_form_next(&reader, &field))
		if (!intake_form_says(field.name, without))
		{
			fields[count].name = encode_into(&encoded, field.name);
			fields[count++].value = encode_into(&encoded, field.value);
		}
	if (count > 1)
		qsort(fields, count, sizeof(IntakeField), compare_fields);
	intake_work_charge(8 * query.len);
	for (size_t i = 0; i < count; i++)
	{
		bool again = i > 0 && intake_slice_equal(fields[i].name, fields[i - 1].name);

		if (i > 0)
			out[n++] = again ? ',' : '&';
		memcpy(out + n, fields[i].name.data, again ? 0 : fields[i].name.len);
		n += again ? 0 : fields[i].name.len;
		if (!again)
			out[n++] = '=';
		memcpy(out + n, fields[i].value.data, fields[i].value.len);
		n += fields[i].value.len;
	}
	return (IntakeSlice){out, n};
}
