/*
 * argument.h
 *		What a handler gets: a row of type intake.job.
 */
#ifndef INTAKE_ARGUMENT_H
#define INTAKE_ARGUMENT_H

#include "postgres.h"

#include "config/workflow.h"
#include "jobs/step.h"

extern Oid intake_argument_type(void);
extern bool intake_argument_type_fits(void);
extern Datum intake_argument_make(IntakeJobStep *step, const IntakeWorkflow *workflow, int64 lease,
								  Oid type, bool *large);

#endif
