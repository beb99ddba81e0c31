/*
 * sources.h
 *		The sources that a process knows: each is read when it is first asked for.
 */
#ifndef INTAKE_SOURCES_H
#define INTAKE_SOURCES_H

#include "postgres.h"

#include "config/source.h"

extern void intake_sources_refresh(void);
extern void intake_sources_hold(void);
extern void intake_sources_release(void);
extern IntakeSource *intake_sources_find(IntakeSlice name);

#endif
