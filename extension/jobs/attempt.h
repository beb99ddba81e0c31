/*
 * attempt.h
 *		Running jobs: a handler and the move of its job, in one transaction.
 */
#ifndef INTAKE_ATTEMPT_H
#define INTAKE_ATTEMPT_H

#include "postgres.h"

#include "jobs/holder.h"

extern bool intake_attempt_run(IntakeHolder *holder);

#endif
