/*
 * rowtype.h
 *		Rows of the extension's composite types.
 */
#ifndef INTAKE_ROWTYPE_H
#define INTAKE_ROWTYPE_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"

extern bool intake_rowtype_fits(TupleDesc descriptor, const Oid *types, int count);
extern TupleDesc intake_rowtype_read(Datum row, const char *name, const Oid *types, int count,
									 Datum **values, bool **nulls);
extern HeapTuple intake_rowtype_form(TupleDesc descriptor, const Datum *values, const bool *nulls,
									 int count);

#endif
