/*
 * rows.h
 *		Rows of a query of the extension's own, column by column, by name.
 *
 * A column that the rows do not have is taken for one that is NULL: the extension of a database may
 * have been made by an earlier library.
 */
#ifndef INTAKE_ROWS_H
#define INTAKE_ROWS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "verify/requirement.h"

/* The functions below read from the result of this. The caller is connected to SPI. */
extern uint64 intake_rows_query(const char *query, MemoryContext context);
extern uint64 intake_rows_query_of(const char *query, int32 id, const char *name);

extern bool intake_rows_null(int row, const char *column);
extern Datum intake_rows_datum(int row, const char *column, bool *null);
extern char *intake_rows_text(int row, const char *column);
extern int64 intake_rows_number(int row, const char *column, int64 otherwise);
extern bool intake_rows_is(int row, const char *column, const char *word);
extern bool intake_rows_bool(int row, const char *column);
extern TimestampTz intake_rows_time(int row, const char *column, TimestampTz otherwise);
extern int64 intake_rows_duration(int row, const char *column, int64 otherwise);
extern const char **intake_rows_texts(int row, const char *column, int *count);
extern IntakePair *intake_rows_pairs(int row, const char *column, int *count);

#endif
