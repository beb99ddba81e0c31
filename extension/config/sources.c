/*
 * sources.c
 *		The sources as this process knows them.
 *
 * The fields of forms that have their JSON are read apart, so that a process that runs jobs holds
 * no secret.
 */
#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/builtins.h"

#include "config/half.h"
#include "config/sources.h"
#include "ground/clock.h"

#define RETRY_MS 1000

static void read_sources(MemoryContext context);
static void read_fields(MemoryContext context);

static IntakeHalf half_sources = {.reader = read_sources};
static List *sources;
static IntakeHalf half_fields = {.reader = read_fields};
static List *json_fields;
/* When to read sources again that lack their key file, by intake_clock_ms; 0: none does. */
static int64 retry_at = 0;

PG_FUNCTION_INFO_V1(intake_sql_source_problem);

/* Reads the sources; where one lacks its key file, it is tried again a second later. */
static void
read_sources(MemoryContext context)
{
	ListCell *cell;

	sources = NIL;
	intake_source_read_all(&sources, context);
	foreach (cell, sources)
	{
		const char *fault = ((IntakeSource *) lfirst(cell))->our_fault;

		if (fault != NULL && strcmp(fault, INTAKE_FAULT_KEY_FILE) == 0)
			retry_at = intake_clock_ms() + RETRY_MS;
	}
}

static void
read_fields(MemoryContext context)
{
	json_fields = NIL;
	intake_source_read_json_fields(&json_fields, context);
}

/*
 * Reads the sources again if they changed. What intake_sources_find returns holds until the next
 * refresh. The caller is in a transaction.
 */
void
intake_sources_refresh(void)
{
	if (retry_at != 0 && intake_clock_ms() >= retry_at)
	{
		retry_at = 0;
		half_sources.stale = true;
	}
	intake_half_refresh(&half_sources);
}

/* The source of that name, or NULL. */
IntakeSource *
intake_sources_find(IntakeSlice name)
{
	ListCell *cell;

	foreach (cell, sources)
	{
		IntakeSource *source = lfirst(cell);

		if (intake_slice_equal(intake_slice_cstr(source->name), name))
			return source;
	}
	return NULL;
}

/* The field of forms that has the JSON of a source, or absent. The caller is in a transaction. */
IntakeSlice
intake_sources_json_field(int32 source_id)
{
	ListCell *cell;

	intake_half_refresh(&half_fields);
	foreach (cell, json_fields)
	{
		IntakeJsonField *field = lfirst(cell);

		if (field->source_id == source_id)
			return field->name;
	}
	return INTAKE_ABSENT;
}

/* SQL: why a source rejects everything, or NULL. */
Datum
intake_sql_source_problem(PG_FUNCTION_ARGS)
{
	IntakeSource *source;

	intake_sources_refresh();
	source = intake_sources_find(intake_slice_cstr(text_to_cstring(PG_GETARG_TEXT_PP(0))));
	if (source == NULL || source->problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(source->problem));
}
