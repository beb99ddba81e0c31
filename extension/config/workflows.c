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
#include "common/hashfn.h"
#include "lib/ilist.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "config/group.h"
#include "config/workflows.h"
#include "ground/piece.h"
#include "ground/shmem.h"
#include "ground/txn.h"

#define MOST_BYTES (16 * 1024 * 1024) /* of what is kept, apart from the group of patterns */
#define KEPT_REFRESHES 1000           /* for which what was asked for is kept, however much it is */
#define MOST_CHANGES 1000             /* more of them at once are as good as all */

/* What is known of an id. */
typedef struct Known
{
	int32 id;                 /* hash key */
	IntakeWorkflow *workflow; /* NULL: there is none, or it was dropped */
	IntakeGroup *group;       /* that it is in, or NULL */
	dlist_node node;          /* where it is in no group */
	uint64 used_at;
} Known;

static MemoryContext context = NULL; /* of all that is known; NULL: nothing */
static HTAB *known_ids;
static HTAB *groups;
static IntakeGroup patterns = {.source = "*"};
static bool patterns_read = false;
static dlist_head lone_by_use; /* of Known, the latest first */
static dlist_head groups_by_use;
static size_t bytes;
static uint64 refreshes = 0;
static uint64 version = 1;
static IntakeWorkflow *retired = NULL; /* freed at the next refresh */
static bool broken = false;            /* an error has come between two changes of all this */

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

/* ---- what is known ---- */

static uint32
hash_source(const void *key, Size size)
{
	const char *source = *(const char *const *) key;

	return hash_bytes((const unsigned char *) source, strlen(source));
}

static int
compare_source(const void *a, const void *b, Size size)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static void
begin_to_know(void)
{
	HASHCTL ids = {.keysize = sizeof(int32), .entrysize = sizeof(Known)};
	HASHCTL sources = {.keysize = sizeof(const char *), .entrysize = sizeof(IntakeGroup)};

	intake_piece_watch(INTAKE_PIECE_WORKFLOW, forget);
	context =
		AllocSetContextCreate(TopMemoryContext, "pg_intake workflows", ALLOCSET_DEFAULT_SIZES);
	ids.hcxt = sources.hcxt = context;
	sources.hash = hash_source;
	sources.match = compare_source;
	known_ids = hash_create("pg_intake workflows", 64, &ids, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	groups = hash_create("pg_intake groups", 64, &sources,
						 HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	dlist_init(&lone_by_use);
	dlist_init(&groups_by_use);
	n_changed = 0;
	all_changed = broken = false;
	bytes = 0;
}

static void
forget_all(void)
{
	intake_binding_leave_all();
	MemoryContextDelete(context);
	context = NULL;
	patterns = (IntakeGroup){.source = "*"};
	patterns_read = false;
	retired = NULL;
}

static void
free_retired(void)
{
	while (retired != NULL)
	{
		IntakeWorkflow *workflow = retired;

		retired = workflow->next;
		intake_binding_leave(&workflow->binding);
		pfree(workflow);
	}
}

/* Forgets a workflow that nobody finds any more, at the next refresh: it may have been handed out. */
static void
retire(IntakeWorkflow *workflow)
{
	workflow->next = retired;
	retired = workflow;
}

static void
count_group(IntakeGroup *group, int sign)
{
	if (group != &patterns)
		bytes += sign * (intake_group_size(group) + strlen(group->source));
}

static void
count_known(const Known *known, int sign)
{
	if (known->group != &patterns)
		bytes += sign * (sizeof(Known) + (known->workflow ? known->workflow->size : 0));
}

/* Takes out what is known of an id. */
static void
remove_known(Known *known)
{
	count_known(known, -1);
	if (known->group == NULL)
		dlist_delete(&known->node);
	else
		intake_group_remove(known->group, known->workflow);
	if (known->workflow != NULL)
		retire(known->workflow);
	(void) hash_search(known_ids, &known->id, HASH_REMOVE, NULL);
}

/* Notes of an id that there is this WORKFLOW, or none, and that GROUP has it. */
static Known *
enter_known(int32 id, IntakeWorkflow *workflow, IntakeGroup *group)
{
	Known *known = hash_search(known_ids, &id, HASH_FIND, NULL);

	if (known != NULL)
		remove_known(known);
	known = hash_search(known_ids, &id, HASH_ENTER, NULL);
	known->workflow = workflow;
	known->group = group;
	known->used_at = refreshes;
	if (group == NULL)
		dlist_push_head(&lone_by_use, &known->node);
	count_known(known, 1);
	return known;
}

/* ---- reading ---- */

static Known *
find_known(int32 id)
{
	return hash_search(known_ids, &id, HASH_FIND, NULL);
}

static IntakeGroup *
find_group(const char *source)
{
	return hash_search(groups, &source, HASH_FIND, NULL);
}

static void
fill_group(IntakeGroup *group, List *workflows)
{
	ListCell *cell;

	foreach (cell, workflows)
	{
		IntakeWorkflow *workflow = lfirst(cell);

		(void) enter_known(workflow->id, workflow, group);
	}
	intake_group_fill(group, workflows, context);
	count_group(group, 1);
}

static IntakeGroup *
read_group(const char *source)
{
	List *workflows;
	IntakeGroup *group;

	broken = true;
	workflows = intake_workflow_read_source(source, context);
	source = MemoryContextStrdup(context, source);
	group = hash_search(groups, &source, HASH_ENTER, NULL);
	*group = (IntakeGroup){.source = source};
	dlist_push_head(&groups_by_use, &group->node);
	fill_group(group, workflows);
	broken = false;
	return group;
}

static void
read_patterns(void)
{
	broken = true;
	fill_group(&patterns, intake_workflow_read_patterns(context));
	patterns_read = true;
	broken = false;
}

static Known *
read_lone(int32 id)
{
	Known *known;

	broken = true;
	known = enter_known(id, intake_workflow_read(id, context), NULL);
	broken = false;
	return known;
}

/* Puts a workflow into the group that it belongs to, if that is known, or keeps it if it is WANTED. */
static void
place(IntakeWorkflow *workflow, bool wanted)
{
	IntakeGroup *group = patterns_read ? &patterns : NULL;

	if (!workflow->source.wild)
		group = find_group(workflow->source.pattern);
	if (group == NULL && !wanted)
	{
		pfree(workflow);
		return;
	}
	(void) enter_known(workflow->id, workflow, group);
	if (group == NULL)
		return;
	count_group(group, -1);
	intake_group_add(group, workflow, context);
	count_group(group, 1);
}

/* Reads a workflow that has changed, unless it is of no interest here. */
static void
read_again(int32 id)
{
	Known *known = find_known(id);
	bool wanted = known != NULL && known->group == NULL;
	IntakeWorkflow *workflow;

	if (known == NULL && !patterns_read && hash_get_num_entries(groups) == 0)
		return;
	broken = true;
	workflow = intake_workflow_read(id, context);
	if (known != NULL)
		remove_known(known);
	if (workflow != NULL)
		place(workflow, wanted);
	broken = false;
}

/* ---- letting go ---- */

static void
drop_members(const IntakeMembers *members)
{
	for (int i = 0; i < members->count; i++)
	{
		Known *known = find_known(members->array[i].id);

		count_known(known, -1);
		retire(known->workflow);
		(void) hash_search(known_ids, &known->id, HASH_REMOVE, NULL);
	}
}

static void
drop_group(IntakeGroup *group)
{
	char *source = (char *) group->source;

	count_group(group, -1);
	drop_members(&group->exact);
	drop_members(&group->globs);
	intake_group_free(group);
	dlist_delete(&group->node);
	(void) hash_search(groups, &group->source, HASH_REMOVE, NULL);
	pfree(source);
}

static bool
is_old(uint64 used_at)
{
	return used_at + KEPT_REFRESHES < refreshes;
}

/* Lets go what has not been asked for the longest, until the rest is small enough. */
static void
let_go(void)
{
	while (bytes > MOST_BYTES && !dlist_is_empty(&groups_by_use))
	{
		IntakeGroup *group = dlist_tail_element(IntakeGroup, node, &groups_by_use);

		if (!is_old(group->used_at))
			break;
		drop_group(group);
	}
	while (bytes > MOST_BYTES && !dlist_is_empty(&lone_by_use))
	{
		Known *known = dlist_tail_element(Known, node, &lone_by_use);

		if (!is_old(known->used_at))
			break;
		remove_known(known);
	}
}

/* ---- for others ---- */

/*
 * Takes in what has changed. What the other functions return holds until the next refresh. The
 * caller is in a transaction.
 */
void
intake_workflows_refresh(void)
{
	AcceptInvalidationMessages();
	refreshes++;
	if (context != NULL && (all_changed || broken))
		forget_all();
	if (context == NULL)
		begin_to_know();
	while (n_changed > 0)
		read_again(changed[--n_changed]);
	if (bytes > MOST_BYTES)
		let_go();
	free_retired();
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
	Known *known = find_known(id);

	if (known == NULL)
		known = read_lone(id);
	if (known->used_at != refreshes && known->group == NULL)
		dlist_move_head(&lone_by_use, &known->node);
	known->used_at = refreshes;
	if (known->workflow != NULL)
		intake_workflow_look(known->workflow);
	return known->workflow;
}

/* The workflow with that id, or NULL when it is dropped. Outside of a transaction, too. */
IntakeWorkflow *
intake_workflows_get(int32 id)
{
	Known *known = find_known(id);
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
	IntakeGroup *group = find_group(source);
	List *found;

	if (group == NULL)
		group = read_group(source);
	if (!patterns_read)
		read_patterns();
	if (group->used_at != refreshes)
		dlist_move_head(&groups_by_use, &group->node);
	group->used_at = refreshes;
	found = intake_group_find(group, name, type, NIL);
	found = intake_group_find(&patterns, name, type, found);
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
