/* Multipart forms. Input: a Content-Type, then a body. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include <string.h>

#include "read/form.h"
#include "read/multipart.h"
#include "read/work.h"
#include "fuzz.h"

/* How often a text is in another. */
static int
count(IntakeSlice text, IntakeSlice what)
{
	int found = 0;
	const char *place = text.data;
	const char *end = text.data + text.len;

	while ((size_t) (end - place) >= what.len &&
		   (place = memmem(place, end - place, what.data, what.len)) != NULL)
	{
		found++;
		place++;
	}
	return found;
}

void
fuzz(IntakeSlice input)
{
	IntakeSlice type = fuzz_line(&input);
	IntakeMultipart parts = {0};
	IntakeFormReader reader;
	IntakeField field;
	int fields = 0;

	intake_work_begin(input.len, 1);
	if (intake_multipart_read(type, input, &parts) != NULL)
	{
		PROMISE(parts.form.data == NULL);
		return;
	}
	/* There is a boundary, and as many fields as dispositions at most. */
	PROMISE(intake_multipart_is(input));
	PROMISE(parts.form.len <= 3 * input.len && parts.content.len >= parts.form.len);
	PROMISE(parts.content.data == parts.form.data);
	reader = intake_form_begin(parts.form);
	while (intake_form_next(&reader, &field))
	{
		PROMISE(field.name.len > 0);
		/* What was read stood in the body as it is. */
		PROMISE(field.value.len == 0 || count(input, intake_form_decode(field.value)) > 0);
		PROMISE(count(input, intake_form_decode(field.name)) > 0);
		fields++;
	}
	PROMISE(fields <= INTAKE_MULTIPART_PARTS_MAX && fields <= count(input, intake_slice_cstr(":")));
	for (size_t i = 0; i < parts.form.len; i++)
		PROMISE((unsigned char) parts.form.data[i] > ' ' && parts.form.data[i] != 0x7F);
}
