/*
 * credential.h
 *		The secrets of calls: who may use which of them for what, and putting them into a request.
 */
#ifndef INTAKE_CREDENTIAL_H
#define INTAKE_CREDENTIAL_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include "calls/hide.h"
#include "read/call_url.h"

typedef enum IntakeCredentialOutcome
{
	INTAKE_CREDENTIAL_APPLIED,
	INTAKE_CREDENTIAL_GONE,  /* dropped, revoked, or bound elsewhere: the call cannot be made */
	INTAKE_CREDENTIAL_LOCKED /* its key is not there now, which is not the call's fault */
} IntakeCredentialOutcome;

/* A call that is about to be made with a secret. */
typedef struct IntakeCredentialUse
{
	int32 secret_id;
	Oid owner; /* of the workflow */
	const IntakeCallUrl *url;
	IntakeSlice body;
	const char *id; /* the idempotency key */
	int64 now;      /* microseconds since the Unix epoch */
} IntakeCredentialUse;

extern int32 intake_credential_check(const char *auth, Oid owner, const IntakeCallUrl *url);
extern void intake_call_headers_check(Jsonb *headers, int32 secret_id);
extern IntakeCredentialOutcome intake_credential_apply(const IntakeCredentialUse *use,
													   StringInfo headers, StringInfo target,
													   const char **why);
extern TimestampTz intake_credential_learn(int32 secret_id, IntakeHidden *hidden);

#endif
