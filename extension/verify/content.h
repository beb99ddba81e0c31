/*
 * content.h
 *		What a body must be for an event to be made of it. Pure.
 */
#ifndef INTAKE_CONTENT_H
#define INTAKE_CONTENT_H

#include "read/location.h"
#include "read/request.h"
#include "verify/scheme.h"

extern IntakeContent intake_content_default(const IntakeScheme *scheme, const IntakeLocation *key,
											const IntakeLocation *type);
extern bool intake_content_reads(const IntakeLocation *location);
extern const char *intake_content_reason(IntakeContent content);
extern void intake_content_open_early(const IntakeScheme *scheme, IntakeRequest *request);
extern bool intake_content_is_hidden(const IntakeScheme *scheme, const IntakeRequest *request);
extern void intake_content_open(const IntakeScheme *scheme, IntakeRequest *request);
extern void intake_content_look(IntakeRequest *request);
extern void intake_content_prepare(const IntakeScheme *scheme, IntakeRequest *request);
extern const char *intake_content_problem(const IntakeScheme *scheme, IntakeContent content,
										  IntakeRequest *request);

#endif
