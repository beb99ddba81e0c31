/*
 * ddl.h
 *		Making way for commands that need a database for themselves.
 */
#ifndef INTAKE_DDL_H
#define INTAKE_DDL_H

extern void intake_ddl_install_hook(void);

#endif
