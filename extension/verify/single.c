/*
 * single.c
 *		Headers of which the first counts, however often they are there. Pure.
 *
 * Whoever looks for a value takes the first header of a name. So where one is signed, or is the key
 * or the type of an event, what else has its name has been looked at by nobody, and must not be
 * shown as if it belonged to that value.
 */
#include "verify/single.h"

#include "read/headers.h"

static bool
place_has(const IntakePlace *place, IntakeSlice name)
{
	if (place->kind == INTAKE_HEADERS && name.len > place->name.len)
		name.len = place->name.len;
	return (place->kind == INTAKE_HEADER || place->kind == INTAKE_HEADERS) &&
		   intake_slice_equal_nocase(place->name, name);
}

static bool
location_has(const IntakeLocation *location, IntakeSlice name)
{
	for (int i = 0; location != NULL && i < location->count; i++)
		for (const IntakePlace *place = &location->places[i]; place != NULL; place = place->also)
			if (place_has(place, name))
				return true;
	return false;
}

/* Whether the first header called LIST has a name among those between its commas. */
static bool
list_has(IntakeSlice list, IntakeSlice name, IntakeSlice headers)
{
	IntakeHeaderIterator iterator = intake_headers_begin(headers);
	IntakeSlice other;
	IntakeSlice rest;

	if (intake_slice_equal_nocase(list, name))
		return true;
	while (intake_headers_next(&iterator, &other, &rest))
	{
		if (!intake_slice_equal_nocase(other, list))
			continue;
		while (rest.data != NULL)
			if (intake_slice_equal_nocase(intake_slice_trim(intake_slice_cut(rest, ",", &rest)),
										  name))
				return true;
		return false;
	}
	return false;
}

static bool
template_has(const IntakeTemplate *message, IntakeSlice name, IntakeSlice headers)
{
	for (int i = 0; message != NULL && i < message->count; i++)
	{
		const IntakePart *part = &message->parts[i];

		if ((part->kind == INTAKE_PART_LOCATION && place_has(part->place, name)) ||
			(part->kind == INTAKE_PART_HEADER_LIST && list_has(part->literal, name, headers)) ||
			template_has(part->arguments, name, headers))
			return true;
	}
	return false;
}

static bool
requirements_have(const IntakeRequirement *requirements, int count, IntakeSlice name,
				  IntakeSlice headers)
{
	for (int i = 0; i < count; i++)
	{
		if (location_has(&requirements[i].location, name))
			return true;
		for (int j = 0; j < requirements[i].n_templates; j++)
			if (template_has(requirements[i].templates[j], name, headers))
				return true;
	}
	return false;
}

static bool
scheme_has(const IntakeScheme *scheme, IntakeSlice name, IntakeSlice headers)
{
	for (int i = 0; i < scheme->n_signatures; i++)
		if (place_has(&scheme->signatures[i], name))
			return true;
	return (scheme->has_timestamp && place_has(&scheme->timestamp, name)) ||
		   template_has(scheme->message, name, headers) ||
		   requirements_have(scheme->require, scheme->n_require, name, headers) ||
		   requirements_have(scheme->when, scheme->n_when, name, headers);
}

/* Whether the first header of a name is all that counts of those, in a request with HEADERS. */
bool
intake_single_header(const IntakeReaders *readers, IntakeSlice name, IntakeSlice headers)
{
	return location_has(readers->key, name) || location_has(readers->type, name) ||
		   (readers->scheme != NULL && scheme_has(readers->scheme, name, headers));
}
