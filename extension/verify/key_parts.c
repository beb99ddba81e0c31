/*
 * key_parts.c
 *		The parts of which an event's key is made. Pure; results are palloc'ed.
 *
 * A key of one part is that part. A key of several is known by them with their lengths: so 'a' and
 * 'bc' are not 'ab' and 'c', and what is absent is not what is empty.
 */
#include "common/memory.h"

#include "verify/key_parts.h"

#define ABSENT_LENGTH 0xFFFFFFFF

/*
 * Reads the parts behind the first one. Returns false where an object or an array stands at one of
 * them: it says more than that there is no value.
 */
static bool
read_others(const IntakePlace *place, const IntakeRequest *request, IntakeSlice item,
			IntakeKeyParts *parts)
{
	for (place = place->also; place != NULL; place = place->also)
	{
		IntakeSlice value = intake_place_read(place, request, item);

		if (value.data == NULL && intake_place_is_compound(place, request, item))
			return false;
		parts->is_digest[parts->count] = place->kind == INTAKE_DIGEST_PART;
		parts->values[parts->count++] = value;
	}
	return true;
}

/*
 * Reads a key, the first alternative whose first part is there. ITEM is where relative pointers
 * begin. Returns false where there is none, or one that cannot be used.
 */
bool
intake_key_parts_read(const IntakeLocation *key, const IntakeRequest *request, IntakeSlice item,
					  IntakeKeyParts *parts)
{
	memset(parts, 0, sizeof(*parts));
	for (int i = 0; key != NULL && i < key->count; i++)
	{
		const IntakePlace *place = &key->places[i];
		IntakeSlice value = intake_place_read(place, request, item);

		parts->is_digest[0] = place->kind == INTAKE_DIGEST_PART;
		if (value.data == NULL && !parts->is_digest[0])
			continue;
		parts->values[parts->count++] = value;
		if ((value.len > 0 || parts->is_digest[0]) && read_others(place, request, item, parts))
			return true;
		break;
	}
	parts->count = 0;
	return false;
}

/* Whether all keys that can be read, if any, tell one item of a delivery from another. */
bool
intake_key_parts_tell_items(const IntakeLocation *key)
{
	for (int i = 0; key != NULL && i < key->count; i++)
	{
		const IntakePlace *part = &key->places[i];

		while (part != NULL && part->kind != INTAKE_JSON && part->kind != INTAKE_DIGEST_PART)
			part = part->also;
		if (part == NULL)
			return false;
	}
	return true;
}

/* Whether a key has the digest of the content in it. */
bool
intake_key_parts_have_digest(const IntakeKeyParts *parts)
{
	for (int i = 0; i < parts->count; i++)
		if (parts->is_digest[i])
			return true;
	return false;
}

/* Puts that digest where it belongs. */
void
intake_key_parts_put_digest(IntakeKeyParts *parts, IntakeSlice digest)
{
	for (int i = 0; i < parts->count; i++)
		if (parts->is_digest[i])
			parts->values[i] = digest;
}

/* A key as it is shown: its parts with a slash between them. Absent where it has none. */
IntakeSlice
intake_key_parts_join(const IntakeSlice *values, int count)
{
	size_t length = 0;
	char *text;
	char *end;

	if (count <= 1)
		return count == 1 ? values[0] : INTAKE_ABSENT;
	for (int i = 0; i < count; i++)
		length += values[i].len + 1;
	text = end = palloc(length);
	for (int i = 0; i < count; i++)
	{
		if (i > 0)
			*end++ = '/';
		if (values[i].len > 0)
			memcpy(end, values[i].data, values[i].len);
		end += values[i].len;
	}
	return (IntakeSlice){text, length - 1};
}

static void
put_number(unsigned char *out, uint32_t number)
{
	for (int i = 0; i < 4; i++)
		out[i] = number >> (24 - 8 * i);
}

/*
 * The digest of what makes a key the one that it is: its source and its parts. The length of a part
 * begins with a byte 0, as no text does. Returns false where libcrypto fails.
 */
bool
intake_key_parts_identify(int32_t source_id, const IntakeSlice *values, int count,
						  IntakeDigest *out)
{
	unsigned char numbers[INTAKE_KEY_PARTS_MAX + 1][4];
	IntakeSlice slices[2 * INTAKE_KEY_PARTS_MAX + 1];
	int n = 0;

	put_number(numbers[count], (uint32_t) source_id);
	slices[n++] = (IntakeSlice){(const char *) numbers[count], sizeof(numbers[count])};
	for (int i = 0; i < count; i++)
	{
		put_number(numbers[i], values[i].data == NULL ? ABSENT_LENGTH : (uint32_t) values[i].len);
		if (count > 1)
			slices[n++] = (IntakeSlice){(const char *) numbers[i], sizeof(numbers[i])};
		if (values[i].data != NULL)
			slices[n++] = values[i];
	}
	return intake_digest_plain(INTAKE_SHA256, slices, n, out);
}
