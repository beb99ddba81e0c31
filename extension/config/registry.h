/*
 * registry.h
 *		The configuration as this process knows it: sources with their compiled schemes and
 *		secrets, and workflows. Read when first wanted, and again after a change committed.
 */
#ifndef INTAKE_REGISTRY_H
#define INTAKE_REGISTRY_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "config/source.h"
#include "config/workflow.h"

extern void intake_registry_refresh_sources(void);
extern void intake_registry_refresh_workflows(void);
extern uint64 intake_registry_version(void);
extern IntakeSlice intake_registry_json_field(int32 source_id);
extern IntakeSource *intake_registry_source(IntakeSlice name);
extern List *intake_registry_workflows(void);
extern IntakeWorkflow *intake_registry_workflow(int32 id);

#endif
