/*
 * backlog.h
 *		How many jobs of a workflow may begin beside those that wait for calls.
 */
#ifndef INTAKE_BACKLOG_H
#define INTAKE_BACKLOG_H

#include "postgres.h"

#include "config/workflow.h"

extern int intake_backlog_room(IntakeWorkflow *workflow, int32 lane);
extern void intake_backlog_fill(IntakeWorkflow *workflow, int32 lane, int jobs);

#endif
