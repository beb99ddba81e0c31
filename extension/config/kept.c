/*
 * kept.c
 *		What a process keeps of the workflows: each by its id, and in groups by sources.
 *
 * A workflow is in the group of its source if that is kept, or else alone. Those that have a pattern
 * as source are one group, which is always needed. Of the others, what was not used for the longest
 * leaves when there is too much.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "config/kept.h"

#define MOST_BYTES (16 * 1024 * 1024) /* of what is kept, apart from the group of patterns */
#define KEPT_REFRESHES 1000           /* for which what was used is kept, however much it is */

static MemoryContext context = NULL; /* of all that is kept */
static HTAB *known_ids;
static HTAB *groups;
static IntakeGroup pattern_group;    /* of those that have a pattern as source */
static IntakeGroup *patterns = NULL; /* the same; NULL: it is not kept */
static dlist_head lone_by_use;       /* of IntakeKnown, the latest first */
static dlist_head groups_by_use;
static size_t bytes;
static uint64 refreshes = 0;           /* so far */
static IntakeWorkflow *retired = NULL; /* freed at the next refresh */

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

/* Begins to keep something, in the context that is returned. */
MemoryContext
intake_kept_begin(void)
{
	HASHCTL ids = {.keysize = sizeof(int32), .entrysize = sizeof(IntakeKnown)};
	HASHCTL sources = {.keysize = sizeof(const char *), .entrysize = sizeof(IntakeGroup)};

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
	bytes = 0;
	return context;
}

/* Forgets all of it: nothing is kept until intake_kept_begin is called again. */
void
intake_kept_forget_all(void)
{
	intake_binding_leave_all();
	MemoryContextDelete(context);
	context = NULL;
	patterns = NULL;
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
	if (group != patterns)
		bytes += sign * (intake_group_size(group) + strlen(group->source));
}

static void
count_known(const IntakeKnown *known, int sign)
{
	if (known->group != patterns)
		bytes += sign * (sizeof(IntakeKnown) + (known->workflow ? known->workflow->size : 0));
}

/* Takes out what is known of an id. */
void
intake_kept_remove(IntakeKnown *known)
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

IntakeKnown *
intake_kept_find(int32 id)
{
	return hash_search(known_ids, &id, HASH_FIND, NULL);
}

/* Notes of an id that there is this WORKFLOW, or none, and that GROUP, which may be NULL, has it. */
static IntakeKnown *
enter(int32 id, IntakeWorkflow *workflow, IntakeGroup *group)
{
	IntakeKnown *known = intake_kept_find(id);

	if (known != NULL)
		intake_kept_remove(known);
	known = hash_search(known_ids, &id, HASH_ENTER, NULL);
	known->workflow = workflow;
	known->group = group;
	known->used_at = refreshes;
	if (group == NULL)
		dlist_push_head(&lone_by_use, &known->node);
	count_known(known, 1);
	return known;
}

/* Notes of an id that there is this WORKFLOW, or none, in no group. */
IntakeKnown *
intake_kept_enter(int32 id, IntakeWorkflow *workflow)
{
	return enter(id, workflow, NULL);
}

/* Notes that it was asked for. */
void
intake_kept_use(IntakeKnown *known)
{
	if (known->used_at != refreshes && known->group == NULL)
		dlist_move_head(&lone_by_use, &known->node);
	known->used_at = refreshes;
}

/* ---- groups ---- */

bool
intake_kept_any_group(void)
{
	return patterns != NULL || hash_get_num_entries(groups) > 0;
}

/* The group of a source; NULL: it is not kept. */
IntakeGroup *
intake_kept_group(const char *source)
{
	return hash_search(groups, &source, HASH_FIND, NULL);
}

/* The group of those that have a pattern as source; NULL: it is not kept. */
IntakeGroup *
intake_kept_patterns(void)
{
	return patterns;
}

static void
fill(IntakeGroup *group, List *workflows)
{
	ListCell *cell;

	foreach (cell, workflows)
	{
		IntakeWorkflow *workflow = lfirst(cell);

		(void) enter(workflow->id, workflow, group);
	}
	intake_group_fill(group, workflows, context);
	count_group(group, 1);
}

/* Keeps the workflows of a source. */
IntakeGroup *
intake_kept_enter_group(const char *source, List *workflows)
{
	const char *key = MemoryContextStrdup(context, source);
	IntakeGroup *group = hash_search(groups, &key, HASH_ENTER, NULL);

	*group = (IntakeGroup){.source = key, .used_at = refreshes};
	dlist_push_head(&groups_by_use, &group->node);
	fill(group, workflows);
	return group;
}

/* Keeps those that have a pattern as source. */
IntakeGroup *
intake_kept_enter_patterns(List *workflows)
{
	pattern_group = (IntakeGroup){.source = NULL};
	patterns = &pattern_group;
	fill(patterns, workflows);
	return patterns;
}

/* Keeps a workflow in a group that is kept. */
void
intake_kept_enter_member(IntakeGroup *group, IntakeWorkflow *workflow)
{
	(void) enter(workflow->id, workflow, group);
	count_group(group, -1);
	intake_group_add(group, workflow, context);
	count_group(group, 1);
}

/* Notes that a group of a source was asked for. */
void
intake_kept_use_group(IntakeGroup *group)
{
	if (group->used_at != refreshes)
		dlist_move_head(&groups_by_use, &group->node);
	group->used_at = refreshes;
}

/* ---- letting go ---- */

static void
drop_members(const IntakeMembers *members)
{
	for (int i = 0; i < members->count; i++)
	{
		IntakeKnown *known = intake_kept_find(members->array[i].id);

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

/*
 * A refresh has come, and nothing that was handed out before is needed any more. Lets go what was not
 * used for the longest, until the rest is small enough.
 */
void
intake_kept_let_go(void)
{
	refreshes++;
	while (bytes > MOST_BYTES && !dlist_is_empty(&groups_by_use))
	{
		IntakeGroup *group = dlist_tail_element(IntakeGroup, node, &groups_by_use);

		if (!is_old(group->used_at))
			break;
		drop_group(group);
	}
	while (bytes > MOST_BYTES && !dlist_is_empty(&lone_by_use))
	{
		IntakeKnown *known = dlist_tail_element(IntakeKnown, node, &lone_by_use);

		if (!is_old(known->used_at))
			break;
		intake_kept_remove(known);
	}
	free_retired();
}
