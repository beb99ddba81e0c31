/*
 * rejection.h
 *		The record of refused requests, in bounded space.
 */
#ifndef INTAKE_REJECTION_H
#define INTAKE_REJECTION_H

#include "postgres.h"

typedef struct IntakeRejection
{
	const char *source;     /* NULL: no such source */
	const char *reason;     /* one word */
	const char *detail;     /* or NULL; no secret, signature or body */
	const char *peer;       /* or NULL */
	const char *request_id; /* or NULL */
	int status;             /* HTTP */
	int64 requests;         /* how many it stands for; 0: one */
} IntakeRejection;

extern void intake_rejection_record(IntakeRejection *rejections, int count);

#endif
