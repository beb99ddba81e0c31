/*
 * workflow.c
 *		Workflows, read from their table.
 *
 * They are read without SQL: no plan can be a bad one, and no privilege is asked for, so that an
 * executor, which is an ordinary role, needs none. Where an index is missing, the table is read
 * instead.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "config/workflow.h"
#include "ground/compat.h"
#include "ground/database.h"
#include "ground/duration.h"
#include "ground/intake.h"
#include "ground/table.h"

PG_FUNCTION_INFO_V1(intake_sql_row_problem);

/* ---- columns ---- */

typedef enum Column
{
	COLUMN_ID,
	COLUMN_NAME,
	COLUMN_OWNER,
	COLUMN_HANDLER,
	COLUMN_SOURCE,
	COLUMN_TYPE,
	COLUMN_FILTER,
	COLUMN_MAX_ATTEMPTS,
	COLUMN_BACKOFF,
	COLUMN_BACKOFF_MAX,
	COLUMN_TIMEOUT,
	COLUMN_JOBS_PER_TRANSACTION,
	COLUMN_REPLAY_SAFE,
	COLUMN_PAUSED,
	COLUMN_DATABASE_IDENTITY,
	COLUMN_DROPPED_AT
} Column;

#define N_COLUMNS (COLUMN_DROPPED_AT + 1)

static const struct
{
	const char *name;
	Oid type;
} columns[N_COLUMNS] = {
	[COLUMN_ID] = {"id", INT4OID},
	[COLUMN_NAME] = {"name", TEXTOID},
	[COLUMN_OWNER] = {"owner_oid", OIDOID},
	[COLUMN_HANDLER] = {"handler_oid", OIDOID},
	[COLUMN_SOURCE] = {"source", TEXTOID},
	[COLUMN_TYPE] = {"type", TEXTOID},
	[COLUMN_FILTER] = {"filter", JSONPATHOID},
	[COLUMN_MAX_ATTEMPTS] = {"max_attempts", INT4OID},
	[COLUMN_BACKOFF] = {"backoff", INTERVALOID},
	[COLUMN_BACKOFF_MAX] = {"backoff_max", INTERVALOID},
	[COLUMN_TIMEOUT] = {"timeout", INTERVALOID},
	[COLUMN_JOBS_PER_TRANSACTION] = {"jobs_per_transaction", INT4OID},
	[COLUMN_REPLAY_SAFE] = {"replay_safe", BOOLOID},
	[COLUMN_PAUSED] = {"paused", BOOLOID},
	[COLUMN_DATABASE_IDENTITY] = {"database_identity", TEXTOID},
	[COLUMN_DROPPED_AT] = {"dropped_at", TIMESTAMPTZOID},
};

/* The table, open, and the row that is read. */
typedef struct Reader
{
	Relation table;
	AttrNumber numbers[N_COLUMNS]; /* 0: it has no such column */
	Datum *values;                 /* of all columns of the table */
	bool *nulls;
	bool patterns;         /* only workflows with a pattern as source are wanted */
	MemoryContext scratch; /* for one row */
	MemoryContext context; /* for what is read */
	List *found;
} Reader;

/* A column of another type is as good as none: the library may be older or newer than the table. */
static AttrNumber
find_column(TupleDesc shape, Column column)
{
	for (int i = 0; i < shape->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(shape, i);

		if (!attribute->attisdropped && attribute->atttypid == columns[column].type &&
			strcmp(NameStr(attribute->attname), columns[column].name) == 0)
			return i + 1;
	}
	return InvalidAttrNumber;
}

static bool
is_null(const Reader *row, Column column)
{
	AttrNumber number = row->numbers[column];

	return number == InvalidAttrNumber || row->nulls[number - 1];
}

static Datum
value(const Reader *row, Column column)
{
	return row->values[row->numbers[column] - 1];
}

static bool
is_true(const Reader *row, Column column)
{
	return !is_null(row, column) && DatumGetBool(value(row, column));
}

static Oid
read_oid(const Reader *row, Column column)
{
	return is_null(row, column) ? InvalidOid : DatumGetObjectId(value(row, column));
}

/* ---- a row ---- */

static void
note_fault(IntakeWorkflow *workflow, const char *fault)
{
	if (workflow->fault == NULL)
		workflow->fault = fault;
}

/* A text; a fault, and an empty one, where it is NULL. */
static const char *
read_text(IntakeWorkflow *workflow, const Reader *row, Column column)
{
	if (!is_null(row, column))
		return TextDatumGetCString(value(row, column));
	note_fault(workflow, psprintf("%s is null", columns[column].name));
	return "";
}

/* A number; a fault, and the nearer bound, where it is not between two bounds. */
static int64
bounded(IntakeWorkflow *workflow, int64 number, int64 low, int64 high, Column column)
{
	if (number >= low && number <= high)
		return number;
	note_fault(workflow, psprintf("%s is out of range", columns[column].name));
	return number < low ? low : high;
}

static int32
read_number(IntakeWorkflow *workflow, const Reader *row, Column column, int32 otherwise, int32 high)
{
	int32 number = is_null(row, column) ? otherwise : DatumGetInt32(value(row, column));

	return bounded(workflow, number, 1, high, column);
}

static int64
read_duration(IntakeWorkflow *workflow, const Reader *row, Column column, int64 low, int64 high)
{
	int64 duration = -1;

	if (!is_null(row, column))
		duration = intake_duration_usecs(DatumGetIntervalP(value(row, column)));
	return bounded(workflow, duration, low, high, column);
}

/* Reads whose a workflow is and what it runs, which is known here or in another database. */
static void
read_binding(IntakeWorkflow *workflow, const Reader *row)
{
	const char *identity = is_null(row, COLUMN_DATABASE_IDENTITY)
							   ? ""
							   : TextDatumGetCString(value(row, COLUMN_DATABASE_IDENTITY));

	if (strcmp(identity, intake_binding_database_identity()) == 0)
	{
		workflow->owner = read_oid(row, COLUMN_OWNER);
		workflow->handler = read_oid(row, COLUMN_HANDLER);
		workflow->here = true;
	}
	else
		note_fault(workflow, "restored");
	workflow->binding.owner = workflow->owner;
	workflow->binding.handler = workflow->handler;
	workflow->problem = workflow->fault;
}

/*
 * Reads a row, whatever stands in it: the constraints of the table may have been dropped. Where
 * it cannot be, the workflow has a problem, and its jobs wait.
 */
static void
read_row(IntakeWorkflow *workflow, const Reader *row)
{
	workflow->id = is_null(row, COLUMN_ID) ? 0 : DatumGetInt32(value(row, COLUMN_ID));
	workflow->name = read_text(workflow, row, COLUMN_NAME);
	workflow->source = intake_glob_read(read_text(workflow, row, COLUMN_SOURCE));
	workflow->type = intake_glob_read(read_text(workflow, row, COLUMN_TYPE));
	if (!is_null(row, COLUMN_FILTER))
		workflow->filter = DatumGetJsonPathPCopy(value(row, COLUMN_FILTER));
	workflow->max_attempts = read_number(workflow, row, COLUMN_MAX_ATTEMPTS, 0, 1000);
	workflow->backoff = read_duration(workflow, row, COLUMN_BACKOFF, 0, INTAKE_DURATION_LONGEST);
	workflow->backoff_max =
		read_duration(workflow, row, COLUMN_BACKOFF_MAX, 0, INTAKE_DURATION_LONGEST);
	workflow->timeout = read_duration(workflow, row, COLUMN_TIMEOUT, INTAKE_TIMEOUT_SHORTEST,
									  INTAKE_TIMEOUT_LONGEST) /
						1000;
	workflow->replay_safe = is_true(row, COLUMN_REPLAY_SAFE);
	workflow->paused = is_null(row, COLUMN_PAUSED) || is_true(row, COLUMN_PAUSED);
	workflow->jobs_per_transaction = read_number(workflow, row, COLUMN_JOBS_PER_TRANSACTION, 1, 64);
	read_binding(workflow, row);
}

/* Moves a run of bytes to *PLACE, and *PLACE behind it. Returns where it is. */
static void *
put(char **place, const void *bytes, size_t size)
{
	void *put = memcpy(*place, bytes, size);

	*place += MAXALIGN(size);
	return put;
}

/* A copy in one piece of memory, so that keeping it, and letting it go, costs one. */
static IntakeWorkflow *
pack(const IntakeWorkflow *loose, MemoryContext context)
{
	static uint64 readings = 0;
	size_t name = strlen(loose->name) + 1;
	size_t source = loose->source.length + 1;
	size_t type = loose->type.length + 1;
	size_t filter = loose->filter ? VARSIZE(loose->filter) : 0;
	size_t fault = loose->fault ? strlen(loose->fault) + 1 : 0;
	size_t size = MAXALIGN(sizeof(IntakeWorkflow)) + MAXALIGN(name) + MAXALIGN(source) +
				  MAXALIGN(type) + MAXALIGN(filter) + MAXALIGN(fault);
	char *place = MemoryContextAlloc(context, size);
	IntakeWorkflow *packed = put(&place, loose, sizeof(IntakeWorkflow));

	packed->name = put(&place, loose->name, name);
	packed->source.pattern = put(&place, loose->source.pattern, source);
	packed->type.pattern = put(&place, loose->type.pattern, type);
	if (loose->filter != NULL)
		packed->filter = put(&place, loose->filter, filter);
	if (loose->fault != NULL)
		packed->fault = put(&place, loose->fault, fault);
	packed->reading = ++readings;
	packed->size = size;
	return packed;
}

/* ---- the table ---- */

static void
open_table(Reader *reader, MemoryContext context)
{
	Oid oid = intake_table_oid("workflow");
	TupleDesc shape;

	intake_table_lock(oid, AccessShareLock);
	reader->table = table_open(oid, NoLock);
	shape = RelationGetDescr(reader->table);
	for (int i = 0; i < N_COLUMNS; i++)
		reader->numbers[i] = find_column(shape, i);
	if (reader->numbers[COLUMN_ID] == 0 || reader->numbers[COLUMN_SOURCE] == 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("table \"%s.workflow\" cannot be used: it has lost a column",
							   INTAKE_SCHEMA),
						errhint("Undo what was altered.")));
	reader->values = palloc(shape->natts * sizeof(Datum));
	reader->nulls = palloc(shape->natts * sizeof(bool));
	reader->scratch =
		AllocSetContextCreate(CurrentMemoryContext, "pg_intake workflow", ALLOCSET_DEFAULT_SIZES);
	reader->patterns = false;
	reader->context = context;
	reader->found = NIL;
}

static void
close_table(Reader *reader)
{
	MemoryContextDelete(reader->scratch);
	table_close(reader->table, NoLock);
}

/* Adds a row to what was found, unless the workflow was dropped or is not wanted. */
static void
take(Reader *reader, HeapTuple tuple)
{
	MemoryContext old = MemoryContextSwitchTo(reader->scratch);
	IntakeWorkflow workflow = {0};

	heap_deform_tuple(tuple, RelationGetDescr(reader->table), reader->values, reader->nulls);
	if (is_null(reader, COLUMN_DROPPED_AT))
		read_row(&workflow, reader);
	MemoryContextSwitchTo(old);
	if (workflow.name != NULL && (workflow.source.wild || !reader->patterns))
		reader->found = lappend(reader->found, pack(&workflow, reader->context));
	MemoryContextReset(reader->scratch);
}

/*
 * Takes all rows that have KEY (NULL: all that the index has), by the newest snapshot. An index that
 * is not there, or not whole, is no reason not to find them.
 */
static void
take_all(Reader *reader, const char *index, ScanKey key)
{
	Oid oid = index ? get_relname_relid(index, RelationGetNamespace(reader->table))
					: RelationGetPrimaryKeyIndex(reader->table, false);
	bool usable = OidIsValid(oid) && get_index_isvalid(oid);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	SysScanDesc scan =
		systable_beginscan(reader->table, oid, usable, snapshot, key != NULL ? 1 : 0, key);
	HeapTuple tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		CHECK_FOR_INTERRUPTS();
		take(reader, tuple);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
}

/* Reads a workflow into CONTEXT; NULL: it was dropped, or never was. The caller is in a transaction. */
IntakeWorkflow *
intake_workflow_read(int32 id, MemoryContext context)
{
	Reader reader;
	ScanKeyData key;

	open_table(&reader, context);
	ScanKeyInit(&key, reader.numbers[COLUMN_ID], BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(id));
	take_all(&reader, NULL, &key);
	close_table(&reader);
	return reader.found == NIL ? NULL : linitial(reader.found);
}

/* Reads the workflows that have the name of a source as source. */
List *
intake_workflow_read_source(const char *source, MemoryContext context)
{
	Reader reader;
	ScanKeyData key;
	AttrNumber number;

	open_table(&reader, context);
	number = reader.numbers[COLUMN_SOURCE];
	ScanKeyInit(&key, number, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(source));
	key.sk_collation = TupleDescAttr(RelationGetDescr(reader.table), number - 1)->attcollation;
	take_all(&reader, "workflow_source", &key);
	close_table(&reader);
	return reader.found;
}

/* Reads the workflows that have a pattern as source. */
List *
intake_workflow_read_patterns(MemoryContext context)
{
	Reader reader;

	open_table(&reader, context);
	reader.patterns = true;
	take_all(&reader, "workflow_patterns", NULL);
	close_table(&reader);
	return reader.found;
}

/* ---- whether its jobs can run ---- */

bool
intake_workflow_is_looked_at(const IntakeWorkflow *workflow)
{
	return !workflow->here || intake_binding_is_fresh(&workflow->binding);
}

/* Looks whether its jobs can run, unless that is known. The caller is in a transaction. */
void
intake_workflow_look(IntakeWorkflow *workflow)
{
	bool bound = true;

	if (intake_workflow_is_looked_at(workflow))
		return;
	intake_binding_look(&workflow->binding);
	bound = workflow->binding.problem == NULL;
	workflow->problem = workflow->fault ? workflow->fault : workflow->binding.problem;
	workflow->active = workflow->problem == NULL && !workflow->paused;
	workflow->blocked = !bound && !workflow->paused;
}

/*
 * The role whose executors run the jobs of a workflow, which may be NULL, now; InvalidOid: none do.
 * If they wait for something outside, the server is to tell when that may have changed.
 */
Oid
intake_workflow_role(IntakeWorkflow *workflow)
{
	if (workflow == NULL)
		return InvalidOid;
	intake_workflow_look(workflow);
	if (workflow->blocked)
		intake_database_note_blocked();
	return workflow->active ? workflow->owner : InvalidOid;
}

/* ---- what a view shows ---- */

/* A reader of rows that are at hand, kept while a query runs. */
static Reader *
reader_of(FmgrInfo *function, TupleDesc shape)
{
	Reader *reader = function->fn_extra;
	MemoryContext old;

	if (reader != NULL)
		return reader;
	old = MemoryContextSwitchTo(function->fn_mcxt);
	reader = palloc0(sizeof(Reader));
	for (int i = 0; i < N_COLUMNS; i++)
		reader->numbers[i] = find_column(shape, i);
	reader->values = palloc(shape->natts * sizeof(Datum));
	reader->nulls = palloc(shape->natts * sizeof(bool));
	MemoryContextSwitchTo(old);
	function->fn_extra = reader;
	return reader;
}

/*
 * SQL: why the jobs of the workflow that a row of the table is wait, or NULL. Looks at nothing but the
 * row, and keeps nothing, so that a view may show all workflows.
 */
Datum
intake_sql_row_problem(PG_FUNCTION_ARGS)
{
	HeapTupleHeader row = PG_GETARG_HEAPTUPLEHEADER(0);
	TupleDesc shape =
		lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(row), HeapTupleHeaderGetTypMod(row));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(row), .t_data = row};
	Reader *reader = reader_of(fcinfo->flinfo, shape);
	IntakeWorkflow workflow = {0};

	heap_deform_tuple(&tuple, shape, reader->values, reader->nulls);
	ReleaseTupleDesc(shape);
	read_row(&workflow, reader);
	if (workflow.problem == NULL)
		workflow.problem = intake_binding_problem(workflow.owner, workflow.handler);
	if (workflow.problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(workflow.problem));
}
