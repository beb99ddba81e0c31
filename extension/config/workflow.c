/*
 * workflow.c
 *		Workflows, read from their table.
 */
#include "postgres.h"

#include "executor/spi.h"

#include "config/binding.h"
#include "config/rows.h"
#include "config/workflow.h"
#include "ground/duration.h"

static const char query[] = "SELECT * FROM intake.workflow WHERE dropped_at IS NULL ORDER BY id";

static void
note_problem(IntakeWorkflow *workflow, const char *problem)
{
	if (workflow->problem == NULL)
		workflow->problem = problem;
}

/* A column as text; a problem, and an empty one, where it is NULL. */
static const char *
read_text(IntakeWorkflow *workflow, int row, const char *name)
{
	const char *text = intake_rows_text(row, name);

	if (text != NULL)
		return text;
	note_problem(workflow, psprintf("%s is null", name));
	return "";
}

/* A number; a problem, and the nearer bound, where it is not between two bounds. */
static int64
bounded(IntakeWorkflow *workflow, int64 number, int64 low, int64 high, const char *name)
{
	if (number >= low && number <= high)
		return number;
	note_problem(workflow, psprintf("%s is out of range", name));
	return number < low ? low : high;
}

/* Reads whose a workflow is and what it runs, which is known HERE or in another database. */
static void
bind(IntakeWorkflow *workflow, int row, bool here)
{
	const char *problem = "restored";

	if (here)
	{
		workflow->owner = intake_rows_number(row, "owner_oid", InvalidOid);
		workflow->handler = intake_rows_number(row, "handler_oid", InvalidOid);
		intake_binding_watch(workflow->owner, workflow->handler);
		problem = intake_binding_problem(workflow->owner, workflow->handler);
		workflow->blocked = problem != NULL;
	}
	if (problem != NULL)
		note_problem(workflow, problem);
}

/*
 * Reads a row, whatever stands in it: the constraints of the table may have been dropped. Where
 * it cannot be, the workflow has a problem, and its jobs wait.
 */
static IntakeWorkflow *
read_workflow(int row)
{
	IntakeWorkflow *workflow = palloc0(sizeof(IntakeWorkflow));
	char *identity = intake_rows_text(row, "database_identity");
	bool here = identity && strcmp(identity, intake_binding_database_identity()) == 0;
	bool paused = intake_rows_null(row, "paused") || intake_rows_bool(row, "paused");
	bool no_filter;
	Datum filter = intake_rows_datum(row, "filter", &no_filter);

	workflow->id = intake_rows_number(row, "id", 0);
	workflow->served_by = INTAKE_EXECUTOR;
	workflow->name = read_text(workflow, row, "name");
	workflow->source = read_text(workflow, row, "source");
	workflow->type = read_text(workflow, row, "type");
	workflow->filter = no_filter ? NULL : DatumGetJsonPathPCopy(filter);
	workflow->max_attempts =
		bounded(workflow, intake_rows_number(row, "max_attempts", 0), 1, 1000, "max_attempts");
	workflow->backoff = bounded(workflow, intake_rows_duration(row, "backoff", -1), 0,
								INTAKE_DURATION_LONGEST, "backoff");
	workflow->backoff_max = bounded(workflow, intake_rows_duration(row, "backoff_max", -1), 0,
									INTAKE_DURATION_LONGEST, "backoff_max");
	workflow->timeout = bounded(workflow, intake_rows_duration(row, "timeout", -1),
								INTAKE_TIMEOUT_SHORTEST, INTAKE_TIMEOUT_LONGEST, "timeout") /
						1000;
	workflow->replay_safe = intake_rows_bool(row, "replay_safe");
	workflow->jobs_per_transaction =
		bounded(workflow, intake_rows_number(row, "jobs_per_transaction", 1), 1, 64,
				"jobs_per_transaction");
	bind(workflow, row, here);
	workflow->active = workflow->problem == NULL && !paused;
	workflow->blocked &= !paused;
	return workflow;
}

/* Reads all workflows into CONTEXT. The caller is connected to SPI. */
void
intake_workflow_read_all(List **list, MemoryContext context)
{
	uint64 rows;

	intake_binding_watch_none();
	rows = intake_rows_query(query, context);
	for (uint64 row = 0; row < rows; row++)
		*list = lappend(*list, read_workflow(row));
}
