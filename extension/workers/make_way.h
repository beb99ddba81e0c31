/*
 * make_way.h
 *		Commands that concern the workers: those that need a database for themselves, and those
 *		after which the launcher has to look.
 */
#ifndef INTAKE_MAKE_WAY_H
#define INTAKE_MAKE_WAY_H

#include "postgres.h"

extern bool intake_make_way_is_wanted(Oid database);
extern void intake_make_way_install_hook(void);

#endif
