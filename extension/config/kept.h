/*
 * kept.h
 *		What a process keeps of the workflows: each by its id, and in groups by sources.
 */
#ifndef INTAKE_KEPT_H
#define INTAKE_KEPT_H

#include "postgres.h"

#include "lib/ilist.h"
#include "nodes/pg_list.h"

#include "config/group.h"
#include "config/workflow.h"

/* What is known of an id. */
typedef struct IntakeKnown
{
	int32 id;                 /* hash key */
	IntakeWorkflow *workflow; /* NULL: there is none, or it was dropped */
	IntakeGroup *group;       /* that it is in, or NULL */
	dlist_node node;          /* where it is in no group; the rest is for kept.c */
	uint64 used_at;
} IntakeKnown;

extern MemoryContext intake_kept_begin(void);
extern void intake_kept_forget_all(void);
extern void intake_kept_let_go(void);

extern IntakeKnown *intake_kept_find(int32 id);
extern IntakeKnown *intake_kept_enter(int32 id, IntakeWorkflow *workflow);
extern void intake_kept_remove(IntakeKnown *known);
extern void intake_kept_use(IntakeKnown *known);

extern bool intake_kept_any_group(void);
extern IntakeGroup *intake_kept_group(const char *source);
extern IntakeGroup *intake_kept_patterns(void);
extern IntakeGroup *intake_kept_enter_group(const char *source, List *workflows);
extern IntakeGroup *intake_kept_enter_patterns(List *workflows);
extern void intake_kept_enter_member(IntakeGroup *group, IntakeWorkflow *workflow);
extern void intake_kept_use_group(IntakeGroup *group);

#endif
