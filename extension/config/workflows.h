/*
 * workflows.h
 *		The workflows as a process knows them. Each is read when it is first asked for, and again
 *		after it changed.
 */
#ifndef INTAKE_WORKFLOWS_H
#define INTAKE_WORKFLOWS_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "common/slice.h"
#include "config/workflow.h"

extern void intake_workflows_refresh(void);
extern uint64 intake_workflows_version(void);
extern IntakeWorkflow *intake_workflows_get(int32 id);
extern List *intake_workflows_for(const char *source, IntakeSlice type);

#endif
