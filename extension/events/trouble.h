/*
 * trouble.h
 *		What this process has seen of filters that failed, or were slow.
 */
#ifndef INTAKE_TROUBLE_H
#define INTAKE_TROUBLE_H

#include "postgres.h"

#include "config/workflow.h"

extern void intake_trouble_note(const IntakeWorkflow *workflow, const char *source,
								const char *message);
extern int64 intake_trouble_slow(const IntakeWorkflow *workflow);
extern void intake_trouble_note_slow(const IntakeWorkflow *workflow, int64 slow);
extern void intake_trouble_record(void);

#endif
