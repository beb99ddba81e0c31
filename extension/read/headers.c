/*
 * headers.c
 *		Reading a header block. Pure; what is decoded is palloc'ed.
 */
#include "common/memory.h"

#include "read/encoding.h"
#include "read/headers.h"

IntakeHeaderIterator
intake_headers_begin(IntakeSlice block)
{
	return (IntakeHeaderIterator){block};
}

/*
 * Moves to the next header: its name, and its value without the spaces around it. Lines
 * without a colon are passed over. Returns false at the end.
 */
bool
intake_headers_next(IntakeHeaderIterator *iterator, IntakeSlice *name, IntakeSlice *value)
{
	while (iterator->rest.data != NULL && iterator->rest.len > 0)
	{
		IntakeSlice line = intake_slice_cut(iterator->rest, "\n", &iterator->rest);

		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		*name = intake_slice_trim(intake_slice_cut(line, ":", value));
		if (value->data == NULL || name->len == 0)
			continue;
		*value = intake_slice_trim(*value);
		return true;
	}
	return false;
}

/* The byte that %XX stands for at a place of a text, or -1. */
static int
escaped_byte(IntakeSlice text, size_t at)
{
	unsigned char byte;
	size_t length;

	if (text.data[at] != '%' || text.len - at < 3 ||
		!intake_encoding_decode(INTAKE_HEX, (IntakeSlice){text.data + at + 1, 2}, &byte, 1,
								&length))
		return -1;
	return byte;
}

/*
 * A value as CloudEvents' binding to HTTP writes it: %XX are bytes of UTF-8, and it may stand in
 * double quotes, where a backslash takes the next character as it is. The quotes are read first. A %
 * that is not followed by two digits is itself.
 */
IntakeSlice
intake_headers_decode(IntakeSlice value)
{
	bool quoted = value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"';
	char *out;
	IntakeSlice plain;
	size_t n = 0;

	if (!quoted && memchr(value.data, '%', value.len) == NULL)
		return value;
	out = palloc(value.len + 1);
	plain = (IntakeSlice){out, 0};
	for (size_t i = quoted; i < value.len - quoted; i++)
	{
		if (quoted && value.data[i] == '\\' && i + 1 < value.len - 1)
			i++;
		out[plain.len++] = value.data[i];
	}
	for (size_t i = 0; i < plain.len; i++)
	{
		int byte = escaped_byte(plain, i);

		out[n++] = byte < 0 ? plain.data[i] : (char) byte;
		i += byte < 0 ? 0 : 2;
	}
	return (IntakeSlice){out, n};
}
