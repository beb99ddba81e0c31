/*
 * rows.h
 *		Rows of a query of the extension's own, column by column.
 */
#ifndef INTAKE_ROWS_H
#define INTAKE_ROWS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "verify/requirement.h"

/* The functions below read from the result of this. The caller is connected to SPI. */
extern uint64 intake_rows_query(const char *query, MemoryContext context);
extern uint64 intake_rows_query_of(const char *query, int32 id, const char *name);

extern bool intake_rows_null(int row, int column);
extern char *intake_rows_text(int row, int column);
extern int64 intake_rows_number(int row, int column, int64 otherwise);
extern bool intake_rows_bool(int row, int column);
extern TimestampTz intake_rows_time(int row, int column, TimestampTz otherwise);
extern int64 intake_rows_duration(int row, int column, int64 otherwise);
extern const char **intake_rows_texts(int row, int column, int *count);
extern IntakePair *intake_rows_pairs(int row, int column, int *count);

#endif
