/*
 * borders.h
 *		Whether signed content has one reading only. Pure.
 *
 * A template is a concatenation: a signature covers its bytes, and not where one part ends and the
 * next begins. So the language of each part (how a time is written, what a requirement asks of an
 * identifier, that the body is JSON) must leave one way only to cut any content into its parts.
 */
#ifndef INTAKE_BORDERS_H
#define INTAKE_BORDERS_H

#include "verify/handshake.h"
#include "verify/scheme.h"

extern const char *intake_borders_problem(const IntakeScheme *scheme);
extern bool intake_borders_overlap(const IntakeScheme *scheme, const IntakeTemplate *message,
								   const IntakeScheme *other, const IntakeTemplate *other_message);
extern const char *intake_borders_handshake_problem(const IntakeScheme *scheme,
													const IntakeHandshake *rule);

#endif
