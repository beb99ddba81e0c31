/*
 * crew.c
 *		Crews: the executors of one role in one database, and the lanes that wait for them.
 *
 * A crew is here while it has a lane that has work. If it has ready lanes and no idle executor, it
 * stands in one of two lines, those without any executor in the first. The launcher starts executors
 * in that order, so that each role has its turn when there are fewer processes than roles.
 *
 * The lanes of a crew stand in two lines as well. One that becomes ready goes before those that have
 * had a turn and have more: so a lane with a job now and then waits for one job at most, whatever
 * backlogs the others have. After some turns in a row, one of the others has its own.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "ground/clock.h"
#include "ground/settings.h"
#include "ground/shmem.h"
#include "ground/slot.h"
#include "queue/crew.h"

/* Milliseconds that one executor has for the lanes of its crew before there is another. */
#define GRACE 10

/* Turns in a row of lanes that have become ready, while others have more. */
#define MOST_FAVOURS 16

/* Guarded by intake_shmem->lane_lock, as all crews are. */
typedef struct Lines
{
	dlist_head first;
	dlist_head other;
	int n_first;
} Lines;

static HTAB *crews = NULL;
static Lines *lines = NULL;

/* ---- shared memory ---- */

Size
intake_crew_shmem_size(void)
{
	return add_size(sizeof(Lines),
					hash_estimate_size(intake_settings_max_lanes, sizeof(IntakeCrew)));
}

/* Makes the crews or finds them. The caller holds AddinShmemInitLock. */
void
intake_crew_startup(void)
{
	HASHCTL control = {0};
	bool found;

	control.keysize = sizeof(IntakeCrewTag);
	control.entrysize = sizeof(IntakeCrew);
	crews = ShmemInitHash("pg_intake crews", Min(intake_settings_max_lanes, 1024),
						  intake_settings_max_lanes, &control, HASH_ELEM | HASH_BLOBS);
	lines = ShmemInitStruct("pg_intake lines", sizeof(Lines), &found);
	if (found)
		return;
	dlist_init(&lines->first);
	dlist_init(&lines->other);
	lines->n_first = 0;
}

static void
lock(void)
{
	LWLockAcquire(intake_shmem->lane_lock, LW_EXCLUSIVE);
}

static void
unlock(void)
{
	LWLockRelease(intake_shmem->lane_lock);
}

/* ---- crews; the lock is held ---- */

IntakeCrew *
intake_crew_find(Oid database, Oid role, HASHACTION action)
{
	IntakeCrewTag tag = {database, role};
	bool found;
	IntakeCrew *crew = hash_search(crews, &tag, action, &found);

	if (crew != NULL && !found)
	{
		dlist_init(&crew->fresh);
		dlist_init(&crew->again);
		crew->favours = crew->n_ready = crew->n_lanes = 0;
		crew->line = INTAKE_NO_LINE;
	}
	return crew;
}

static void
leave_line(IntakeCrew *crew)
{
	if (crew->line == INTAKE_NO_LINE)
		return;
	dlist_delete(&crew->place);
	lines->n_first -= crew->line == INTAKE_FIRST_LINE;
	crew->line = INTAKE_NO_LINE;
}

/* Frees a crew that has no lane. */
void
intake_crew_forget_if_empty(IntakeCrew *crew)
{
	if (crew->n_lanes > 0)
		return;
	leave_line(crew);
	hash_search(crews, &crew->tag, HASH_REMOVE, NULL);
}

/*
 * Has a crew wait for an executor, if it may have one more: behind the others, or AT_HEAD. Returns
 * whether the launcher is to be told.
 */
static bool
line_up(IntakeCrew *crew, bool at_head)
{
	int executors;
	IntakeCrewLine line;
	dlist_head *head;

	if (crew->n_ready == 0 || crew->line == INTAKE_FIRST_LINE)
		return false;
	executors = intake_slot_count(INTAKE_EXECUTOR, crew->tag.database, crew->tag.role);
	if (executors >= intake_settings_executors)
		return false;
	line = executors == 0 ? INTAKE_FIRST_LINE : INTAKE_OTHER_LINE;
	if (line == crew->line)
		return false;
	leave_line(crew);
	head = line == INTAKE_FIRST_LINE ? &lines->first : &lines->other;
	if (at_head)
		dlist_push_head(head, &crew->place);
	else
		dlist_push_tail(head, &crew->place);
	lines->n_first += line == INTAKE_FIRST_LINE;
	crew->line = line;
	crew->lined_up_at = intake_clock_ms();
	return true;
}

/* A lane of a crew has become ready; AGAIN: it has had a turn, and has more. */
void
intake_crew_add(IntakeCrew *crew, IntakeReady *ready, bool again)
{
	dlist_push_tail(again ? &crew->again : &crew->fresh, &ready->place);
	crew->n_ready++;
	ready->since = GetCurrentTimestamp();
}

/* Whether the turn is one of a lane that has become ready. */
static bool
is_favoured(IntakeCrew *crew)
{
	return !dlist_is_empty(&crew->fresh) &&
		   (dlist_is_empty(&crew->again) || crew->favours < MOST_FAVOURS);
}

/* The lane whose turn is next, of a crew that has one that is ready. */
IntakeReady *
intake_crew_first(IntakeCrew *crew)
{
	return dlist_head_element(IntakeReady, place, is_favoured(crew) ? &crew->fresh : &crew->again);
}

/* The same, and it is to be taken. AGAIN: it has had a turn. */
IntakeReady *
intake_crew_choose(IntakeCrew *crew, bool *again)
{
	IntakeReady *chosen = intake_crew_first(crew);

	*again = !is_favoured(crew);
	crew->favours = *again ? 0 : crew->favours + 1;
	return chosen;
}

/* It has been taken, or is another crew's. */
void
intake_crew_remove(IntakeCrew *crew, IntakeReady *ready)
{
	dlist_delete(&ready->place);
	if (--crew->n_ready == 0)
		leave_line(crew);
}

/* Moves a ready lane behind OTHER, which is of the same crew, in whatever line that stands. */
void
intake_crew_move_behind(IntakeReady *ready, IntakeReady *other)
{
	dlist_delete(&ready->place);
	dlist_insert_after(&other->place, &ready->place);
}

/* A lane is not this crew's any more. A crew without lanes is freed. */
void
intake_crew_lose_lane(IntakeCrew *crew)
{
	crew->n_lanes--;
	intake_crew_forget_if_empty(crew);
}

/* Something is ready for a crew: wakes an executor that waits, or the launcher. */
void
intake_crew_call(IntakeCrew *crew)
{
	if (!intake_slot_wake(INTAKE_EXECUTOR, crew->tag.database, crew->tag.role) &&
		line_up(crew, false))
		intake_slot_wake_launcher();
}

/* ---- for an executor ---- */

/* Whether a lane of this executor's crew waits for somebody who reads it. */
bool
intake_crew_any_waits(void)
{
	IntakeCrew *crew;
	bool waits;

	LWLockAcquire(intake_shmem->lane_lock, LW_SHARED);
	crew = intake_crew_find(MyDatabaseId, intake_slot_self->role, HASH_FIND);
	waits = crew != NULL && crew->n_ready > 0;
	unlock();
	return waits;
}

/* Says that this executor waits for work. Returns false where there is some. */
bool
intake_crew_rest(void)
{
	IntakeCrew *crew;

	lock();
	crew = intake_crew_find(MyDatabaseId, intake_slot_self->role, HASH_FIND);
	intake_slot_self->idle = crew == NULL || crew->n_ready == 0;
	unlock();
	return intake_slot_self->idle;
}

/*
 * Says that this executor takes no more work, as it has none or gives its place to another. If its
 * crew still has work, that waits for the next executor.
 */
void
intake_crew_leave(void)
{
	IntakeCrew *crew;

	lock();
	intake_slot_self->idle = false;
	intake_slot_self->leaving = intake_slot_self->content = true;
	crew = intake_crew_find(MyDatabaseId, intake_slot_self->role, HASH_FIND);
	if (crew != NULL)
		(void) line_up(crew, false);
	unlock();
}

/* ---- for the launcher ---- */

/*
 * Takes the first crew that waits for an executor out of its line: one that has none before one that
 * has. Returns false when there is none, with how long to WAIT for one, in milliseconds, if that is
 * less.
 */
bool
intake_crew_next(IntakeCrewTag *tag, long *wait)
{
	IntakeCrew *crew = NULL;
	int64 now = intake_clock_ms();

	lock();
	if (!dlist_is_empty(&lines->first))
		crew = dlist_head_element(IntakeCrew, place, &lines->first);
	else if (!dlist_is_empty(&lines->other))
		crew = dlist_head_element(IntakeCrew, place, &lines->other);
	if (crew != NULL && crew->line == INTAKE_OTHER_LINE && now - crew->lined_up_at < GRACE)
	{
		*wait = Min(*wait, crew->lined_up_at + GRACE - now);
		crew = NULL;
	}
	if (crew != NULL)
	{
		*tag = crew->tag;
		leave_line(crew);
	}
	unlock();
	return crew != NULL;
}

/* Has a crew wait for an executor if it has ready lanes and may have one more. */
void
intake_crew_enlist(const IntakeCrewTag *tag, bool at_head)
{
	IntakeCrew *crew;

	lock();
	crew = intake_crew_find(tag->database, tag->role, HASH_FIND);
	if (crew != NULL)
		(void) line_up(crew, at_head);
	unlock();
}

/*
 * The same for all crews: what an earlier launcher had taken out of their lines, and has not started,
 * is known to nobody else.
 */
void
intake_crew_enlist_all(void)
{
	HASH_SEQ_STATUS status;
	IntakeCrew *crew;

	lock();
	hash_seq_init(&status, crews);
	while ((crew = hash_seq_search(&status)) != NULL)
		(void) line_up(crew, false);
	unlock();
}

/* How many crews wait for their first executor. */
int
intake_crew_unserved(void)
{
	int count;

	LWLockAcquire(intake_shmem->lane_lock, LW_SHARED);
	count = lines->n_first;
	unlock();
	return count;
}

/* Notes since when the first lane of a line waits, if none has waited longer. */
static void
note_wait(IntakeCrewState *state, dlist_head *line)
{
	TimestampTz since;

	if (dlist_is_empty(line))
		return;
	since = dlist_head_element(IntakeReady, place, line)->since;
	if (state->ready_since == 0 || since < state->ready_since)
		state->ready_since = since;
}

/* The crews of this database. Palloc'ed. */
IntakeCrewState *
intake_crew_read(int *count)
{
	IntakeCrewState *states = NULL;
	HASH_SEQ_STATUS status;
	IntakeCrew *crew;
	int room;

	*count = 0;
	if (crews == NULL)
		return NULL;
	room = hash_get_num_entries(crews) + 16;
	states = palloc_extended(room * sizeof(IntakeCrewState), MCXT_ALLOC_HUGE);
	LWLockAcquire(intake_shmem->lane_lock, LW_SHARED);
	hash_seq_init(&status, crews);
	while ((crew = hash_seq_search(&status)) != NULL)
	{
		IntakeCrewState *state = &states[*count];

		if (crew->tag.database != MyDatabaseId || *count == room)
			continue;
		state->role = crew->tag.role;
		state->ready = crew->n_ready;
		state->ready_since = 0;
		note_wait(state, &crew->fresh);
		note_wait(state, &crew->again);
		(*count)++;
	}
	unlock();
	return states;
}
