/*
 * opened.h
 *		Secrets of calls as a process has unsealed them.
 */
#ifndef INTAKE_OPENED_H
#define INTAKE_OPENED_H

#include "config/vault.h"

extern IntakeUnsealing intake_opened_secret(int32 id, bytea *sealed, IntakeSlice *secret,
											const char **problem);

#endif
