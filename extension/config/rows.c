/*
 * rows.c
 *		Rows of what people configured, column by column, by name.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "storage/bufmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "config/rows.h"
#include "ground/datum.h"
#include "ground/duration.h"
#include "ground/table.h"

/* The rows that were asked for last. */
static HeapTuple *rows;
static TupleDesc shape;

/* The number of a column, or 0. Most names differ in their first letter. */
static int
number_of(const char *column)
{
	for (int i = 0; i < shape->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(shape, i);

		if (attribute->attname.data[0] == column[0] &&
			strcmp(NameStr(attribute->attname), column) == 0 && !attribute->attisdropped)
			return i + 1;
	}
	return 0;
}

/* The value of a column; NULL where the row has no such column, too. */
static Datum
value_of(int row, const char *column, bool *null)
{
	int number = number_of(column);

	*null = true;
	return number > 0 ? heap_getattr(rows[row], number, shape, null) : (Datum) 0;
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
	int number = number_of(column);
	bool null;
	Datum value;

	if (number == 0 || TupleDescAttr(shape, number - 1)->atttypid != TEXTOID)
		return number == 0 ? NULL : SPI_getvalue(rows[row], shape, number);
	value = heap_getattr(rows[row], number, shape, &null);
	return null ? NULL : TextDatumGetCString(value);
}

/* Appends what tells the value of a column from others of it, as it is in memory. */
void
intake_rows_append(int row, const char *column, StringInfo out)
{
	int number = number_of(column);
	bool null = true;
	Datum value = number > 0 ? heap_getattr(rows[row], number, shape, &null) : (Datum) 0;
	Form_pg_attribute attribute = null ? NULL : TupleDescAttr(shape, number - 1);
	IntakeSlice bytes = {(const char *) &value, sizeof(value)};

	if (null)
		bytes = INTAKE_ABSENT;
	else if (!attribute->attbyval)
		bytes = attribute->attlen == -1 ? intake_datum_bytes(value)
										: (IntakeSlice){DatumGetPointer(value), attribute->attlen};
	appendStringInfoChar(out, null);
	appendBinaryStringInfo(out, (const char *) &bytes.len, sizeof(bytes.len));
	appendBinaryStringInfo(out, bytes.data, bytes.len);
}

/* A column as it is; 0 where it is NULL. */
Datum
intake_rows_datum(int row, const char *column, bool *null)
{
	return value_of(row, column, null);
}

/* A column that is an int4; OTHERWISE where it is NULL. */
int32
intake_rows_number(int row, const char *column, int32 otherwise)
{
	bool null;
	Datum value = value_of(row, column, &null);

	return null ? otherwise : DatumGetInt32(value);
}

/* Whether a column is true. */
bool
intake_rows_bool(int row, const char *column)
{
	bool null;
	Datum value = value_of(row, column, &null);

	return !null && DatumGetBool(value);
}

/* Whether a column, a text, is that word. */
bool
intake_rows_is(int row, const char *column, const char *word)
{
	bool null;
	Datum value = value_of(row, column, &null);

	return !null && intake_slice_equal(intake_datum_bytes(value), intake_slice_cstr(word));
}

/* An array as texts; NULL where the column is. */
const char **
intake_rows_texts(int row, const char *column, int *count)
{
	bool null;
	Datum datum = value_of(row, column, &null);
	ArrayType *array;
	Datum *elements;
	bool *nulls;
	const char **result;
	int16 length;
	bool by_value;
	char alignment;
	Oid output;
	bool varlena;

	*count = 0;
	if (null)
		return NULL;
	array = DatumGetArrayTypeP(datum);
	get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &by_value, &alignment);
	getTypeOutputInfo(ARR_ELEMTYPE(array), &output, &varlena);
	deconstruct_array(array, ARR_ELEMTYPE(array), length, by_value, alignment, &elements, &nulls,
					  count);
	result = palloc0((*count + 1) * sizeof(char *));
	for (int i = 0; i < *count; i++)
		result[i] = nulls[i] ? "" : OidOutputFunctionCall(output, elements[i]);
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

/* ---- asking for rows ---- */

/* Runs QUERY, with $1 a number and $2 a text. Returns how many rows it has. */
uint64
intake_rows_query(const char *query, int32 id, const char *name)
{
	MemoryContext context = CurrentMemoryContext;
	Datum values[] = {Int32GetDatum(id), CStringGetTextDatum(name)};

	if (SPI_execute_with_args(query, 2, (Oid[]){INT4OID, TEXTOID}, values, NULL, true, 0) !=
		SPI_OK_SELECT)
		elog(ERROR, "could not read the configuration");
	MemoryContextSwitchTo(context);
	rows = SPI_tuptable->vals;
	shape = SPI_tuptable->tupdesc;
	return SPI_processed;
}

/*
 * Begins to look for the rows of TABLE that have VALUE in COLUMN, an int4 or a text, as the active
 * snapshot sees them. No SQL takes part: it takes a tenth of the time, and no privilege is asked for.
 * Where INDEX, which may hold fewer rows, is missing or not whole, the table is read.
 */
void
intake_rows_look(IntakeRowLook *look, const char *table, const char *index, const char *column,
				 Datum value)
{
	Oid index_oid;
	ScanKeyData key;
	Form_pg_attribute attribute;
	int number;

	memset(look, 0, sizeof(*look));
	look->table = table_open(intake_table_oid(table), AccessShareLock);
	/* Looked up while the table is locked, it stays. */
	index_oid = get_relname_relid(index, RelationGetNamespace(look->table));
	shape = RelationGetDescr(look->table);
	number = number_of(column);
	if (number == 0)
		elog(ERROR, "table \"%s\" has no column \"%s\"", table, column);
	attribute = TupleDescAttr(shape, number - 1);
	ScanKeyInit(&key, number, BTEqualStrategyNumber,
				attribute->atttypid == INT4OID ? F_INT4EQ : F_TEXTEQ, value);
	key.sk_collation = attribute->attcollation;
	look->scan = systable_beginscan(look->table, index_oid,
									OidIsValid(index_oid) && get_index_isvalid(index_oid),
									GetActiveSnapshot(), 1, &key);
}

/* Begins to look for the rows of TABLE that are at COUNT places, if SNAPSHOT sees them there. */
void
intake_rows_look_at(IntakeRowLook *look, const char *table, const Datum *places, int count,
					Snapshot snapshot)
{
	memset(look, 0, sizeof(*look));
	look->table = table_open(intake_table_oid(table), AccessShareLock);
	look->slot = table_slot_create(look->table, NULL);
	look->places = places;
	look->n_places = count;
	look->snapshot = snapshot;
}

/* Whether the table has the block of a place: to ask the system for its size takes longer than reading. */
static bool
is_within(Relation table, ItemPointer place)
{
	BlockNumber block;

	if (!ItemPointerIsValid(place))
		return false;
	block = ItemPointerGetBlockNumber(place);
	return block < (BlockNumber) Max(table->rd_rel->relpages, 0) ||
		   block < RelationGetNumberOfBlocks(table);
}

static HeapTuple
next_row(IntakeRowLook *look)
{
	if (look->scan != NULL)
		return systable_getnext(look->scan);
	while (look->n_places > 0)
	{
		ItemPointer place = (ItemPointer) DatumGetPointer(*look->places++);

		look->n_places--;
		if (is_within(look->table, place) &&
			table_tuple_fetch_row_version(look->table, place, look->snapshot, look->slot))
			return ExecFetchSlotHeapTuple(look->slot, false, NULL);
	}
	return NULL;
}

/* Moves to the next row, which is row 0 then. Returns false where there is no more. */
bool
intake_rows_next(IntakeRowLook *look)
{
	look->row = next_row(look);
	rows = &look->row;
	shape = RelationGetDescr(look->table);
	return HeapTupleIsValid(look->row);
}

void
intake_rows_end(IntakeRowLook *look)
{
	if (look->scan != NULL)
		systable_endscan(look->scan);
	else
		ExecDropSingleTupleTableSlot(look->slot);
	table_close(look->table, NoLock);
}
