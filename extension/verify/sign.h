/*
 * sign.h
 *		The other direction: what a sender would send. Pure; for tests of integrations.
 */
#ifndef INTAKE_SIGN_H
#define INTAKE_SIGN_H

#include "read/request.h"
#include "verify/scheme.h"
#include "verify/signing_key.h"

typedef struct IntakeSigner
{
	const IntakeScheme *scheme;
	IntakeKey *key;
	IntakeSlice token;               /* of handshakes, or absent */
	const IntakeLocation *event_key; /* or NULL */
	IntakeSlice id;                  /* for headers that must differ in each request */
} IntakeSigner;

extern bool intake_sign(const IntakeSigner *signer, const IntakeRequest *request,
						IntakeSlice *headers, const char **why);

#endif
