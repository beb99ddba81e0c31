/*
 * body.c
 *		What stands in the body of a request. Pure; what is made is palloc'ed.
 *
 * What a body is, its own bytes tell: headers are rarely signed, so that somebody else may have
 * written them.
 */
#include "read/body.h"

#include "read/form.h"

/* The first byte that is not white space of JSON, behind the mark of UTF-8; or NUL. */
char
intake_body_first(IntakeSlice text)
{
	text = intake_json_unmarked(text);
	while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t' || text.data[0] == '\r' ||
							text.data[0] == '\n'))
		text = intake_slice_after(text, 1);
	return text.len > 0 ? text.data[0] : '\0';
}

/* Takes the JSON out of a field of the form. Where the field is there twice, readers differ. */
static void
open_field(IntakeRequest *request, IntakeSlice field)
{
	IntakeSlice values[2];
	int count = intake_form_all(intake_request_form(request), field, values, 2);

	if (count == 2)
		request->problem = "the field of the form that has the JSON is there twice";
	if (count != 1)
		return;
	request->form = intake_request_form(request);
	request->text = values[0];
}

/*
 * Finds where JSON and fields are read. FIELD of a form has the JSON, unless the body is JSON; it is
 * absent where no form has any.
 */
void
intake_body_open(IntakeRequest *request, IntakeSlice field)
{
	char first;

	if (request->open)
		return;
	request->open = true;
	first = intake_body_first(request->body);
	if (field.data != NULL && first != '{' && first != '[')
		open_field(request, field);
}

/* The same for a request whose body is another now. */
void
intake_body_reopen(IntakeRequest *request, IntakeSlice field)
{
	request->open = false;
	request->text = request->form = INTAKE_ABSENT;
	request->problem = NULL;
	intake_body_open(request, field);
}
