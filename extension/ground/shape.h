/*
 * shape.h
 *		What the extension's tables must look like for table.c to read and write them.
 */
#ifndef INTAKE_SHAPE_H
#define INTAKE_SHAPE_H

#include "postgres.h"

#include "utils/relcache.h"

/* What a table may be used for, and how. */
typedef struct IntakeShape
{
	int columns;    /* that the code fills; others have been added behind them */
	bool additions; /* somebody has added columns, or constraints that are checked row by row */
} IntakeShape;

extern uint64 intake_shape_changes(void);
extern IntakeShape intake_shape_check(Relation relation, bool writes);

#endif
