/*
 * candidate.c
 *		The signatures that a request presents. Pure; results are palloc'ed where they must
 *		differ from the request.
 */
#include <stdlib.h>

#include "common/memory.h"

#include "read/encoding.h"
#include "verify/candidate.h"

static void
add(IntakeCandidates *candidates, IntakeSlice value, IntakeSlice timestamp)
{
	if (candidates->count == INTAKE_CANDIDATES_MAX)
		candidates->overflow = true;
	else
		candidates->list[candidates->count++] = (IntakeCandidate){value, timestamp};
}

static IntakeSlice
next_item(const IntakeScheme *scheme, IntakeSlice *group)
{
	return intake_slice_trim(intake_slice_cut(*group, scheme->item_sep, group));
}

/* The value of the first item of that name in a group; of a list, the item of that number. */
static IntakeSlice
find_item(const IntakeScheme *scheme, IntakeSlice group, IntakeSlice wanted)
{
	char digits[8] = "";
	int number;

	if (wanted.len < sizeof(digits))
		memcpy(digits, wanted.data, wanted.len);
	number = atoi(digits);
	for (int i = 0; group.data != NULL; i++)
	{
		IntakeSlice item = next_item(scheme, &group);
		IntakeSlice value;

		if (scheme->format == INTAKE_LIST && i == number)
			return item;
		if (scheme->format == INTAKE_KV &&
			intake_slice_equal(intake_slice_cut(item, scheme->kv_sep, &value), wanted) &&
			value.data != NULL)
			return value;
	}
	return INTAKE_ABSENT;
}

static void
add_pair(const IntakeScheme *scheme, IntakeSlice item, IntakeSlice timestamp,
		 IntakeCandidates *candidates)
{
	IntakeSlice value;
	IntakeSlice name = intake_slice_cut(item, scheme->kv_sep, &value);

	if (value.data == NULL)
		return;
	if (scheme->tag == NULL || intake_slice_equal(name, intake_slice_cstr(scheme->tag)))
		add(candidates, value, timestamp);
	else
		candidates->other_tags = true;
}

/* The member that the scheme's tag names of a JSON object in base64. */
static void
add_json(const IntakeScheme *scheme, IntakeSlice text, IntakeCandidates *candidates)
{
	unsigned char *bytes = palloc(text.len + 1);
	IntakeSlice json = {(char *) bytes, 0};
	IntakeSlice value;
	IntakePath path;

	if (intake_encoding_decode(INTAKE_BASE64, text, bytes, text.len, &json.len) &&
		intake_json_pointer(scheme->tag, &path) && intake_json_find(json, &path, &value, 1) == 1)
		add(candidates, intake_json_scalar(value), INTAKE_ABSENT);
}

static void
add_group(const IntakeScheme *scheme, IntakeSlice group, IntakeCandidates *candidates)
{
	IntakeSlice timestamp = INTAKE_ABSENT;

	if (scheme->format == INTAKE_PLAIN)
	{
		add(candidates, group, timestamp);
		return;
	}
	if (scheme->format == INTAKE_JSON_ITEM)
	{
		add_json(scheme, group, candidates);
		return;
	}
	if (scheme->has_timestamp && scheme->timestamp.kind == INTAKE_SIGNATURE_ITEM)
		timestamp = find_item(scheme, group, scheme->timestamp.name);
	while (group.data != NULL && !candidates->overflow)
	{
		IntakeSlice item = next_item(scheme, &group);

		if (scheme->format == INTAKE_LIST)
			add(candidates, item, timestamp);
		else
			add_pair(scheme, item, timestamp, candidates);
	}
}

/* Collects the candidates of one value. */
static void
add_value(const IntakeScheme *scheme, IntakeSlice value, IntakeCandidates *candidates)
{
	if (value.data == NULL)
		return;
	if (scheme->prefix.data != NULL)
	{
		if (!intake_slice_starts(value, scheme->prefix))
		{
			candidates->other_tags = true;
			return;
		}
		value = intake_slice_after(value, scheme->prefix.len);
	}
	if (scheme->group_sep == NULL)
	{
		add_group(scheme, value, candidates);
		return;
	}
	while (value.data != NULL && !candidates->overflow)
	{
		IntakeSlice group = intake_slice_trim(intake_slice_cut(value, scheme->group_sep, &value));

		if (group.len > 0)
			add_group(scheme, group, candidates);
	}
}

/*
 * Collects what stands where the scheme looks for signatures or tokens. A JSON value that is
 * no scalar counts as an absent one: where every item of a batch must have a token, one
 * without it must show.
 */
void
intake_candidates_collect(const IntakeScheme *scheme, const IntakeRequest *request,
						  IntakeSlice item, IntakeCandidates *candidates)
{
	IntakeSlice values[INTAKE_CANDIDATES_MAX + 1];

	candidates->count = 0;
	candidates->overflow = candidates->other_tags = false;
	for (int i = 0; i < scheme->n_signatures; i++)
	{
		int found = intake_location_all(&scheme->signatures[i], request, item, values,
										INTAKE_CANDIDATES_MAX + 1);

		if (found > INTAKE_CANDIDATES_MAX)
			candidates->overflow = true;
		for (int j = 0; j < found; j++)
			if (values[j].data == NULL && scheme->kind == INTAKE_TOKEN)
				add(candidates, INTAKE_ABSENT, INTAKE_ABSENT);
			else
				add_value(scheme, values[j], candidates);
	}
}

/* The user:password of a value that is HTTP basic authentication, or absent. */
IntakeSlice
intake_candidate_password(IntakeSlice value)
{
	IntakeSlice scheme = intake_slice_cstr("Basic ");
	unsigned char *out;
	size_t length;

	if (value.len <= scheme.len ||
		!intake_slice_equal_nocase((IntakeSlice){value.data, scheme.len}, scheme))
		return INTAKE_ABSENT;
	value = intake_slice_trim(intake_slice_after(value, scheme.len));
	out = palloc(value.len + 1);
	if (!intake_encoding_decode(INTAKE_BASE64, value, out, value.len, &length))
		return INTAKE_ABSENT;
	return (IntakeSlice){(char *) out, length};
}
