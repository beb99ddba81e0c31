/*
 * ddl.h
 *		Commands that concern the workers: those that need a database for themselves, and those
 *		after which the launcher has to look.
 */
#ifndef INTAKE_DDL_H
#define INTAKE_DDL_H

#include "postgres.h"

extern bool intake_ddl_wants_away(Oid database);
extern void intake_ddl_install_hook(void);

#endif
