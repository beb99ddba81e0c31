/*
 * key_parts.h
 *		The parts of which an event's key is made. Pure; results are palloc'ed.
 */
#ifndef INTAKE_KEY_PARTS_H
#define INTAKE_KEY_PARTS_H

#include "read/location.h"
#include "verify/digest.h"

/* A key as it was read. */
typedef struct IntakeKeyParts
{
	IntakeSlice values[INTAKE_KEY_PARTS_MAX]; /* absent where nothing stands, but for the first */
	bool is_digest[INTAKE_KEY_PARTS_MAX];     /* the digest of the content belongs there */
	int count;                                /* 0: there is no key */
} IntakeKeyParts;

extern bool intake_key_parts_read(const IntakeLocation *key, const IntakeRequest *request,
								  IntakeSlice item, IntakeKeyParts *parts);
extern bool intake_key_parts_tell_items(const IntakeLocation *key);
extern bool intake_key_parts_have_digest(const IntakeKeyParts *parts);
extern void intake_key_parts_put_digest(IntakeKeyParts *parts, IntakeSlice digest);
extern IntakeSlice intake_key_parts_join(const IntakeSlice *values, int count);
extern bool intake_key_parts_identify(int32_t source_id, const IntakeSlice *values, int count,
									  IntakeDigest *out);

#endif
