/*
 * dependency.h
 *		Roles that own workflows: the server is told, and REASSIGN OWNED is followed.
 */
#ifndef INTAKE_DEPENDENCY_H
#define INTAKE_DEPENDENCY_H

#include "postgres.h"

extern void intake_dependency_keep(bool wait);
extern void intake_dependency_install_hook(void);

#endif
