/*
 * death.h
 *		Jobs that are given up: the dead letter, and who is told of it.
 */
#ifndef INTAKE_DEATH_H
#define INTAKE_DEATH_H

#include "postgres.h"

#include "config/workflow.h"
#include "jobs/failure.h"
#include "queue/room.h"

extern const char *intake_death_clip(const char *text, int most);
extern void intake_death_record(const IntakeJob *job, const IntakeWorkflow *workflow,
								const char *step, const IntakeFailure *failure);
extern void intake_death_notify(void);

#endif
