/*
 * guard.c
 *		Replay guards: what was signed counts once, whatever the key.
 *
 * A guard is a row of event_key, with the source negated: it stands for bytes that a sender has
 * signed, which make no second event under whatever key. An event may have many (where its items
 * are signed each by itself), and is a replay only where all of them came before.
 *
 * Where the type is not signed, senders send the same bytes as events of several types, and whoever
 * has captured them can make types up; the same is so of keys, where the events of one second are
 * signed alike. So such content has a few slots, one for each type, or for each key: rows
 * that differ in the last byte of the digest, and are neighbours in the index. They are filled in
 * order, and none is ever given free alone. Whoever takes another one than the first holds the row
 * of the first: so two deliveries of a type, or of a key, do not take one each.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"

#include "events/guard.h"
#include "events/key_row.h"
#include "events/stored.h"
#include "verify/digest.h"

#define TYPES 8 /* that one content may come with */
#define KEYS 64 /* likewise: a sender may do as much in a second */

/* ---- the list ---- */

static int
by_guard(const void *a, const void *b)
{
	const IntakeGuard *left = a;
	const IntakeGuard *right = b;
	int order = intake_key_row_compare(&left->key, &right->key);

	/* Events lie in memory as they came: the first of equals is served first. */
	return order != 0 ? order : (left->event > right->event) - (left->event < right->event);
}

static IntakeEventKey
slot_of(const IntakeGuard *guard, int number)
{
	IntakeEventKey slot = guard->key;

	slot.digest.data[UUID_LEN - 1] = number;
	return slot;
}

/* The guards of the events, those of one event together. */
IntakeGuards
intake_guard_list(IntakeEvent **events, int count)
{
	IntakeGuards guards = {NULL, 0, events, count};
	int most = 0;

	for (int i = 0; i < count; i++)
		most += events[i]->n_guards;
	if (most > 0)
		guards.list = palloc0(most * sizeof(IntakeGuard));
	for (int i = 0; i < count; i++)
		for (int j = 0; j < events[i]->n_guards; j++)
		{
			IntakeGuard *guard = &guards.list[guards.count++];
			IntakeSlice digest = intake_digest_slice(&events[i]->guards[j]);

			guard->event = events[i];
			guard->key = intake_key_row_make(-events[i]->source_id, &digest, 1);
			guard->key = guard->slot = slot_of(guard, 0);
		}
	return guards;
}

static bool
has_body_of(const IntakeEvent *event, int64 id)
{
	bool same;

	return intake_stored_compare(id, event, &same) && same;
}

/*
 * Keeps the guards that are to be looked at: of events that are not there yet, and of those that
 * came again, signed anew with another time and otherwise the same, whose bytes are used up, too.
 * With another body they are not, or who sends it under a key that is known would keep the genuine
 * one out.
 */
void
intake_guard_select(IntakeGuards *guards)
{
	const IntakeEvent *last = NULL;
	bool matters = false;
	int count = 0;

	for (int i = 0; i < guards->count; i++)
	{
		const IntakeEvent *event = guards->list[i].event;

		if (event != last)
			matters = event->fresh || (event->varies && has_body_of(event, event->id));
		if (matters)
			guards->list[count++] = guards->list[i];
		last = event;
	}
	guards->count = count;
}

/* ---- looking ---- */

/* The id of an event as far as it has one of its own; else 0. */
static int64
own_id(const IntakeEvent *event)
{
	return event->replayed ? 0 : event->id;
}

/* Notes that a guard is its event's, with ID, or (not TAKEN) that of another event, ID. */
static void
note(IntakeGuard *guard, bool taken, int64 id)
{
	guard->taken = taken;
	guard->id = id;
	if (taken || guard->event->replayed)
		guard->event->id = id;
	if (taken)
		guard->event->replayed = false;
}

/* The event of this batch that has an id, or NULL. */
static const IntakeEvent *
event_of(const IntakeGuards *guards, int64 id)
{
	for (int i = 0; i < guards->n_events; i++)
		if (guards->events[i]->fresh && own_id(guards->events[i]) == id)
			return guards->events[i];
	return NULL;
}

/* How many slots a guard may have. */
static int
slots_of(const IntakeGuard *guard)
{
	return guard->event->shared ? KEYS : guard->event->typed ? TYPES : 1;
}

/*
 * Whether what a guard stands for came as the event ID: whatever that is; or under the same type; or
 * under the same key, as no stored event has whose id the guard's does not have.
 */
static bool
came_as(const IntakeGuards *guards, const IntakeGuard *guard, int64 id)
{
	const IntakeEvent *event = guard->event;
	const IntakeEvent *other;
	IntakeGlance glance;
	IntakeSlice type;

	if (slots_of(guard) == 1 || id == own_id(event))
		return true;
	other = event_of(guards, id);
	if (event->shared)
		return other != NULL && intake_key_row_compare(&other->stored_key, &event->stored_key) == 0;
	type = other != NULL                       ? other->type
		   : intake_stored_glance(id, &glance) ? glance.type
											   : INTAKE_ABSENT;
	return (type.data == NULL) == (event->type.data == NULL) &&
		   intake_slice_equal(type, event->type);
}

/*
 * Finds the slot that a guard can have: a free one, or one whose window is over, whose event is then
 * noted. Returns false, with the event that came before in *ID, where there is none.
 */
static bool
find_slot(IntakeTable *keys, const IntakeGuards *guards, IntakeGuard *guard, int64 *id)
{
	IntakeKeyState state = INTAKE_KEY_TAKEN;
	bool found = false;
	int64 first = 0;

	for (int i = 0; i < slots_of(guard) && state != INTAKE_KEY_FREE; i++)
	{
		IntakeEventKey slot = slot_of(guard, i);
		int64 other;

		state = intake_key_row_look(keys, &slot, guard->event->guard_window, &other);
		if (state == INTAKE_KEY_TAKEN && came_as(guards, guard, other))
		{
			*id = other;
			return false;
		}
		if (i == 0)
			first = other;
		if (state == INTAKE_KEY_TAKEN || found)
			continue;
		guard->slot = slot;
		guard->before = other;
		found = true;
	}
	if (!found)
		*id = first;
	return found;
}

/*
 * Looks for all guards without taking any: sets taken of those that are free. Returns false where one
 * cannot just be inserted, but must be taken.
 */
bool
intake_guard_find(IntakeTable *keys, IntakeGuards *guards)
{
	for (int i = 0; i < guards->count; i++)
	{
		IntakeGuard *guard = &guards->list[i];
		int64 other = 0;
		bool free = find_slot(keys, guards, guard, &other);

		if (free && intake_key_row_compare(&guard->slot, &guard->key) != 0)
			return false;
		if (free && guard->before != 0)
			return false;
		note(guard, free, free ? own_id(guard->event) : other);
	}
	return true;
}

/* Adds the first slots of guards that were found free, or of ALL, to what is inserted together. */
void
intake_guard_add(IntakeTable *keys, const IntakeGuards *guards, bool all)
{
	for (int i = 0; i < guards->count; i++)
		if (all || guards->list[i].taken)
			intake_key_row_add(keys, &guards->list[i].key, guards->list[i].event->id);
}

/* ---- taking ---- */

/* Holds the row of the first slot, if it is there. Returns false where it has just changed. */
static bool
hold_first(IntakeTable *keys, const IntakeGuard *guard)
{
	return intake_key_row_find(keys, &guard->key) == 0 || intake_table_is_own(keys) ||
		   intake_table_hold(keys, true);
}

/*
 * Takes a guard for the event *ID, which is made where it is 0. Returns false, with the id of the
 * event that came before, where it is taken.
 */
static bool
take(IntakeTable *keys, const IntakeGuards *guards, IntakeGuard *guard, int64 *id)
{
	for (;;)
	{
		int64 taken_with = *id;

		CHECK_FOR_INTERRUPTS();
		if (slots_of(guard) > 1 && !hold_first(keys, guard))
			continue;
		if (!find_slot(keys, guards, guard, id))
			return false;
		if (intake_key_row_take(keys, &guard->slot, guard->event->guard_window, &taken_with))
		{
			*id = taken_with;
			guard->place = keys->slot->tts_tid;
			return true;
		}
	}
}

/* Takes guards, in the order of the index. */
void
intake_guard_take(IntakeTable *keys, IntakeGuards *guards)
{
	qsort(guards->list, guards->count, sizeof(IntakeGuard), by_guard);
	for (int i = 0; i < guards->count; i++)
	{
		IntakeGuard *guard = &guards->list[i];
		int64 id = own_id(guard->event);
		bool taken = take(keys, guards, guard, &id);

		note(guard, taken, id);
	}
}

/*
 * Gives back the guards of an event whose key somebody took meanwhile, maybe for other content.
 * Returns false where other events are in the batch: one of them may be taken for a replay of it.
 */
bool
intake_guard_give_back(IntakeTable *keys, IntakeGuards *guards)
{
	for (int i = 0; i < guards->count; i++)
	{
		IntakeGuard *guard = &guards->list[i];

		if (!guard->taken || guard->id == guard->event->id)
			continue;
		if (guards->n_events > 1)
			return false;
		CommandCounterIncrement();
		(void) intake_table_delete(keys, &guard->place);
		if (guard->before != 0)
			intake_key_row_put(keys, &guard->slot, guard->before);
	}
	return true;
}
