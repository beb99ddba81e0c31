/*
 * guard.h
 *		Replay guards: what was signed counts once, whatever the key.
 */
#ifndef INTAKE_GUARD_H
#define INTAKE_GUARD_H

#include "events/event.h"
#include "ground/table.h"

/* A guard of an event of a batch. */
typedef struct IntakeGuard
{
	IntakeEventKey key; /* of its first slot */
	IntakeEvent *event;
	bool taken;            /* for this event, or to be */
	int64 id;              /* that it was taken with */
	IntakeEventKey slot;   /* that was taken */
	int64 before;          /* the event that had that one, whose window was over; 0: none */
	ItemPointerData place; /* of its row */
} IntakeGuard;

typedef struct IntakeGuards
{
	IntakeGuard *list;
	int count;
	IntakeEvent **events; /* of the batch */
	int n_events;
} IntakeGuards;

extern IntakeGuards intake_guard_list(IntakeEvent **events, int count);
extern void intake_guard_select(IntakeGuards *guards);
extern bool intake_guard_find(IntakeTable *keys, IntakeGuards *guards);
extern void intake_guard_add(IntakeTable *keys, const IntakeGuards *guards, bool all);
extern void intake_guard_take(IntakeTable *keys, IntakeGuards *guards);
extern bool intake_guard_give_back(IntakeTable *keys, IntakeGuards *guards);

#endif
