/*
 * location.h
 *		Where in a request a value stands. Pure.
 *
 *		header:NAME				every header line of that name
 *		ce:NAME					the header ce-NAME, decoded as CloudEvents' binding to HTTP says
 *		headers:PREFIX- *		every header line whose name begins so
 *		query:NAME, form:NAME	fields of the query and of the form in the body
 *		json:/a/0/b, json:/a/ *	JSON pointer into the body; * is every element
 *		json:a/b				the same, from an item where a scheme signs items
 *		$.a[0]["b"]				JSON path into the body
 *		jwt:/a/b				JSON pointer into the claims of a token that was verified
 *		sig:NAME				an item of the signature itself (for timestamps)
 *		body:					the whole body
 *
 * Several, with " | " between them: the first that is there. Of a key each of those may have several
 * parts, with " + " between them; one part may be the word digest, which is that of the content.
 */
#ifndef INTAKE_LOCATION_H
#define INTAKE_LOCATION_H

#include "common/slice.h"
#include "read/json.h"
#include "read/request.h"

typedef enum
{
	INTAKE_HEADER,
	INTAKE_HEADERS,
	INTAKE_QUERY,
	INTAKE_FORM,
	INTAKE_JSON,
	INTAKE_CLAIM,
	INTAKE_SIGNATURE_ITEM,
	INTAKE_BODY,
	INTAKE_DIGEST_PART /* of a key only */
} IntakePlaceKind;

typedef struct IntakePlace
{
	IntakePlaceKind kind;
	IntakeSlice name;
	IntakePath path;          /* of INTAKE_JSON and INTAKE_CLAIM */
	bool relative;            /* to an item */
	bool encoded;             /* a header whose value is written so that all of Unicode fits */
	struct IntakePlace *also; /* of a key: its next part, or NULL */
} IntakePlace;

#define INTAKE_LOCATION_MAX 6
#define INTAKE_KEY_PARTS_MAX 6

typedef struct IntakeLocation
{
	IntakePlace places[INTAKE_LOCATION_MAX];
	int count;
} IntakeLocation;

extern const char *intake_place_word(IntakePlaceKind kind);
extern bool intake_place_equal(const IntakePlace *a, const IntakePlace *b);
extern bool intake_location_parse(const char *text, IntakeLocation *location, const char **why);
extern bool intake_location_parse_key(const char *text, IntakeLocation *location, const char **why);
extern IntakeSlice intake_place_read(const IntakePlace *place, const IntakeRequest *request,
									 IntakeSlice item);
extern bool intake_place_is_compound(const IntakePlace *place, const IntakeRequest *request,
									 IntakeSlice item);
extern int intake_location_all(const IntakePlace *place, const IntakeRequest *request,
							   IntakeSlice item, IntakeSlice *values, int most);
extern IntakeSlice intake_location_read_item(const IntakeLocation *location,
											 const IntakeRequest *request, IntakeSlice item);
extern IntakeSlice intake_location_read(const IntakeLocation *location,
										const IntakeRequest *request);

#endif
