/*
 * asked.h
 *		A request that a step asks for: a row of type intake.request.
 */
#ifndef INTAKE_ASKED_H
#define INTAKE_ASKED_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "read/call_url.h"

#define INTAKE_REQUESTS_MAX 1000 /* of a step */
#define INTAKE_REQUESTS_SIZE                                                                       \
	(64 * 1024 * 1024) /* bytes of all their bodies together, and of the answers */
#define INTAKE_REQUEST_TIMEOUT (60 * USECS_PER_SEC) /* unless it says another */

/* What is not given has its default. */
typedef struct IntakeAsked
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
} IntakeAsked;

extern void intake_asked_read(Datum row, IntakeAsked *request);
extern Datum intake_asked_complete(Datum row, const char *url, const char *auth, Jsonb *limits,
								   int64 timeout);
extern void intake_asked_check(IntakeAsked *request, bool added);

#endif
