/*
 * binding.h
 *		What a workflow depends on outside of the extension: its owner and its handler.
 */
#ifndef INTAKE_BINDING_H
#define INTAKE_BINDING_H

#include "postgres.h"

extern const char *intake_binding_problem(Oid owner, Oid handler);
extern char *intake_binding_database_identity(void);
extern void intake_binding_watch_none(void);
extern void intake_binding_watch(Oid owner, Oid handler);
extern bool intake_binding_changed(void);

#endif
