/*
 * rows.h
 *		Rows of what people configured, column by column, by name.
 *
 * A column that the rows do not have is taken for one that is NULL: the extension of a database may
 * have been made by an earlier library.
 */
#ifndef INTAKE_ROWS_H
#define INTAKE_ROWS_H

#include "postgres.h"

#include "access/genam.h"
#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "verify/requirement.h"

typedef struct IntakeRowLook
{
	Relation table;
	SysScanDesc scan; /* NULL: rows at places are looked at */
	TupleTableSlot *slot;
	const Datum *places; /* that are still to be looked at */
	int n_places;
	Snapshot snapshot;
	HeapTuple row;
} IntakeRowLook;

/* The caller is connected to SPI. */
extern uint64 intake_rows_query(const char *query, int32 id, const char *name);

extern void intake_rows_look(IntakeRowLook *look, const char *table, const char *index,
							 const char *column, Datum value);
extern void intake_rows_look_at(IntakeRowLook *look, const char *table, const Datum *places,
								int count, Snapshot snapshot);
extern bool intake_rows_next(IntakeRowLook *look);
extern void intake_rows_end(IntakeRowLook *look);

/* These read from the rows that were asked for last, by a query or by looking. */
extern bool intake_rows_null(int row, const char *column);
extern Datum intake_rows_datum(int row, const char *column, bool *null);
extern void intake_rows_append(int row, const char *column, StringInfo out);
extern char *intake_rows_text(int row, const char *column);
extern int32 intake_rows_number(int row, const char *column, int32 otherwise);
extern bool intake_rows_is(int row, const char *column, const char *word);
extern bool intake_rows_bool(int row, const char *column);
extern TimestampTz intake_rows_time(int row, const char *column, TimestampTz otherwise);
extern int64 intake_rows_duration(int row, const char *column, int64 otherwise);
extern const char **intake_rows_texts(int row, const char *column, int *count);
extern IntakePair *intake_rows_pairs(int row, const char *column, int *count);

#endif
