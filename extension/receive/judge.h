/*
 * judge.h
 *		Judging one request: is it for a source, is it genuine, what is its key.
 */
#ifndef INTAKE_JUDGE_H
#define INTAKE_JUDGE_H

#include "postgres.h"

#include "config/sources.h"
#include "events/event.h"
#include "read/request.h"
#include "verify/handshake.h"
#include "verify/signature.h"

#define INTAKE_SECRETS_TRIED 10 /* the newest of those that are valid */

/* One request of a batch, and its answer. Filled in from top to bottom. */
typedef struct IntakeDelivery
{
	IntakeRequest request;
	IntakeSlice source_name;
	const char *peer; /* address of the sender, or NULL: it is not known */
	IntakeSource *source;
	IntakeSecret *secret; /* that verified it, or NULL */
	IntakeEvent event;    /* its body from the beginning */
	MemoryContext items;  /* has the items of its event; or NULL */
	bool accepted;        /* it is to be stored */
	IntakeAnswer answer;  /* for a handshake */
	int status;           /* 0: not decided yet */
	const char *content_type;
	const char *headers;
	const char *body;
	const char *reason; /* of a rejection */
	const char *detail;
} IntakeDelivery;

extern void intake_judge_delivery(IntakeDelivery *delivery);
extern void intake_judge_reject(IntakeDelivery *delivery, int status, const char *reason,
								const char *detail);
extern void intake_judge_verify(IntakeSource *source, const IntakeRequest *request,
								IntakeVerdict *verdict, IntakeSecret **secret);

#endif
