/*
 * workflow_row.c
 *		A row of the table of workflows, as a workflow.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "config/workflow_row.h"
#include "ground/duration.h"

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
	COLUMN_DROPPED_AT,
	COLUMN_MAX_STEPS,
	COLUMN_EXPIRES,
	COLUMN_URL,
	COLUMN_AUTH,
	COLUMN_LIMITS
} Column;

#define N_COLUMNS (COLUMN_LIMITS + 1)

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
	[COLUMN_MAX_STEPS] = {"max_steps", INT4OID},
	[COLUMN_EXPIRES] = {"expires", INTERVALOID},
	[COLUMN_URL] = {"url", TEXTOID},
	[COLUMN_AUTH] = {"auth", TEXTOID},
	[COLUMN_LIMITS] = {"limits", JSONBOID},
};

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
is_null(const IntakeWorkflowRow *row, Column column)
{
	AttrNumber number = row->numbers[column];

	return number == InvalidAttrNumber || row->nulls[number - 1];
}

static Datum
value(const IntakeWorkflowRow *row, Column column)
{
	return row->values[row->numbers[column] - 1];
}

static bool
is_true(const IntakeWorkflowRow *row, Column column)
{
	return !is_null(row, column) && DatumGetBool(value(row, column));
}

static Oid
read_oid(const IntakeWorkflowRow *row, Column column)
{
	return is_null(row, column) ? InvalidOid : DatumGetObjectId(value(row, column));
}

/* Prepares to read rows of a table that looks like that. */
IntakeWorkflowRow *
intake_workflow_row_make(TupleDesc shape)
{
	IntakeWorkflowRow *row = palloc0(sizeof(IntakeWorkflowRow));

	row->numbers = palloc(N_COLUMNS * sizeof(AttrNumber));
	for (int i = 0; i < N_COLUMNS; i++)
		row->numbers[i] = find_column(shape, i);
	row->id = row->numbers[COLUMN_ID];
	row->source = row->numbers[COLUMN_SOURCE];
	row->values = palloc(shape->natts * sizeof(Datum));
	row->nulls = palloc(shape->natts * sizeof(bool));
	return row;
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
read_text(IntakeWorkflow *workflow, const IntakeWorkflowRow *row, Column column)
{
	if (!is_null(row, column))
		return TextDatumGetCString(value(row, column));
	note_fault(workflow, psprintf("%s is null", columns[column].name));
	return "";
}

/* A text that need not be there. */
static const char *
read_optional(const IntakeWorkflowRow *row, Column column)
{
	return is_null(row, column) ? NULL : TextDatumGetCString(value(row, column));
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
read_number(IntakeWorkflow *workflow, const IntakeWorkflowRow *row, Column column, int32 otherwise,
			int32 high)
{
	int32 number = is_null(row, column) ? otherwise : DatumGetInt32(value(row, column));

	return bounded(workflow, number, 1, high, column);
}

static int64
read_duration(IntakeWorkflow *workflow, const IntakeWorkflowRow *row, Column column, int64 low,
			  int64 high)
{
	int64 duration = -1;

	if (!is_null(row, column))
		duration = intake_duration_usecs(DatumGetIntervalP(value(row, column)));
	return bounded(workflow, duration, low, high, column);
}

/* Reads whose a workflow is and what it runs, which is known here or in another database. */
static void
read_binding(IntakeWorkflow *workflow, const IntakeWorkflowRow *row)
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
read_columns(IntakeWorkflow *workflow, const IntakeWorkflowRow *row)
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
	workflow->max_steps = read_number(workflow, row, COLUMN_MAX_STEPS, 100, INTAKE_MOST_STEPS);
	if (!is_null(row, COLUMN_EXPIRES))
		workflow->expires =
			read_duration(workflow, row, COLUMN_EXPIRES, 1, INTAKE_DURATION_LONGEST);
	workflow->url = read_optional(row, COLUMN_URL);
	workflow->auth = read_optional(row, COLUMN_AUTH);
	if (!is_null(row, COLUMN_LIMITS))
		workflow->limits = DatumGetJsonbPCopy(value(row, COLUMN_LIMITS));
	read_binding(workflow, row);
}

/*
 * Reads a row of the table into *WORKFLOW. What that points to is in the current context. Returns
 * false where the workflow was dropped.
 */
bool
intake_workflow_row_read(IntakeWorkflowRow *row, HeapTuple tuple, TupleDesc shape,
						 IntakeWorkflow *workflow)
{
	heap_deform_tuple(tuple, shape, row->values, row->nulls);
	if (!is_null(row, COLUMN_DROPPED_AT))
		return false;
	memset(workflow, 0, sizeof(*workflow));
	read_columns(workflow, row);
	return true;
}

/* Moves a run of bytes to *PLACE, and *PLACE behind it. Returns where it is. */
static void *
put(char **place, const void *bytes, size_t size)
{
	void *put = memcpy(*place, bytes, size);

	*place += MAXALIGN(size);
	return put;
}

static size_t
text_size(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static const char *
put_text(char **place, const char *text)
{
	return text ? put(place, text, text_size(text)) : NULL;
}

/* A copy in one piece of memory, so that keeping it, and letting it go, costs one. */
IntakeWorkflow *
intake_workflow_pack(const IntakeWorkflow *loose, MemoryContext context)
{
	static uint64 readings = 0;
	size_t name = strlen(loose->name) + 1;
	size_t source = loose->source.length + 1;
	size_t type = loose->type.length + 1;
	size_t filter = loose->filter ? VARSIZE(loose->filter) : 0;
	size_t limits = loose->limits ? VARSIZE(loose->limits) : 0;
	size_t size = MAXALIGN(sizeof(IntakeWorkflow)) + MAXALIGN(name) + MAXALIGN(source) +
				  MAXALIGN(type) + MAXALIGN(filter) + MAXALIGN(text_size(loose->fault)) +
				  MAXALIGN(text_size(loose->url)) + MAXALIGN(text_size(loose->auth)) +
				  MAXALIGN(limits);
	char *place = MemoryContextAlloc(context, size);
	IntakeWorkflow *packed = put(&place, loose, sizeof(IntakeWorkflow));

	packed->name = put(&place, loose->name, name);
	packed->source.pattern = put(&place, loose->source.pattern, source);
	packed->type.pattern = put(&place, loose->type.pattern, type);
	if (loose->filter != NULL)
		packed->filter = put(&place, loose->filter, filter);
	if (loose->limits != NULL)
		packed->limits = put(&place, loose->limits, limits);
	packed->fault = put_text(&place, loose->fault);
	packed->url = put_text(&place, loose->url);
	packed->auth = put_text(&place, loose->auth);
	packed->reading = ++readings;
	packed->size = size;
	return packed;
}
