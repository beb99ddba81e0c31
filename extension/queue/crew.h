/*
 * crew.h
 *		Crews: the executors of one role in one database, and the lanes that wait for them.
 */
#ifndef INTAKE_CREW_H
#define INTAKE_CREW_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "lib/ilist.h"
#include "utils/hsearch.h"

typedef struct IntakeCrewTag
{
	Oid database;
	Oid role;
} IntakeCrewTag;

/* Which line a crew stands in. */
typedef enum IntakeCrewLine
{
	INTAKE_NO_LINE,
	INTAKE_FIRST_LINE, /* it has no executor */
	INTAKE_OTHER_LINE  /* it has, and may have another */
} IntakeCrewLine;

/* A lane that waits in the line of its crew. */
typedef struct IntakeReady
{
	dlist_node place;
	TimestampTz since;
} IntakeReady;

typedef struct IntakeCrew
{
	IntakeCrewTag tag; /* hash key */
	dlist_head fresh;  /* of IntakeReady: those that have become ready, longest waiting first */
	dlist_head again;  /* likewise, those that have had a turn and have more */
	int favours;       /* turns of fresh ones since the last one of the others */
	int n_ready;       /* in both */
	int n_lanes;       /* all that are its own */
	IntakeCrewLine line;
	dlist_node place;  /* in that line */
	int64 lined_up_at; /* milliseconds, by intake_clock_ms */
} IntakeCrew;

/* A crew, for people. */
typedef struct IntakeCrewState
{
	Oid role;
	int ready;               /* lanes */
	TimestampTz ready_since; /* the one that has waited longest; 0: none is ready */
} IntakeCrewState;

extern Size intake_crew_shmem_size(void);
extern void intake_crew_startup(void);

/* For lanes; the caller holds intake_shmem->lane_lock. */
extern IntakeCrew *intake_crew_find(Oid database, Oid role, HASHACTION action);
extern void intake_crew_add(IntakeCrew *crew, IntakeReady *ready, bool again);
extern IntakeReady *intake_crew_first(IntakeCrew *crew);
extern IntakeReady *intake_crew_choose(IntakeCrew *crew, bool *again);
extern void intake_crew_move_behind(IntakeReady *ready, IntakeReady *other);
extern void intake_crew_remove(IntakeCrew *crew, IntakeReady *ready);
extern void intake_crew_lose_lane(IntakeCrew *crew);
extern void intake_crew_forget_if_empty(IntakeCrew *crew);
extern void intake_crew_call(IntakeCrew *crew);

/* For executors. */
extern bool intake_crew_any_waits(void);
extern bool intake_crew_rest(void);
extern void intake_crew_leave(void);

/* For the launcher. */
extern bool intake_crew_next(IntakeCrewTag *tag, long *wait);
extern void intake_crew_enlist(const IntakeCrewTag *tag, bool at_head);
extern void intake_crew_enlist_all(void);
extern int intake_crew_unserved(void);

extern IntakeCrewState *intake_crew_read(int *count);

#endif
