/*
 * line_row.c
 *		The rows of lines. A line has one only while something is the matter with it, so calls that are
 *		accepted cost one look into an empty table.
 *
 * Nobody waits for the row of a line: what another transaction is writing at that time is not counted.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "calls/line_row.h"
#include "ground/intake.h"

/* Begins to look after lines. What is written goes by way of DESK. */
void
intake_line_row_open(IntakeLines *lines, IntakeDesk *desk)
{
	*lines = (IntakeLines){.desk = desk};
}

static int64 *
read_array(Datum datum, int *count)
{
	Datum *elements;
	int64 *out;

	deconstruct_array(DatumGetArrayTypeP(datum), INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &elements, NULL, count);
	out = palloc((*count + 1) * sizeof(int64));
	for (int i = 0; i < *count; i++)
		out[i] = DatumGetInt64(elements[i]);
	return out;
}

static void
read_row(const IntakeTable *table, IntakeLine *line)
{
	Datum *row = table->slot->tts_values;
	bool *nulls = table->slot->tts_isnull;
	int n;

#define TIME(column)                                                                               \
	(INTAKE_COLUMN(nulls, column) ? 0 : DatumGetTimestampTz(INTAKE_COLUMN(row, column)))
#define TEXT(column)                                                                               \
	(INTAKE_COLUMN(nulls, column) ? NULL : TextDatumGetCString(INTAKE_COLUMN(row, column)))
	line->workflow_id = DatumGetInt32(INTAKE_COLUMN(row, line_workflow_id));
	line->host = TEXT(line_host);
	line->secret_id = INTAKE_COLUMN(nulls, line_secret_id)
						  ? 0
						  : DatumGetInt32(INTAKE_COLUMN(row, line_secret_id));
	line->held_until = TIME(line_held_until);
	line->suspended_at = TIME(line_suspended_at);
	line->probe_at = TIME(line_probe_at);
	line->probes = DatumGetInt32(INTAKE_COLUMN(row, line_probes));
	line->kind = TEXT(line_kind);
	line->error = TEXT(line_error);
	line->jobs = read_array(INTAKE_COLUMN(row, line_jobs), &line->n);
	line->calls = read_array(INTAKE_COLUMN(row, line_calls), &n);
	line->n = line->room = Min(line->n, n);
	line->stored = true;
	line->tid = table->slot->tts_tid;
#undef TIME
#undef TEXT
}

/* The line with that id, read when it is first asked for. */
IntakeLine *
intake_line_row_get(IntakeLines *lines, int64 line_id)
{
	MemoryContext old;
	IntakeLine *line;
	IntakeTable table;

	for (int i = lines->count - 1; i >= 0; i--)
		if (lines->lines[i]->id == line_id)
			return lines->lines[i];
	old = MemoryContextSwitchTo(lines->desk->context);
	if (lines->count == lines->room)
	{
		lines->room = Max(16, 2 * lines->room);
		lines->lines = lines->lines ? repalloc(lines->lines, lines->room * sizeof(IntakeLine *))
									: palloc(lines->room * sizeof(IntakeLine *));
	}
	line = lines->lines[lines->count++] = palloc0(sizeof(IntakeLine));
	line->id = line_id;
	intake_table_open(&table, intake_table_oid("line"));
	if (intake_table_look_up(&table, line_id))
		read_row(&table, line);
	intake_table_close(&table);
	MemoryContextSwitchTo(old);
	return line;
}

static Datum
array_datum(const int64 *numbers, int count)
{
	Datum *elements = palloc((count + 1) * sizeof(Datum));

	for (int i = 0; i < count; i++)
		elements[i] = Int64GetDatum(numbers[i]);
	return PointerGetDatum(
		construct_array(elements, count, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* Writes the row of a line anew. Returns false where somebody else is writing it. */
static bool
write_row(IntakeTable *table, const IntakeLine *line)
{
	Datum values[Natts_line];
	bool nulls[Natts_line] = {0};

#define NULLABLE(column, null, datum)                                                              \
	(INTAKE_COLUMN(nulls, column) = (null),                                                        \
	 INTAKE_COLUMN(values, column) = (null) ? (Datum) 0 : (datum))
	INTAKE_COLUMN(values, line_id) = Int64GetDatum(line->id);
	INTAKE_COLUMN(values, line_workflow_id) = Int32GetDatum(line->workflow_id);
	INTAKE_COLUMN(values, line_host) = CStringGetTextDatum(line->host);
	NULLABLE(line_secret_id, line->secret_id == 0, Int32GetDatum(line->secret_id));
	NULLABLE(line_held_until, line->held_until == 0, TimestampTzGetDatum(line->held_until));
	NULLABLE(line_suspended_at, line->suspended_at == 0, TimestampTzGetDatum(line->suspended_at));
	NULLABLE(line_probe_at, line->suspended_at == 0, TimestampTzGetDatum(line->probe_at));
	INTAKE_COLUMN(values, line_probes) = Int32GetDatum(line->probes);
	NULLABLE(line_kind, line->kind == NULL, CStringGetTextDatum(line->kind));
	NULLABLE(line_error, line->error == NULL, CStringGetTextDatum(line->error));
	INTAKE_COLUMN(values, line_jobs) = array_datum(line->jobs, line->n);
	INTAKE_COLUMN(values, line_calls) = array_datum(line->calls, line->n);
#undef NULLABLE
	return intake_table_insert_unique(table, values, nulls);
}

/* Whether nothing is the matter with a line any more. */
static bool
is_well(const IntakeLine *line, TimestampTz now)
{
	return line->suspended_at == 0 && line->kind == NULL && line->held_until <= now;
}

/* Has the table say what is known of a line. Returns false where somebody else is writing its row. */
bool
intake_line_row_store(IntakeLine *line, TimestampTz now)
{
	IntakeTable table;
	bool stored = true;

	intake_table_open(&table, intake_table_oid("line"));
	if (line->stored)
		stored = intake_table_delete(&table, &line->tid);
	if (stored && !is_well(line, now))
		stored = write_row(&table, line);
	line->tid = table.slot->tts_tid;
	line->stored = !is_well(line, now);
	intake_table_close(&table);
	return stored;
}
