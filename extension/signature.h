/*
 * signature.h
 *		Verification of a request. Pure: time and secrets are arguments.
 */
#ifndef INTAKE_SIGNATURE_H
#define INTAKE_SIGNATURE_H

#include "request.h"
#include "scheme.h"

typedef enum
{
	INTAKE_OK,
	INTAKE_NO_SECRET,
	INTAKE_BAD_SECRET,
	INTAKE_NO_SIGNATURE,
	INTAKE_MALFORMED_SIGNATURE,
	INTAKE_UNKNOWN_TAG,
	INTAKE_NO_TIMESTAMP,
	INTAKE_BAD_TIMESTAMP,
	INTAKE_STALE_TIMESTAMP,
	INTAKE_FUTURE_TIMESTAMP,
	INTAKE_MISSING_PART,
	INTAKE_REQUIREMENT,
	INTAKE_NO_URL,
	INTAKE_MISMATCH
} IntakeReason;

typedef struct IntakeVerdict
{
	IntakeReason reason;
	int secret;       /* index of the one that matched, or -1 */
	char detail[200]; /* for the operator: no secret, signature or body */
} IntakeVerdict;

extern const char *intake_reason_name(IntakeReason reason);
extern void intake_signature_verify(const IntakeScheme *scheme, const IntakeRequest *request,
									const IntakeSlice *secrets, int n_secrets,
									IntakeVerdict *verdict);
extern bool intake_signature_key_valid(const IntakeScheme *scheme, IntakeSlice secret,
									   const char **why);

#endif
