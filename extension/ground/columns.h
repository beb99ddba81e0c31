/*
 * columns.h
 *		The columns of the extension's tables, as the code knows them.
 */
#ifndef INTAKE_COLUMNS_H
#define INTAKE_COLUMNS_H

#include "postgres.h"

#include "access/attnum.h"

typedef struct IntakeColumn
{
	const char *name;
	Oid type;
	bool nullable;
} IntakeColumn;

#define INTAKE_COLUMNS_KEYS 3

typedef struct IntakeColumns
{
	const char *name; /* of the table */
	const IntakeColumn *columns;
	int n_columns;
	AttrNumber key[INTAKE_COLUMNS_KEYS]; /* of the primary key; all 0: it needs none */
	bool read_only;
} IntakeColumns;

extern const IntakeColumns *intake_columns_of(const char *table);

#endif
