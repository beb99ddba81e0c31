/*
 * request.h
 *		An HTTP request as it arrived. Pure.
 */
#ifndef INTAKE_REQUEST_H
#define INTAKE_REQUEST_H

#include "common/slice.h"
#include "read/json.h"

/* Microseconds between the epochs of Unix and of PostgreSQL. */
#define INTAKE_UNIX_EPOCH INT64_C(946684800000000)

typedef struct IntakeRequest
{
	IntakeSlice method;
	IntakeSlice query;   /* raw, without the question mark */
	IntakeSlice headers; /* lines "Name: value\r\n", in order, repeats kept */
	IntakeSlice body;
	IntakeJson json;        /* what the body is, where somebody has looked */
	IntakeSlice public_url; /* as it is configured, or absent where URL is from somebody else */
	IntakeSlice url;        /* as the sender called it, or absent */
	IntakeSlice claims;     /* of its verified JSON Web Token, or absent */
	int64_t now;            /* microseconds since the Unix epoch */
} IntakeRequest;

#endif
