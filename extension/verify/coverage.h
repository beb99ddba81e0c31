/*
 * coverage.h
 *		What a signature binds: which values of a request cannot be others while it stays. Pure.
 */
#ifndef INTAKE_COVERAGE_H
#define INTAKE_COVERAGE_H

#include "verify/scheme.h"

extern bool intake_coverage_token_is_body(const IntakeScheme *scheme);
extern bool intake_coverage_has_bytes(const IntakeScheme *scheme);
extern bool intake_coverage_has_body(const IntakeScheme *scheme);
extern bool intake_coverage_has(const IntakeScheme *scheme, const IntakeLocation *location);
extern bool intake_coverage_needs_guard(const IntakeScheme *scheme, const IntakeLocation *key,
										bool digest);
extern bool intake_coverage_is_whole(const IntakeScheme *scheme);
extern bool intake_coverage_lacks_type(const IntakeScheme *scheme, const IntakeLocation *type);
extern bool intake_coverage_is_shared(const IntakeScheme *scheme, const IntakeLocation *key);
extern bool intake_coverage_varies(const IntakeScheme *scheme);

#endif
