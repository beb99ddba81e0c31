/*
 * secret_place.h
 *		Where a secret stands in a call. Pure; what is made is palloc'ed, and has the secret in it.
 */
#ifndef INTAKE_SECRET_PLACE_H
#define INTAKE_SECRET_PLACE_H

#include "read/call_url.h"

typedef enum
{
	INTAKE_PLACE_BEARER,            /* Authorization: Bearer SECRET */
	INTAKE_PLACE_BASIC,             /* Authorization: Basic, of user:password */
	INTAKE_PLACE_URL,               /* the secret is a URL, and the call goes on behind its path */
	INTAKE_PLACE_STANDARD_WEBHOOKS, /* it signs the call */
	INTAKE_PLACE_HEADER,            /* it is the value of a header */
	INTAKE_PLACE_QUERY              /* it is the value of a field of the query */
} IntakeSecretPlaceKind;

typedef struct IntakeSecretPlace
{
	IntakeSecretPlaceKind kind;
	IntakeSlice name; /* of the header or the field; within the text that was parsed */
} IntakeSecretPlace;

/* The call that a secret is presented in, for those that sign. */
typedef struct IntakePresented
{
	IntakeSlice id;
	IntakeSlice body;
	int64_t seconds; /* since the Unix epoch */
} IntakePresented;

extern const char *intake_secret_place_parse(IntakeSlice text, IntakeSecretPlace *place);
extern const char *intake_secret_place_check(const IntakeSecretPlace *place, IntakeSlice secret);
extern bool intake_secret_place_takes(const IntakeSecretPlace *place, IntakeSlice header);
extern IntakeSlice intake_secret_place_headers(const IntakeSecretPlace *place, IntakeSlice secret,
											   const IntakePresented *what);
extern IntakeSlice intake_secret_place_target(const IntakeSecretPlace *place, IntakeSlice secret,
											  IntakeSlice target);

#endif
