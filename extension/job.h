/*
 * job.h
 *		Running jobs: a handler and the completion of its job, in one transaction.
 */
#ifndef INTAKE_JOB_H
#define INTAKE_JOB_H

#include "postgres.h"

#include "registry.h"
#include "room.h"

extern bool intake_job_type_fits(void);
extern void intake_job_run(const IntakeJob *job, const IntakeWorkflow *workflow, int64 lease);
extern bool intake_job_run_together(const IntakeJob *(*next)(void), const IntakeWorkflow *workflow,
									int64 lease);

#endif
