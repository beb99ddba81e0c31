/*
 * workflows.c
 *		The workflows as this process knows them.
 *
 * Who runs jobs asks for workflows by their ids, and each is read by itself. Who stores events asks
 * for those of a source: they are read as a group when that source is first asked for, and those
 * that have a pattern as source are one more group. A message that a workflow has changed names it
 * (piece.c), and then that row is read again and put where it belongs; so a change costs a process
 * one row, and one that knows no group, nothing.
 *
 * What is handed out holds until the next refresh. That is where changes are taken in, and where
 * groups and workflows that have not been asked for leave, when there are many.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/inval.h"

#include "config/kept.h"
#include "config/workflows.h"
#include "ground/piece.h"
#include "ground/txn.h"
#include "queue/announce.h"

#define MOST_CHANGES 1000 /* more of them at once are as good as all */

static MemoryContext context = NULL; /* of what is kept; NULL: nothing */
static bool broken = false;          /* an error has come between two changes of it */
static uint64 version = 1;

/* What has changed since the last refresh. */
static int32 changed[MOST_CHANGES];
static int n_changed = 0;
static bool all_changed = false;

PG_FUNCTION_INFO_V1(intake_sql_workflow_problem);

/* A workflow has changed; 0: any may have. Only notes it: see piece.h. */
static void
forget(int32 id)
{
	version++;
	if (n_changed > 0 && changed[n_changed - 1] == id)
		return;
	if (id == 0 || n_changed == MOST_CHANGES)
		all_changed = true;
	else
		changed[n_changed++] = id;
}

/* ---- reading ---- */

static IntakeGroup *
read_group(const char *source)
{
	bool was_broken = broken;
	IntakeGroup *group;

	broken = true;
	group = intake_kept_enter_group(source, intake_workflow_read_source(source, context));
	broken = was_broken;
	return group;
}

static IntakeGroup *
read_patterns(void)
{
	bool was_broken = broken;
	IntakeGroup *group;

	broken = true;
	group = intake_kept_enter_patterns(intake_workflow_read_patterns(context));
	broken = was_broken;
	return group;
}

static IntakeKnown *
read_lone(int32 id)
{
	bool was_broken = broken;
	IntakeKnown *known;

	broken = true;
	known = intake_kept_enter(id, intake_workflow_read(id, context));
	broken = was_broken;
	return known;
}

/* Puts a workflow into the group that it belongs to, if that is kept, or keeps it if it is WANTED. */
static void
place(IntakeWorkflow *workflow, bool wanted)
{
	IntakeGroup *group = workflow->source.wild ? intake_kept_patterns()
											   : intake_kept_group(workflow->source.pattern);

	if (group != NULL)
		intake_kept_enter_member(group, workflow);
	else if (wanted)
		(void) intake_kept_enter(workflow->id, workflow);
	else
		pfree(workflow);
}

/* Reads a workflow that has changed, unless it is of no interest here. */
static void
read_again(int32 id)
{
	IntakeKnown *known = intake_kept_find(id);
	bool wanted = known != NULL && known->group == NULL;
	bool was_broken = broken;
	IntakeWorkflow *workflow;

	if (known == NULL && !intake_kept_any_group())
		return;
	broken = true;
	workflow = intake_workflow_read(id, context);
	if (known != NULL)
		intake_kept_remove(known);
	if (workflow != NULL)
		place(workflow, wanted);
	broken = was_broken;
}

/* ---- for others ---- */

static void
begin(void)
{
	intake_piece_watch(INTAKE_PIECE_WORKFLOW, forget);
	context = intake_kept_begin();
	n_changed = 0;
	all_changed = broken = false;
}

/*
 * Takes in what has changed. What the other functions return holds until the next refresh. The
 * caller is in a transaction.
 */
void
intake_workflows_refresh(void)
{
	intake_announce_refresh();
	AcceptInvalidationMessages();
	if (context != NULL && (all_changed || broken))
	{
		intake_kept_forget_all();
		context = NULL;
	}
	if (context == NULL)
		begin();
	while (n_changed > 0)
		read_again(changed[--n_changed]);
	intake_kept_let_go();
}

/*
 * A number that grows when a workflow has changed, or something that one depends on, whether it was
 * known here or not.
 */
uint64
intake_workflows_version(void)
{
	return version + intake_binding_changes();
}

/* A workflow that may have to be read, or looked at. */
static IntakeWorkflow *
get(int32 id)
{
	IntakeKnown *known = intake_kept_find(id);

	if (known == NULL)
		known = read_lone(id);
	intake_kept_use(known);
	if (known->workflow != NULL)
		intake_workflow_look(known->workflow);
	return known->workflow;
}

/* The workflow with that id, or NULL when it is dropped. Outside of a transaction, too. */
IntakeWorkflow *
intake_workflows_get(int32 id)
{
	IntakeKnown *known = intake_kept_find(id);
	MemoryContext old = CurrentMemoryContext;
	IntakeWorkflow *workflow;

	if (IsTransactionState())
		return get(id);
	if (known != NULL && (known->workflow == NULL || intake_workflow_is_looked_at(known->workflow)))
		return known->workflow;
	if (!intake_txn_begin(INTAKE_GATE_LOOK))
		return NULL;
	workflow = get(id);
	CommitTransactionCommand();
	MemoryContextSwitchTo(old);
	return workflow;
}

static int
compare_ids(const ListCell *a, const ListCell *b)
{
	int32 left = ((IntakeWorkflow *) lfirst(a))->id;
	int32 right = ((IntakeWorkflow *) lfirst(b))->id;

	return left < right ? -1 : left > right;
}

/*
 * The workflows whose globs an event of a source and a type, which may be absent, matches, in the
 * order of their ids; paused ones too. Whether their jobs can run is for the caller to look at.
 */
List *
intake_workflows_for(const char *source, IntakeSlice type)
{
	IntakeSlice name = intake_slice_cstr(source);
	IntakeGroup *group = intake_kept_group(source);
	IntakeGroup *patterns = intake_kept_patterns();
	List *found;

	if (group == NULL)
		group = read_group(source);
	if (patterns == NULL)
		patterns = read_patterns();
	intake_kept_use_group(group);
	found = intake_group_find(group, name, type, NIL);
	found = intake_group_find(patterns, name, type, found);
	if (list_length(found) > 1)
		list_sort(found, compare_ids);
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
