/*
 * signature.h
 *		Verification of a request. Pure: time and keys are arguments.
 */
#ifndef INTAKE_SIGNATURE_H
#define INTAKE_SIGNATURE_H

#include "read/request.h"
#include "verify/scheme.h"
#include "verify/signing_key.h"

typedef enum
{
	INTAKE_OK,
	INTAKE_NO_SECRET,
	INTAKE_BAD_SECRET,
	INTAKE_EXPIRED_SECRET,
	INTAKE_NO_SIGNATURE,
	INTAKE_MALFORMED_SIGNATURE,
	INTAKE_UNKNOWN_TAG,
	INTAKE_NO_TIMESTAMP,
	INTAKE_BAD_TIMESTAMP,
	INTAKE_STALE_TIMESTAMP,
	INTAKE_FUTURE_TIMESTAMP,
	INTAKE_MISSING_PART,
	INTAKE_MALFORMED_PART,
	INTAKE_REQUIREMENT,
	INTAKE_NO_URL,
	INTAKE_OTHER_QUERY,
	INTAKE_NO_TOKEN,
	INTAKE_MISMATCH,
	INTAKE_TOO_MANY_FIELDS,
	INTAKE_TOO_COSTLY
} IntakeReason;

#define INTAKE_PUBLIC_CANDIDATES_MAX 8 /* signatures by a private key in one request */
#define INTAKE_TIMESTAMP_MAX 64        /* bytes as it is written */
#define INTAKE_ITEMS_MAX 100           /* of one request that are signed each by itself */

/* Digests of an item that was verified (fingerprint.h). */
typedef struct IntakeFingerprint
{
	IntakeDigest exact;   /* as it was signed */
	IntakeDigest undated; /* but for its time */
} IntakeFingerprint;

typedef struct IntakeVerdict
{
	IntakeReason reason;
	char detail[200]; /* for the operator: no secret, signature or body */
	int key;          /* index of the one that matched, or -1 */
	/* What was verified, or was tried last: */
	const IntakeScheme *scheme; /* the variant that the request is of */
	IntakeSlice url;
	IntakeSlice timestamp; /* in timestamp_text */
	char timestamp_text[INTAKE_TIMESTAMP_MAX];
	bool endless;              /* it is a token for whatever body, and says no end */
	IntakeSlice claims;        /* of a token, once verified */
	IntakeSlice signing_input; /* the header and claims of that token, as they came */
	IntakeSlice form_sorted;   /* of the body, where the message has it */
	IntakeRequest opened;      /* with what its body was found to be */
	IntakeFingerprint *items;  /* where each is signed by itself */
	int n_items;
} IntakeVerdict;

extern const char *intake_reason_name(IntakeReason reason);
extern void intake_signature_verify(const IntakeScheme *scheme, const IntakeRequest *request,
									IntakeSlice token, IntakeKey **keys, int n_keys,
									IntakeVerdict *verdict);
extern IntakeSlice intake_signature_content(const IntakeVerdict *verdict,
											const IntakeRequest *request, IntakeSlice token,
											IntakeSlice timestamp);

#endif
