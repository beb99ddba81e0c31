/*
 * slice_table.h
 *		Hash tables of the server's whose keys are slices.
 */
#ifndef INTAKE_SLICE_TABLE_H
#define INTAKE_SLICE_TABLE_H

#include "postgres.h"

#include "utils/hsearch.h"

#include "common/slice.h"

extern HTAB *intake_slice_table_make(const char *name, size_t entry_size);

#endif
