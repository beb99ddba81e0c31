/*
 * content.c
 *		What a body must be for an event to be made of it. Pure; what is wrong is palloc'ed.
 *
 * A signature covers bytes, not what they mean. Where key and type are read from JSON or from a
 * form, the body must be just that and nothing besides, so that no bytes which the sender signed
 * for something else can be read as an event.
 */
#include <stdio.h>

#include "common/memory.h"

#include "read/body.h"
#include "read/form.h"
#include "read/work.h"
#include "verify/content.h"

static bool
has_place(const IntakeLocation *location, IntakePlaceKind kind)
{
	for (int i = 0; location != NULL && i < location->count; i++)
		for (const IntakePlace *place = &location->places[i]; place != NULL; place = place->also)
			if (place->kind == kind)
				return true;
	return false;
}

/* Whether what stands at a location (or NULL) may be read from the body as JSON or as a form. */
bool
intake_content_reads(const IntakeLocation *location)
{
	return has_place(location, INTAKE_JSON) || has_place(location, INTAKE_FORM);
}

/*
 * What a body must be: as the scheme says, or else as what is read from it tells, which is its items,
 * its fields as a whole, and the key and the type of an event.
 */
IntakeContent
intake_content_default(const IntakeScheme *scheme, const IntakeLocation *key,
					   const IntakeLocation *type)
{
	bool json = scheme->each != NULL || has_place(key, INTAKE_JSON) || has_place(type, INTAKE_JSON);
	bool form = (scheme->message != NULL && intake_template_uses(scheme->message, "form_sorted")) ||
				has_place(key, INTAKE_FORM) || has_place(type, INTAKE_FORM);

	if (scheme->content != INTAKE_CONTENT_UNSAID)
		return scheme->content;
	return json == form ? INTAKE_CONTENT_ANY : json ? INTAKE_CONTENT_JSON : INTAKE_CONTENT_FORM;
}

/* Such as: byte 17 of the body: not UTF-8 */
static const char *
say(const char *unit, size_t number, const char *whole, const char *what)
{
	char *text = palloc(200);

	snprintf(text, 200, "%s %zu of the %s: %s", unit, number, whole, what);
	return text;
}

/* Whether verifying looks into the body: a packed one costs a stranger little, and us much. */
static bool
needs_body(const IntakeScheme *scheme)
{
	for (; scheme != NULL; scheme = scheme->next)
		if (scheme->reads_body || scheme->signs_plain)
			return true;
	return false;
}

/*
 * Finds where JSON and fields are to be read in the body of a request, before it is verified. What is
 * packed stays so where it can; else what it costs counts as that of any other request.
 */
void
intake_content_open_early(const IntakeScheme *scheme, IntakeRequest *request)
{
	if (request->open || (intake_body_coding(request).data != NULL && !needs_body(scheme)))
		return;
	intake_body_open(request, scheme->json_from);
	if (scheme->signs_plain && request->unpacked.data != NULL)
		request->body = request->unpacked;
}

/* The same once it is verified. */
void
intake_content_open(const IntakeScheme *scheme, IntakeRequest *request)
{
	if (request->open)
		return;
	intake_work.limit += request->most * (uint64_t) INTAKE_WORK_FACTOR;
	intake_body_open(request, scheme->json_from);
}

/* Whether the text that the sender has signed cannot be had from what was sent. */
bool
intake_content_is_hidden(const IntakeScheme *scheme, const IntakeRequest *request)
{
	return scheme->signs_plain && request->problem != NULL && request->unpacked.data == NULL &&
		   intake_body_coding(request).data != NULL;
}

/* Looks whether the text is an object or an array of JSON; returns why not, or NULL. */
static const char *
look(IntakeRequest *request)
{
	IntakeSlice whole = intake_request_text(request);
	IntakeSlice text = intake_json_unmarked(whole);
	char first = intake_body_first(whole);
	IntakeJsonFault fault;

	request->json = INTAKE_JSON_NOT;
	if (request->problem != NULL)
		return request->problem;
	if (text.len == 0)
		return request->text.data ? "the field with the JSON is empty" : "the body is empty";
	if (first != '{' && first != '[')
		return request->text.data ? "the field has no JSON object or array"
								  : "the body is no JSON object or array";
	request->json = intake_json_look(text, &fault);
	if (request->json != INTAKE_JSON_NOT)
		return NULL;
	return say("byte", whole.len - text.len + fault.at + 1, request->text.data ? "field" : "body",
			   fault.problem);
}

/* Finds out whether places in an open body are to be read as JSON or as a form. */
void
intake_content_look(IntakeRequest *request)
{
	if (request->json == INTAKE_JSON_UNKNOWN)
		(void) look(request);
}

/*
 * The same before a request is verified, where the scheme reads its body then. What must be JSON, or
 * a form, is asked for behind the signature.
 */
void
intake_content_prepare(const IntakeScheme *scheme, IntakeRequest *request)
{
	intake_content_open_early(scheme, request);
	if (scheme->reads_body && scheme->content != INTAKE_CONTENT_JSON &&
		scheme->content != INTAKE_CONTENT_FORM)
		intake_content_look(request);
}

/* The place of a name among the fields that a form may have, or -1. */
static int
field_of(const IntakeScheme *scheme, IntakeSlice name)
{
	for (int i = 0; i < scheme->n_fields; i++)
		if (intake_slice_equal(name, intake_slice_cstr(scheme->fields[i])))
			return i;
	return -1;
}

/* Each field must be one of those that the scheme names, and the only one of its name. */
static const char *
fields_problem(const IntakeScheme *scheme, IntakeSlice body)
{
	bool *seen = palloc0(scheme->n_fields * sizeof(bool));
	IntakeFormReader reader = intake_form_begin(body);
	IntakeField field;

	for (size_t number = 1; intake_form_next(&reader, &field); number++)
	{
		int found = field_of(scheme, intake_form_decode(field.name));

		if (found < 0)
			return say("field", number, "form", "none of those that the scheme names");
		if (seen[found])
			return say("field", number, "form", "it is there already");
		seen[found] = true;
	}
	return NULL;
}

static const char *
form_problem(IntakeSlice body)
{
	char first = intake_body_first(body);

	if (first == '{' || first == '[')
		return "the body begins as JSON does";
	intake_work_charge(body.len);
	for (size_t i = 0; i < body.len; i++)
		if ((unsigned char) body.data[i] <= ' ' || body.data[i] == 0x7F)
			return say("byte", i + 1, "body", "a space or a control character");
	return NULL;
}

/*
 * A field that is signed by itself must be the only one of its name: of others nobody knows who they
 * are from, and who reads the form may take one of them.
 */
static const char *
signed_fields_problem(const IntakeTemplate *message, IntakeSlice body)
{
	IntakeSlice values[2];

	for (int i = 0; i < message->count; i++)
	{
		const IntakePart *part = &message->parts[i];
		const char *problem = NULL;

		if (part->arguments != NULL)
			problem = signed_fields_problem(part->arguments, body);
		else if (part->kind == INTAKE_PART_LOCATION && part->place->kind == INTAKE_FORM &&
				 intake_form_all(body, part->place->name, values, 2) == 2)
			problem = "a field of the form that is signed is there twice";
		if (problem != NULL)
			return problem;
	}
	return NULL;
}

/*
 * Whether an event may be made of the body of a request that SCHEME has verified, where CONTENT is
 * what the body must be. Returns NULL, or what is wrong, for the operator: nothing of the body is in
 * it. What the body was found to be is noted in the request.
 */
const char *
intake_content_problem(const IntakeScheme *scheme, IntakeContent content, IntakeRequest *request)
{
	const char *problem = NULL;
	bool in_form;

	intake_content_open(scheme, request);
	if (request->problem != NULL)
		request->json = INTAKE_JSON_NOT;
	if (request->problem != NULL &&
		(content == INTAKE_CONTENT_JSON || content == INTAKE_CONTENT_FORM))
		return request->problem;
	in_form = request->text.data != NULL;
	if (content == INTAKE_CONTENT_JSON || in_form)
		problem = look(request);
	else if (content == INTAKE_CONTENT_FORM)
		request->json = INTAKE_JSON_NOT;
	if (problem != NULL && (content == INTAKE_CONTENT_JSON || !in_form))
		return problem;
	problem = content == INTAKE_CONTENT_FORM || in_form ? form_problem(intake_request_form(request))
														: NULL;
	if (problem == NULL && content == INTAKE_CONTENT_FORM && scheme->n_fields > 0)
		problem = fields_problem(scheme, intake_request_form(request));
	if (problem == NULL && (in_form || request->json == INTAKE_JSON_NOT) && scheme->message != NULL)
		problem = signed_fields_problem(scheme->message, intake_request_form(request));
	return problem;
}

/* The word for a body that is not what CONTENT says. */
const char *
intake_content_reason(IntakeContent content)
{
	return content == INTAKE_CONTENT_JSON ? "not_json" : "not_form";
}
