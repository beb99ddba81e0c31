/*
 * workflows.c
 *		The workflows as this process knows them.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "config/binding.h"
#include "config/half.h"
#include "config/workflows.h"
#include "read/glob.h"

static void read_workflows(MemoryContext context);

static IntakeHalf half = {.reader = read_workflows};
static List *workflows;

PG_FUNCTION_INFO_V1(intake_sql_workflow_problem);

static void
read_workflows(MemoryContext context)
{
	workflows = NIL;
	intake_workflow_read_all(&workflows, context);
}

/*
 * Reads the workflows again if they changed, or what they depend on. What the other functions
 * return holds until the next refresh. The caller is in a transaction.
 */
void
intake_workflows_refresh(void)
{
	half.stale |= intake_binding_changed();
	intake_half_refresh(&half);
}

/* A number that grows whenever workflows are read again. */
uint64
intake_workflows_version(void)
{
	return half.version;
}

/* All workflows that are not dropped, paused ones too. */
List *
intake_workflows_all(void)
{
	return workflows;
}

/* The workflow with that id, or NULL when it is dropped. */
IntakeWorkflow *
intake_workflows_get(int32 id)
{
	ListCell *cell;

	foreach (cell, workflows)
		if (((IntakeWorkflow *) lfirst(cell))->id == id)
			return lfirst(cell);
	return NULL;
}

static bool
glob_matches(const char *pattern, IntakeSlice text)
{
	if (strcmp(pattern, "*") == 0)
		return true;
	return text.data != NULL && intake_glob_match(pattern, strlen(pattern), text.data, text.len);
}

/*
 * The workflows whose globs an event of a source and a type, which may be absent, matches, in the
 * order of their ids; paused ones too.
 */
List *
intake_workflows_for(const char *source, IntakeSlice type)
{
	List *found = NIL;
	ListCell *cell;

	foreach (cell, workflows)
	{
		IntakeWorkflow *workflow = lfirst(cell);

		if (glob_matches(workflow->source, intake_slice_cstr(source)) &&
			glob_matches(workflow->type, type))
			found = lappend(found, workflow);
	}
	return found;
}

/* SQL: why the jobs of a workflow wait though nobody has paused it, or NULL. */
Datum
intake_sql_workflow_problem(PG_FUNCTION_ARGS)
{
	IntakeWorkflow *workflow;

	intake_workflows_refresh();
	workflow = intake_workflows_get(PG_GETARG_INT32(0));
	if (workflow == NULL || workflow->problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(workflow->problem));
}
