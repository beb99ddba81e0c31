/*
 * jwt.h
 *		JSON Web Tokens (RFC 7519) in compact form. Pure.
 */
#ifndef INTAKE_JWT_H
#define INTAKE_JWT_H

#include "common/slice.h"
#include "verify/scheme.h"
#include "verify/signing_key.h"

typedef struct IntakeJwt
{
	IntakeSlice content;   /* what is signed: header and claims as they came */
	IntakeSlice header;    /* JSON */
	IntakeSlice claims;    /* JSON */
	IntakeSlice key_id;    /* or absent */
	IntakeSlice signature; /* decoded */
} IntakeJwt;

extern bool intake_jwt_read(IntakeSlice text, IntakeJwt *token);
extern bool intake_jwt_algorithm_is(const IntakeJwt *token, const char *algorithm);
extern bool intake_jwt_verify(const IntakeJwt *token, const IntakeScheme *scheme, IntakeKey *key);
extern bool intake_jwt_time(const IntakeJwt *token, const char *claim, bool *present,
							int64_t *microseconds);

#endif
