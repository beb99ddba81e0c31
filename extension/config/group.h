/*
 * group.h
 *		Workflows of one source, or those of many, by the types of events that they are for.
 */
#ifndef INTAKE_GROUP_H
#define INTAKE_GROUP_H

#include "postgres.h"

#include "lib/ilist.h"
#include "nodes/pg_list.h"

#include "config/workflow.h"

/* A workflow in a group. What most events are told apart by stands here, without a look at it. */
typedef struct IntakeMember
{
	uint32 hash; /* of its type, where that is no pattern; else 0 */
	int32 id;
	IntakeWorkflow *workflow;
	uint64 source_head, source_mask, type_head, type_mask; /* see read/glob.h */
} IntakeMember;

/* In the order of hashes, and then of ids. */
typedef struct IntakeMembers
{
	IntakeMember *array;
	int count;
	int room;
} IntakeMembers;

typedef struct IntakeGroup
{
	const char *source; /* hash key; NULL: those that have a pattern as source */
	IntakeMembers exact;
	IntakeMembers globs;
	dlist_node node; /* the rest is for workflows.c */
	uint64 used_at;
} IntakeGroup;

extern void intake_group_fill(IntakeGroup *group, List *workflows, MemoryContext context);
extern void intake_group_add(IntakeGroup *group, IntakeWorkflow *workflow, MemoryContext context);
extern void intake_group_remove(IntakeGroup *group, const IntakeWorkflow *workflow);
extern List *intake_group_find(const IntakeGroup *group, IntakeSlice source, IntakeSlice type,
							   List *found);
extern void intake_group_free(IntakeGroup *group);
extern size_t intake_group_size(const IntakeGroup *group);

#endif
