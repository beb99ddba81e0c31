/*
 * profiles.h
 *		The profiles that a process knows: sources of which it is the same share one.
 */
#ifndef INTAKE_PROFILES_H
#define INTAKE_PROFILES_H

#include "postgres.h"

#include "config/profile.h"

extern void intake_profiles_watch(void);
extern uint64 intake_profiles_changes(void);
extern IntakeSlice intake_profiles_key(void);
extern IntakeProfile *intake_profiles_use(IntakeSlice key, int32 source_id, const char *scheme,
										  uint64 before);
extern void intake_profiles_leave(IntakeProfile *profile);
extern size_t intake_profiles_bytes(void);
extern void intake_profiles_tidy(void);

#endif
