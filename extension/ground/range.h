/*
 * range.h
 *		Indexes that know ranges of pages (BRIN), told of rows that are inserted together.
 */
#ifndef INTAKE_RANGE_H
#define INTAKE_RANGE_H

#include "postgres.h"

#include "nodes/execnodes.h"

extern int intake_range_indexes_last(ResultRelInfo *info);
extern bool intake_range_said(ResultRelInfo *info, int first, TupleTableSlot *previous,
							  TupleTableSlot *row);

#endif
