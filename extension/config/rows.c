/*
 * rows.c
 *		Rows of a query of the extension's own, column by column.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "config/rows.h"
#include "ground/duration.h"

/* Whether a column is NULL. */
bool
intake_rows_null(int row, int column)
{
	bool null;

	(void) SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &null);
	return null;
}

/* A column as text, or NULL. */
char *
intake_rows_text(int row, int column)
{
	char *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	return value;
}

/* A column that is a whole number; OTHERWISE where it is NULL. */
int64
intake_rows_number(int row, int column, int64 otherwise)
{
	char *value = intake_rows_text(row, column);

	return value ? pg_strtoint64(value) : otherwise;
}

/* Whether a column is true. */
bool
intake_rows_bool(int row, int column)
{
	char *value = intake_rows_text(row, column);

	return value && value[0] == 't';
}

/* An array of texts; NULL where the column is. */
const char **
intake_rows_texts(int row, int column, int *count)
{
	bool null;
	Datum datum = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &null);
	Datum *elements;
	bool *nulls;
	const char **result;

	*count = 0;
	if (null)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(datum), TEXTOID, -1, false, TYPALIGN_INT, &elements,
					  &nulls, count);
	result = palloc0((*count + 1) * sizeof(char *));
	for (int i = 0; i < *count; i++)
		result[i] = nulls[i] ? "" : TextDatumGetCString(elements[i]);
	return result;
}

/* An array of texts {location, template, ...} as pairs. */
IntakePair *
intake_rows_pairs(int row, int column, int *count)
{
	int n;
	const char **texts = intake_rows_texts(row, column, &n);
	IntakePair *pairs = palloc0((n / 2 + 1) * sizeof(IntakePair));

	*count = n / 2;
	for (int i = 0; i < *count; i++)
	{
		pairs[i].location = texts[2 * i];
		pairs[i].value = texts[2 * i + 1];
	}
	return pairs;
}

/* Runs QUERY, with $1 a number and $2 a text. The rows are in SPI_tuptable. */
uint64
intake_rows_query_of(const char *query, int32 id, const char *name)
{
	MemoryContext context = CurrentMemoryContext;
	Datum values[] = {Int32GetDatum(id), CStringGetTextDatum(name)};

	if (SPI_execute_with_args(query, 2, (Oid[]){INT4OID, TEXTOID}, values, NULL, true, 0) !=
		SPI_OK_SELECT)
		elog(ERROR, "could not read the configuration");
	MemoryContextSwitchTo(context);
	return SPI_processed;
}

/* Runs QUERY in the context CONTEXT; the rows are in SPI_tuptable. */
uint64
intake_rows_query(const char *query, MemoryContext context)
{
	if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the configuration");
	MemoryContextSwitchTo(context);
	return SPI_processed;
}

/* A column that is a time; OTHERWISE where it is NULL. */
TimestampTz
intake_rows_time(int row, int column, TimestampTz otherwise)
{
	bool null;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &null);

	return null ? otherwise : DatumGetTimestampTz(value);
}

/* A column that is an interval, in microseconds; OTHERWISE where it is NULL. */
int64
intake_rows_duration(int row, int column, int64 otherwise)
{
	bool null;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &null);

	return null ? otherwise : intake_duration_usecs(DatumGetIntervalP(value));
}
