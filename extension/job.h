/*
 * job.h
 *		Running one job: its handler and its completion, in one transaction.
 */
#ifndef INTAKE_JOB_H
#define INTAKE_JOB_H

#include "postgres.h"

#include "registry.h"
#include "room.h"

extern bool intake_job_run(const IntakeJob *job, const IntakeWorkflow *workflow, int64 lease);

#endif
