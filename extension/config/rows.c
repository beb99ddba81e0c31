/*
 * rows.c
 *		Rows of a query of the extension's own, column by column, by name.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "config/rows.h"
#include "ground/duration.h"

/* The value of a column; NULL where the row has no such column, too. */
static Datum
value_of(int row, const char *column, bool *null)
{
	TupleDesc shape = SPI_tuptable->tupdesc;
	int number = SPI_fnumber(shape, column);

	*null = true;
	return number > 0 ? SPI_getbinval(SPI_tuptable->vals[row], shape, number, null) : (Datum) 0;
}

/* Whether a column is NULL. */
bool
intake_rows_null(int row, const char *column)
{
	bool null;

	(void) value_of(row, column, &null);
	return null;
}

/* A column as text, or NULL. */
char *
intake_rows_text(int row, const char *column)
{
	int number = SPI_fnumber(SPI_tuptable->tupdesc, column);

	return number > 0 ? SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number) : NULL;
}

/* A column as it is; 0 where it is NULL. */
Datum
intake_rows_datum(int row, const char *column, bool *null)
{
	return value_of(row, column, null);
}

/* A column that is a whole number; OTHERWISE where it is NULL. */
int64
intake_rows_number(int row, const char *column, int64 otherwise)
{
	char *value = intake_rows_text(row, column);

	return value ? pg_strtoint64(value) : otherwise;
}

/* Whether a column is true. */
bool
intake_rows_bool(int row, const char *column)
{
	char *value = intake_rows_text(row, column);

	return value && value[0] == 't';
}

/* Whether a column is that word. */
bool
intake_rows_is(int row, const char *column, const char *word)
{
	char *value = intake_rows_text(row, column);

	return value && strcmp(value, word) == 0;
}

/* An array of texts; NULL where the column is. */
const char **
intake_rows_texts(int row, const char *column, int *count)
{
	bool null;
	Datum datum = value_of(row, column, &null);
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

/* An array of texts {location, template, ...} as pairs; an odd one's value is NULL. */
IntakePair *
intake_rows_pairs(int row, const char *column, int *count)
{
	int n;
	const char **texts = intake_rows_texts(row, column, &n);
	IntakePair *pairs = palloc0((n / 2 + 1) * sizeof(IntakePair));

	*count = (n + 1) / 2;
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
intake_rows_time(int row, const char *column, TimestampTz otherwise)
{
	bool null;
	Datum value = value_of(row, column, &null);

	return null ? otherwise : DatumGetTimestampTz(value);
}

/* A column that is an interval, in microseconds; OTHERWISE where it is NULL. */
int64
intake_rows_duration(int row, const char *column, int64 otherwise)
{
	bool null;
	Datum value = value_of(row, column, &null);

	return null ? otherwise : intake_duration_usecs(DatumGetIntervalP(value));
}
