/*
 * extract.h
 *		What a verified request is as an event: its content, key, type and guards.
 */
#ifndef INTAKE_EXTRACT_H
#define INTAKE_EXTRACT_H

#include "receive/judge.h"
#include "verify/key_parts.h"

extern IntakeSlice intake_extract_text(const IntakeLocation *location,
									   const IntakeRequest *request);
extern bool intake_extract_parts(const IntakeLocation *key, const IntakeRequest *request,
								 IntakeKeyParts *parts);
extern int64 intake_extract_window(const IntakeSource *source, const IntakeKeyParts *parts,
								   bool of_item);
extern void intake_extract_event(IntakeDelivery *delivery, const IntakeVerdict *verdict);

#endif
