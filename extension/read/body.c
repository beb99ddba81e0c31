/*
 * body.c
 *		What stands in the body of a request. Pure; what is made is palloc'ed.
 *
 * What a body is, its own bytes tell: headers are rarely signed, so that somebody else may have
 * written them.
 */
#include "read/body.h"

#include "read/form.h"
#include "read/headers.h"
#include "read/multipart.h"
#include "read/unpack.h"

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

/* The value of the only header of a name, or absent; empty where there are several. */
static IntakeSlice
header(IntakeSlice headers, const char *wanted)
{
	IntakeSlice found = INTAKE_ABSENT;
	IntakeHeaderIterator iterator = intake_headers_begin(headers);
	IntakeSlice name;
	IntakeSlice value;

	while (intake_headers_next(&iterator, &name, &value))
		if (intake_slice_equal_nocase(name, intake_slice_cstr(wanted)))
			found = found.data == NULL ? value : intake_slice_cstr("");
	return found;
}

/*
 * How a body is packed; absent where it is not. What begins as JSON is not, whatever a header says
 * that a proxy may have left.
 */
IntakeSlice
intake_body_coding(const IntakeRequest *request)
{
	IntakeSlice coding = header(request->headers, "content-encoding");

	char first = coding.data != NULL ? intake_body_first(request->body) : '\0';

	if (first == '{' || first == '[' ||
		intake_slice_equal_nocase(coding, intake_slice_cstr("identity")))
		return INTAKE_ABSENT;
	return coding;
}

/* Unpacks a body; where that cannot be, nothing is found in it. */
static void
unpack(IntakeRequest *request, IntakeSlice coding)
{
	request->problem = intake_unpack(coding, request->body, request->most, &request->unpacked);
	if (request->problem == NULL)
		request->content = request->unpacked;
	else
	{
		request->unpacked = INTAKE_ABSENT;
		request->text = request->form = intake_slice_cstr("");
	}
}

/* Reads a multipart form; where that cannot be, no field is found in it. */
static void
open_multipart(IntakeRequest *request)
{
	IntakeMultipart parts = {0};

	request->problem = intake_multipart_read(header(request->headers, "content-type"),
											 intake_request_content(request), &parts);
	if (request->problem == NULL)
	{
		request->form = parts.form;
		request->content = parts.content;
	}
	else
		request->form = intake_slice_cstr("");
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

/* Finds where JSON and fields are, unless the body is JSON. */
static void
open_content(IntakeRequest *request, IntakeSlice field, bool divided)
{
	char first = intake_body_first(intake_request_content(request));

	if (first == '{' || first == '[')
		return;
	if (!divided && intake_multipart_is(intake_request_content(request)))
		open_multipart(request);
	if (field.data != NULL)
		open_field(request, field);
}

/*
 * Finds where JSON and fields are read. FIELD of a form has the JSON, unless the body is JSON; it is
 * absent where no form has any.
 */
void
intake_body_open(IntakeRequest *request, IntakeSlice field)
{
	IntakeSlice coding;

	if (request->open)
		return;
	request->open = true;
	coding = intake_body_coding(request);
	if (coding.data != NULL)
		unpack(request, coding);
	if (request->problem == NULL)
		open_content(request, field, false);
}

/*
 * The same for a request that was open and whose body is another content now: of a multipart body
 * the form, behind which files may stand, that hide no field of it.
 */
void
intake_body_reopen(IntakeRequest *request, IntakeSlice field)
{
	bool divided = request->content.data != NULL && request->form.data != NULL;

	request->content = request->text = request->form = INTAKE_ABSENT;
	request->problem = NULL;
	if (divided)
		request->form = request->body;
	open_content(request, field, divided);
}
