/*
 * told.h
 *		The rows of pg_shdepend by which the server knows the roles that rows of ours name.
 */
#ifndef INTAKE_TOLD_H
#define INTAKE_TOLD_H

#include "postgres.h"

#include "access/attnum.h"
#include "nodes/pg_list.h"
#include "storage/lockdefs.h"

/* The column that they are about, as if a role had a privilege on it. */
typedef struct IntakeToldColumn
{
	Oid table;
	AttrNumber number;
} IntakeToldColumn;

extern IntakeToldColumn intake_told_column(const char *table, const char *column);
extern List *intake_told_list(IntakeToldColumn column);
extern bool intake_told_has(IntakeToldColumn column, Oid role);
extern void intake_told_set(IntakeToldColumn column, Oid role, bool owns);
extern bool intake_told_lock(IntakeToldColumn column, LOCKMODE mode, bool wait);

#endif
