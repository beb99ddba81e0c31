/*
 * attempt.h
 *		Running jobs: a handler and the completion of its job, in one transaction.
 */
#ifndef INTAKE_ATTEMPT_H
#define INTAKE_ATTEMPT_H

#include "postgres.h"

#include "config/workflow.h"
#include "queue/room.h"

extern bool intake_attempt_type_fits(void);
extern void intake_attempt_run(const IntakeJob *job, const IntakeWorkflow *workflow, int64 lease);
extern bool intake_attempt_run_together(const IntakeJob *(*next)(void),
										const IntakeWorkflow *workflow, int64 lease);

#endif
