/*
 * extract.h
 *		What a verified request is as an event: its content, key, type and guards.
 */
#ifndef INTAKE_EXTRACT_H
#define INTAKE_EXTRACT_H

#include "receive/judge.h"

extern IntakeSlice intake_extract_text(const IntakeLocation *location,
									   const IntakeRequest *request);
extern void intake_extract_event(IntakeDelivery *delivery, const IntakeVerdict *verdict);

#endif
