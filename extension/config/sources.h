/*
 * sources.h
 *		The sources as a process knows them, with their compiled schemes and secrets. Read when
 *		first wanted, and again after a change committed.
 */
#ifndef INTAKE_SOURCES_H
#define INTAKE_SOURCES_H

#include "postgres.h"

#include "config/source.h"

extern void intake_sources_refresh(void);
extern IntakeSource *intake_sources_find(IntakeSlice name);
extern IntakeSlice intake_sources_json_field(int32 source_id);

#endif
