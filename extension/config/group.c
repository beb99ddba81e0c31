/*
 * group.c
 *		Workflows of one source, or those of many, by the types of events that they are for.
 *
 * Those whose type is no pattern are found by its hash, whatever their number. Those whose type is
 * one are looked at one by one, but hardly: the bytes before its first wildcard, and before that of
 * the source, stand beside each other in memory.
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "config/group.h"

static uint32
hash_of(IntakeSlice type)
{
	return type.data ? hash_bytes((const unsigned char *) type.data, type.len) : 0;
}

static IntakeMembers *
members_for(IntakeGroup *group, const IntakeWorkflow *workflow)
{
	return workflow->type.wild ? &group->globs : &group->exact;
}

static IntakeMember
make_member(IntakeWorkflow *workflow)
{
	IntakeMember member = {.id = workflow->id, .workflow = workflow};

	if (!workflow->type.wild)
		member.hash = hash_of((IntakeSlice){workflow->type.pattern, workflow->type.length});
	member.source_head = workflow->source.head;
	member.source_mask = workflow->source.mask;
	member.type_head = workflow->type.head;
	member.type_mask = workflow->type.mask;
	return member;
}

static int
compare(const void *a, const void *b)
{
	const IntakeMember *left = a;
	const IntakeMember *right = b;

	if (left->hash != right->hash)
		return left->hash < right->hash ? -1 : 1;
	return left->id < right->id ? -1 : left->id > right->id;
}

/* The first member that has this hash and this id, or stands behind where it would be. */
static int
find_place(const IntakeMembers *members, uint32 hash, int32 id)
{
	IntakeMember wanted = {.hash = hash, .id = id};
	int low = 0;
	int high = members->count;

	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (compare(&members->array[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
make_room(IntakeMembers *members, MemoryContext context)
{
	if (members->count < members->room)
		return;
	members->room = members->room == 0 ? 1 : members->room * 2;
	if (members->array == NULL)
		members->array = MemoryContextAlloc(context, members->room * sizeof(IntakeMember));
	else
		members->array = repalloc(members->array, members->room * sizeof(IntakeMember));
}

/* Adds many, that are not in it. */
void
intake_group_fill(IntakeGroup *group, List *workflows, MemoryContext context)
{
	ListCell *cell;

	foreach (cell, workflows)
	{
		IntakeMembers *members = members_for(group, lfirst(cell));

		make_room(members, context);
		members->array[members->count++] = make_member(lfirst(cell));
	}
	qsort(group->exact.array, group->exact.count, sizeof(IntakeMember), compare);
	qsort(group->globs.array, group->globs.count, sizeof(IntakeMember), compare);
}

/* Adds one that is not in it. */
void
intake_group_add(IntakeGroup *group, IntakeWorkflow *workflow, MemoryContext context)
{
	IntakeMembers *members = members_for(group, workflow);
	IntakeMember member = make_member(workflow);
	IntakeMember *place;

	make_room(members, context);
	place = members->array + find_place(members, member.hash, member.id);
	memmove(place + 1, place, (members->array + members->count - place) * sizeof(IntakeMember));
	*place = member;
	members->count++;
}

/* Removes one that is in it. */
void
intake_group_remove(IntakeGroup *group, const IntakeWorkflow *workflow)
{
	IntakeMembers *members = members_for(group, workflow);
	IntakeMember *place = members->array;

	place += find_place(members, make_member((IntakeWorkflow *) workflow).hash, workflow->id);
	if (place == members->array + members->count || place->workflow != workflow)
		elog(ERROR, "workflow %d is not in its group", workflow->id);
	members->count--;
	memmove(place, place + 1, (members->array + members->count - place) * sizeof(IntakeMember));
}

/* ---- looking up ---- */

/* What is looked for. */
typedef struct Wanted
{
	IntakeSlice source;
	IntakeSlice type;
	uint64 source_head;
	uint64 type_head;
} Wanted;

static bool
is_for(const IntakeMember *member, const Wanted *wanted)
{
	return (wanted->type_head & member->type_mask) == member->type_head &&
		   (wanted->source_head & member->source_mask) == member->source_head &&
		   intake_glob_matches(&member->workflow->type, wanted->type) &&
		   intake_glob_matches(&member->workflow->source, wanted->source);
}

/*
 * Appends to FOUND the workflows for events of a source and a type, which may be absent. FOUND is not
 * in the order of ids.
 */
List *
intake_group_find(const IntakeGroup *group, IntakeSlice source, IntakeSlice type, List *found)
{
	Wanted wanted = {source, type, intake_glob_head(source), intake_glob_head(type)};
	uint32 hash = hash_of(type);
	const IntakeMembers *exact = &group->exact;
	const IntakeMembers *globs = &group->globs;

	if (type.data != NULL)
		for (int i = find_place(exact, hash, PG_INT32_MIN);
			 i < exact->count && exact->array[i].hash == hash; i++)
			if (is_for(&exact->array[i], &wanted))
				found = lappend(found, exact->array[i].workflow);
	for (int i = 0; i < globs->count; i++)
		if (is_for(&globs->array[i], &wanted))
			found = lappend(found, globs->array[i].workflow);
	return found;
}

static void
free_members(IntakeMembers *members)
{
	if (members->array != NULL)
		pfree(members->array);
	*members = (IntakeMembers){0};
}

void
intake_group_free(IntakeGroup *group)
{
	free_members(&group->exact);
	free_members(&group->globs);
}

/* Bytes of memory, without those of the workflows. */
size_t
intake_group_size(const IntakeGroup *group)
{
	return sizeof(IntakeGroup) + (group->exact.room + group->globs.room) * sizeof(IntakeMember);
}
