/*
 * fingerprint.h
 *		Digests of what was signed: by which content is known again. Pure.
 */
#ifndef INTAKE_FINGERPRINT_H
#define INTAKE_FINGERPRINT_H

#include "verify/signature.h"

extern bool intake_fingerprint_item(const IntakeVerdict *verdict, const IntakeValues *values,
									IntakeFingerprint *print);
extern int intake_fingerprint_guards(const IntakeVerdict *verdict, const IntakeRequest *request,
									 IntakeSlice token, IntakeDigest **guards);
extern bool intake_fingerprint_key(const IntakeVerdict *verdict, const IntakeRequest *request,
								   IntakeSlice token, IntakeDigest *key);

#endif
