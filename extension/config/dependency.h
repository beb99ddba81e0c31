/*
 * dependency.h
 *		Roles that own workflows, or have secrets of calls: the server is told.
 */
#ifndef INTAKE_DEPENDENCY_H
#define INTAKE_DEPENDENCY_H

#include "postgres.h"

extern void intake_dependency_keep(bool wait);
extern void intake_dependency_install_hook(void);

#endif
