/*
 * request.h
 *		A request that a step asks for: a row of type intake.request.
 */
#ifndef INTAKE_CALL_REQUEST_H
#define INTAKE_CALL_REQUEST_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "read/call_url.h"

#define INTAKE_REQUESTS_MAX 1000                    /* of a step */
#define INTAKE_REQUESTS_SIZE (64 * 1024 * 1024)     /* bytes of all their bodies together */
#define INTAKE_REQUEST_TIMEOUT (60 * USECS_PER_SEC) /* unless it says another */

/* What is not given has its default. */
typedef struct IntakeCallRequest
{
	IntakeSlice method;
	IntakeSlice url;
	IntakeCallUrl parts; /* once it is checked */
	Jsonb *headers;      /* or NULL */
	bool has_body;
	Datum body;       /* bytea, which may be toasted */
	size_t body_size; /* bytes */
	const char *auth; /* or NULL */
	Jsonb *limits;    /* or NULL */
	int64 timeout;    /* microseconds */
	Jsonb *options;   /* or NULL */
} IntakeCallRequest;

extern void intake_request_read(Datum row, IntakeCallRequest *request);
extern void intake_request_check(IntakeCallRequest *request);

#endif
