/*
 * coverage.c
 *		What a signature binds: which values of a request cannot be others while it stays. Pure.
 *
 * A value is bound where it stands in the message as it is, or in a digest there that nobody can
 * hit with another value: neither in lower case, nor in a CRC-32. Where the message ends and the
 * next part begins is what borders.c proves, unless the scheme says that its borders are loose.
 */
#include "verify/coverage.h"

/* Whether the end of an argument of a function shows, whatever stands in the others. */
static bool
is_fixed(const IntakePart *part)
{
	return part->kind == INTAKE_PART_SECRET || part->kind == INTAKE_PART_TOKEN ||
		   part->kind == INTAKE_PART_TIMESTAMP;
}

static bool
all_others_are_fixed(const IntakeTemplate *arguments, IntakePartKind kind)
{
	for (int i = 0; i < arguments->count; i++)
		if (arguments->parts[i].kind != kind && !is_fixed(&arguments->parts[i]))
			return false;
	return true;
}

/* Whether a template binds a variable. */
static bool
binds(const IntakeTemplate *message, IntakePartKind kind)
{
	for (int i = 0; i < message->count; i++)
	{
		const IntakePart *part = &message->parts[i];

		if (part->kind == kind && !part->lower)
			return true;
		if ((part->kind == INTAKE_PART_DIGEST || part->kind == INTAKE_PART_HMAC) &&
			all_others_are_fixed(part->arguments, kind) && binds(part->arguments, kind))
			return true;
	}
	return false;
}

/* What binds a value as it is written binds what it says. */
static bool
binds_place(const IntakeTemplate *message, const IntakePlace *place)
{
	IntakePlace written = *place;

	written.encoded = false;
	for (int i = 0; i < message->count; i++)
		if (message->parts[i].kind == INTAKE_PART_LOCATION && !message->parts[i].lower &&
			intake_place_equal(message->parts[i].place, &written))
			return true;
	return false;
}

/* Whether the signature itself binds a place, outside of the body. */
static bool
signs_place(const IntakeScheme *scheme, const IntakePlace *place)
{
	const IntakeTemplate *message = scheme->message;

	if (place->kind == INTAKE_CLAIM)
		return scheme->kind == INTAKE_JWT;
	if (message == NULL)
		return false;
	return binds_place(message, place) ||
		   (scheme->has_timestamp && intake_place_equal(place, &scheme->timestamp) &&
			binds(message, INTAKE_PART_TIMESTAMP)) ||
		   (place->kind == INTAKE_QUERY &&
			(binds(message, INTAKE_PART_URL) || binds(message, INTAKE_PART_PATH)));
}

/* Whether what must be equal to signed values binds a variable, whichever of them it is. */
static bool
requirement_binds(const IntakeScheme *scheme, const IntakeRequirement *requirement,
				  IntakePartKind kind)
{
	if (requirement->test != INTAKE_EQUAL)
		return false;
	for (int i = 0; i < requirement->location.count; i++)
		if (!signs_place(scheme, &requirement->location.places[i]))
			return false;
	for (int i = 0; i < requirement->n_templates; i++)
		if (!binds(requirement->templates[i], kind))
			return false;
	return requirement->n_templates > 0;
}

/* Whether a variable cannot have another value without another signature. */
static bool
is_bound(const IntakeScheme *scheme, IntakePartKind kind)
{
	if (scheme->message != NULL && binds(scheme->message, kind))
		return true;
	for (int i = 0; i < scheme->n_require; i++)
		if (requirement_binds(scheme, &scheme->require[i], kind))
			return true;
	return false;
}

/* Whether an event is a token, and nothing besides. */
bool
intake_coverage_token_is_body(const IntakeScheme *scheme)
{
	for (int i = 0; i < scheme->n_signatures; i++)
		if (scheme->signatures[i].kind != INTAKE_BODY)
			return false;
	return scheme->kind == INTAKE_JWT;
}

/* Whether the bytes of the body are in what is signed, and not only what they say. */
bool
intake_coverage_has_bytes(const IntakeScheme *scheme)
{
	return intake_coverage_token_is_body(scheme) || is_bound(scheme, INTAKE_PART_BODY);
}

/* Whether the body cannot be changed without the signature, as far as the row tells. */
bool
intake_coverage_has_body(const IntakeScheme *scheme)
{
	return intake_coverage_has_bytes(scheme) || is_bound(scheme, INTAKE_PART_FORM_SORTED);
}

/* Whether JSON stands in a field, and nowhere else, that the signature covers. */
static bool
has_json_field(const IntakeScheme *scheme)
{
	IntakePlace field = {.kind = INTAKE_FORM, .name = scheme->json_from};

	return scheme->json_from.data != NULL && scheme->content == INTAKE_CONTENT_FORM &&
		   (signs_place(scheme, &field) || is_bound(scheme, INTAKE_PART_FORM_SORTED));
}

static bool
has_place(const IntakeScheme *scheme, const IntakePlace *place)
{
	if (signs_place(scheme, place))
		return true;
	switch (place->kind)
	{
		case INTAKE_QUERY:
			return is_bound(scheme, INTAKE_PART_URL) || is_bound(scheme, INTAKE_PART_PATH);
		case INTAKE_FORM:
			return is_bound(scheme, INTAKE_PART_BODY) || is_bound(scheme, INTAKE_PART_FORM_SORTED);
		case INTAKE_JSON:
			return intake_coverage_token_is_body(scheme) || is_bound(scheme, INTAKE_PART_BODY) ||
				   has_json_field(scheme);
		case INTAKE_BODY:
		case INTAKE_DIGEST_PART:
			return intake_coverage_has_bytes(scheme);
		default:
			return false;
	}
}

/* Whether whatever stands at a location is covered by the signature. */
bool
intake_coverage_has(const IntakeScheme *scheme, const IntakeLocation *location)
{
	for (int i = 0; i < location->count; i++)
		for (const IntakePlace *place = &location->places[i]; place != NULL; place = place->also)
			if (!has_place(scheme, place))
				return false;
	return location->count > 0;
}

/*
 * Whether what is signed must be remembered, because the same could come again under another key:
 * under what stands at KEY, unless that is NULL, or, where DIGEST says so, under the digest of the
 * content, which has all of the body and leaves out the time. A token that binds no body is for many
 * requests, until its end; of those that do, each is for one.
 */
bool
intake_coverage_needs_guard(const IntakeScheme *scheme, const IntakeLocation *key, bool digest)
{
	if (scheme->message == NULL &&
		(scheme->kind != INTAKE_JWT || !intake_coverage_has_body(scheme)))
		return false;
	if (scheme->each != NULL)
		return true;
	if (key != NULL && (scheme->loose || !intake_coverage_has(scheme, key)))
		return true;
	return digest && (!intake_coverage_has_bytes(scheme) ||
					  (scheme->loose && intake_template_uses(scheme->message, "timestamp")));
}

/*
 * Whether the same bytes, signed, can only be the same body again. Otherwise they are remembered for
 * ever: once forgotten, they would let any body in.
 */
bool
intake_coverage_is_whole(const IntakeScheme *scheme)
{
	return scheme->binds_body && !scheme->loose;
}

/*
 * Whether the same signed body may come as events of several types, because the type is not signed.
 * What does not bind the body counts once, whatever its type; items say theirs themselves.
 */
bool
intake_coverage_lacks_type(const IntakeScheme *scheme, const IntakeLocation *type)
{
	return type != NULL && scheme->each == NULL && scheme->binds_body &&
		   !intake_coverage_has(scheme, type);
}

/* Whether the signature itself stands at a place. */
static bool
is_signature(const IntakeScheme *scheme, const IntakePlace *place)
{
	for (int i = 0; i < scheme->n_signatures; i++)
		if (intake_place_equal(&scheme->signatures[i], place))
			return true;
	return false;
}

/*
 * Whether several events may come with one signature, which binds no body: as where it is of their
 * time and their type. Then a key has to name it, beside what tells such events apart.
 */
bool
intake_coverage_is_shared(const IntakeScheme *scheme, const IntakeLocation *key)
{
	if (key == NULL || scheme->each != NULL || scheme->binds_body || scheme->message == NULL)
		return false;
	for (int i = 0; i < key->count; i++)
		for (const IntakePlace *place = &key->places[i]; place != NULL; place = place->also)
			if (is_signature(scheme, place))
				return true;
	return false;
}

/* Whether what is signed may differ between two deliveries of one event. */
bool
intake_coverage_varies(const IntakeScheme *scheme)
{
	for (int i = 0; scheme->message != NULL && i < scheme->message->count; i++)
	{
		IntakePartKind kind = scheme->message->parts[i].kind;

		if (kind != INTAKE_PART_BODY && kind != INTAKE_PART_SECRET && kind != INTAKE_PART_LITERAL)
			return true;
	}
	return scheme->message == NULL || scheme->volatiles.count > 0;
}
