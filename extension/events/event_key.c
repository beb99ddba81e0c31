/*
 * event_key.c
 *		One event per source and key.
 *
 * A key is a row of the table event_key (key_row.c), and so is a guard (guard.c).
 *
 * Two transactions that store the same keys would wait for each other if they took them in
 * different orders; so all guards are taken before all keys, and each in the order of the index.
 */
#include "postgres.h"

#include "events/event_key.h"
#include "events/guard.h"
#include "events/key_row.h"
#include "ground/intake.h"
#include "ground/table.h"

#define PROBING_CALLS 100 /* that look for keys first, after the last duplicate */

/* Events lie in memory as they came: the first of equals is served first. */
static int
compare_places(const IntakeEvent *left, const IntakeEvent *right)
{
	return left < right ? -1 : left > right;
}

static int
by_key(const void *a, const void *b)
{
	const IntakeEvent *left = *(IntakeEvent *const *) a;
	const IntakeEvent *right = *(IntakeEvent *const *) b;
	int order = intake_key_row_compare(&left->stored_key, &right->stored_key);

	return order != 0 ? order : compare_places(left, right);
}

/*
 * Looks whether an event has come before under its key. If it has not, it is taken for a replay
 * until one of its guards is found free. Returns false where the key is there, and its window over.
 */
static bool
look_for_event(IntakeTable *keys, IntakeEvent *event)
{
	IntakeKeyState state =
		intake_key_row_look(keys, &event->stored_key, event->key_window, &event->id);

	if (state != INTAKE_KEY_TAKEN)
		event->id = 0;
	event->fresh = event->id == 0;
	event->replayed = event->fresh && event->n_guards > 0;
	return state != INTAKE_KEY_OVER;
}

/* Two deliveries of one event at a time are not a replay. */
static void
forgive(IntakeTable *keys, IntakeEvent **events, int count)
{
	for (int i = 0; i < count; i++)
	{
		IntakeEvent *event = events[i];
		int64 id;

		if (!event->replayed || intake_key_row_look(keys, &event->stored_key, event->key_window,
													&id) != INTAKE_KEY_TAKEN)
			continue;
		event->id = id;
		event->replayed = false;
	}
}

/*
 * Gives the events their ids: new ones, or those of the events which have their keys already.
 * Returns false where that needs them one by one.
 */
static bool
take_keys(IntakeEvent **events, int count, IntakeGuards *guards)
{
	IntakeTable keys;
	bool done;

	intake_table_open(&keys, intake_table_oid("event_key"));
	for (int i = 0; i < count; i++)
		(void) look_for_event(&keys, events[i]);
	intake_guard_select(guards);
	intake_guard_take(&keys, guards);
	for (int i = 0; i < count; i++)
	{
		IntakeEvent *event = events[i];

		event->fresh = !event->replayed && intake_key_row_take(&keys, &event->stored_key,
															   event->key_window, &event->id);
	}
	done = intake_guard_give_back(&keys, guards);
	forgive(&keys, events, count);
	intake_table_close(&keys);
	return done;
}

/*
 * Sets fresh of the events that are not there yet, id and replayed of the others, and taken of the
 * guards that are free. Returns false where something cannot just be inserted.
 */
static bool
find_events(IntakeTable *keys, IntakeEvent **events, int count, IntakeGuards *guards)
{
	for (int i = 0; i < count; i++)
		if (!look_for_event(keys, events[i]))
			return false;
	intake_guard_select(guards);
	if (!intake_guard_find(keys, guards))
		return false;
	for (int i = 0; i < count; i++)
		events[i]->fresh = events[i]->id == 0;
	forgive(keys, events, count);
	return true;
}

/* Adds the keys of the events that are fresh, and their guards, to what is inserted together. */
static void
add_keys(IntakeTable *keys, IntakeEvent **events, int count, const IntakeGuards *guards, bool all)
{
	for (int i = 0; i < count; i++)
	{
		if (!events[i]->fresh)
			continue;
		events[i]->id = intake_table_next_id("event_id_seq");
		intake_key_row_add(keys, &events[i]->stored_key, events[i]->id);
	}
	intake_guard_add(keys, guards, all);
}

static bool
all_are_fresh(IntakeEvent **events, int count)
{
	for (int i = 0; i < count; i++)
		if (!events[i]->fresh)
			return false;
	return true;
}

/*
 * The same as take_keys, faster: inserts all keys at once. Returns false when one of them was
 * taken, or is there twice: the caller undoes this, and calls take_keys. Where that happened not
 * long ago, what is there already is looked for first.
 */
static bool
take_free_keys(IntakeEvent **events, int count, IntakeGuards *guards)
{
	static int probing = 0; /* so many calls look first */
	IntakeTable keys;
	bool known = true;
	bool free = true;

	intake_table_open(&keys, intake_table_oid("event_key"));
	keys.grows = true;
	for (int i = 0; i < count; i++)
		events[i]->fresh = true;
	if (probing > 0)
		free = find_events(&keys, events, count, guards);
	if (free)
	{
		known = !all_are_fresh(events, count);
		add_keys(&keys, events, count, guards, probing == 0);
		free = intake_table_flush(&keys);
	}
	intake_table_close(&keys);
	probing = free && !known ? Max(probing - 1, 0) : PROBING_CALLS;
	return free;
}

/*
 * Gives an event that came without a key its id, and a key that says the id. Nobody else can have
 * that key, so it needs no row in event_key.
 */
static void
make_own_key(IntakeEvent *event)
{
	event->id = intake_table_next_id("event_id_seq");
	event->key = intake_slice_cstr(psprintf(INTAKE_MADE_KEY INT64_FORMAT, event->id));
	event->fresh = true;
	event->replayed = false;
}

/* Puts the events that have no key of their sender's first, and makes theirs; returns how many. */
static int
make_own_keys(IntakeEvent **events, int count)
{
	int made = 0;

	for (int i = 0; i < count; i++)
	{
		IntakeEvent *event = events[i];

		if (!event->keyless)
			continue;
		events[i] = events[made];
		events[made++] = event;
		make_own_key(event);
	}
	return made;
}

/*
 * Takes the keys and guards of COUNT events, and sorts EVENTS. Sets id, fresh and replayed of each.
 *
 * OPTIMISTIC is faster. May return false: then the caller undoes everything and calls again, without
 * that, or with each event alone.
 */
bool
intake_event_key_take(IntakeEvent **events, int count, bool optimistic)
{
	int keyless = make_own_keys(events, count);
	IntakeGuards guards;

	events += keyless;
	count -= keyless;
	if (count == 0)
		return true;
	for (int i = 0; i < count; i++)
	{
		events[i]->id = 0;
		events[i]->fresh = events[i]->replayed = false;
	}
	qsort(events, count, sizeof(IntakeEvent *), by_key);
	guards = intake_guard_list(events, count);
	if (optimistic)
		return take_free_keys(events, count, &guards);
	return take_keys(events, count, &guards);
}
