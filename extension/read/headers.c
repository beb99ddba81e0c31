/*
 * headers.c
 *		Reading a header block. Pure.
 */
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
