/*
 * event_key.c
 *		One event per source and key.
 *
 * A key is a row of the table event_key (key_row.c), and so is a guard (guard.c).
 *
 * A delivery with many events is known by a key as well, that of its content. Where that is taken,
 * its items are left alone: they came before.
 *
 * Two transactions that store the same keys would wait for each other if they took them in
 * different orders; so all guards are taken before the keys of all deliveries, and these before all
 * other keys, each in the order of the index.
 */
#include "postgres.h"

#include "events/event_key.h"
#include "events/guard.h"
#include "events/key_row.h"
#include "ground/intake.h"
#include "ground/table.h"

#define PROBING_CALLS 100 /* that look for keys first, after the last duplicate */

/* The events of a batch. */
typedef struct Batch
{
	IntakeEvent **arrived; /* all, in the order in which they came */
	int count;
	IntakeEvent *
		*keyed; /* those with a key: deliveries first, and each in the order of the index */
	int n_keyed;
} Batch;

/* Events lie in memory as they came, and so do the items of one: the first of equals is served first. */
static int
compare_places(const IntakeEvent *left, const IntakeEvent *right)
{
	const IntakeEvent *left_came = left->delivery ? left->delivery : left;
	const IntakeEvent *right_came = right->delivery ? right->delivery : right;

	if (left_came != right_came)
		return left_came < right_came ? -1 : 1;
	return left->position < right->position ? -1 : left->position > right->position;
}

static int
by_key(const void *a, const void *b)
{
	const IntakeEvent *left = *(IntakeEvent *const *) a;
	const IntakeEvent *right = *(IntakeEvent *const *) b;
	int order = (right->n_items > 0) - (left->n_items > 0);

	if (order == 0)
		order = intake_key_row_compare(&left->stored_key, &right->stored_key);
	return order != 0 ? order : compare_places(left, right);
}

/* Whether an event is no item of a delivery that is there already. Of those nothing is asked. */
static bool
is_wanted(const IntakeEvent *event)
{
	return event->delivery == NULL || event->delivery->fresh;
}

/*
 * Looks whether an event has come before under its key. If it has not, it is taken for a replay
 * until one of its guards is found free. Returns false where the key is there, and its window over.
 */
static bool
look_for_event(IntakeTable *keys, IntakeEvent *event)
{
	IntakeKeyState state;

	if (!is_wanted(event))
		return true;
	state = intake_key_row_look(keys, &event->stored_key, event->key_window, &event->id);
	if (state != INTAKE_KEY_TAKEN)
		event->id = 0;
	event->fresh = event->id == 0;
	event->replayed = event->fresh && event->n_guards > 0;
	return state != INTAKE_KEY_OVER;
}

/* Two deliveries of one event at a time are not a replay. */
static void
forgive(IntakeTable *keys, const Batch *batch)
{
	for (int i = 0; i < batch->n_keyed; i++)
	{
		IntakeEvent *event = batch->keyed[i];
		int64 id;

		if (!event->replayed || intake_key_row_look(keys, &event->stored_key, event->key_window,
													&id) != INTAKE_KEY_TAKEN)
			continue;
		event->id = id;
		event->replayed = false;
	}
}

/*
 * Gives events that are not there yet their ids, in the order in which they came. One that came without
 * a key gets a key that says the id. Nobody else can have that key, so it needs no row in event_key.
 */
static void
number(const Batch *batch)
{
	for (int i = 0; i < batch->count; i++)
	{
		IntakeEvent *event = batch->arrived[i];

		if (!event->fresh || event->replayed || event->id != 0)
			continue;
		event->id = intake_table_next_id("event_id_seq");
		if (event->keyless)
			event->key = intake_slice_cstr(psprintf(INTAKE_MADE_KEY INT64_FORMAT, event->id));
	}
}

/* Takes the key of an event, or says that it was there. */
static void
take_key(IntakeTable *keys, IntakeEvent *event)
{
	if (!is_wanted(event))
	{
		event->fresh = false;
		event->id = 0;
	}
	else
		event->fresh = !event->replayed &&
					   intake_key_row_take(keys, &event->stored_key, event->key_window, &event->id);
}

/*
 * Gives the events their ids: new ones, or those of the events which have their keys already.
 * Returns false where that needs them one by one.
 */
static bool
take_keys(const Batch *batch, IntakeGuards *guards)
{
	IntakeTable keys;
	bool done;

	intake_table_open(&keys, intake_table_oid("event_key"));
	for (int i = 0; i < batch->n_keyed; i++)
		(void) look_for_event(&keys, batch->keyed[i]);
	intake_guard_select(guards);
	intake_guard_take(&keys, guards);
	number(batch);
	for (int i = 0; i < batch->n_keyed; i++)
		take_key(&keys, batch->keyed[i]);
	done = intake_guard_give_back(&keys, guards);
	forgive(&keys, batch);
	intake_table_close(&keys);
	return done;
}

/*
 * Sets fresh of the events that are not there yet, id and replayed of the others, and taken of the
 * guards that are free. Returns false where something cannot just be inserted.
 */
static bool
find_events(IntakeTable *keys, const Batch *batch, IntakeGuards *guards)
{
	for (int i = 0; i < batch->n_keyed; i++)
		if (!look_for_event(keys, batch->keyed[i]))
			return false;
	intake_guard_select(guards);
	if (!intake_guard_find(keys, guards))
		return false;
	for (int i = 0; i < batch->n_keyed; i++)
		batch->keyed[i]->fresh = batch->keyed[i]->id == 0 && is_wanted(batch->keyed[i]);
	forgive(keys, batch);
	return true;
}

/* Items that are there more than once in what came are events once. */
static void
merge_items(const Batch *batch)
{
	const IntakeEvent *first = NULL;

	for (int i = 0; i < batch->n_keyed; i++)
	{
		IntakeEvent *event = batch->keyed[i];

		if (event->delivery == NULL || !event->fresh)
			continue;
		if (first != NULL && intake_key_row_compare(&event->stored_key, &first->stored_key) == 0)
			event->fresh = false;
		else
			first = event;
	}
}

/* Adds the keys of the events that are fresh, and their guards, to what is inserted together. */
static void
add_keys(IntakeTable *keys, const Batch *batch, const IntakeGuards *guards, bool all)
{
	number(batch);
	for (int i = 0; i < batch->n_keyed; i++)
		if (batch->keyed[i]->fresh)
			intake_key_row_add(keys, &batch->keyed[i]->stored_key, batch->keyed[i]->id);
		else if (batch->keyed[i]->id == 0 && is_wanted(batch->keyed[i]))
			batch->keyed[i]->id = batch->keyed[i - 1]->id;
	intake_guard_add(keys, guards, all);
}

static bool
all_are_fresh(const Batch *batch)
{
	for (int i = 0; i < batch->n_keyed; i++)
		if (!batch->keyed[i]->fresh)
			return false;
	return true;
}

/*
 * The same as take_keys, faster: inserts all keys at once. Returns false when one of them was
 * taken, or is there twice: the caller undoes this, and calls take_keys. Where that happened not
 * long ago, what is there already is looked for first.
 */
static bool
take_free_keys(const Batch *batch, IntakeGuards *guards)
{
	static int probing = 0; /* so many calls look first */
	IntakeTable keys;
	bool known = true;
	bool free = true;

	intake_table_open(&keys, intake_table_oid("event_key"));
	keys.grows = true;
	for (int i = 0; i < batch->n_keyed; i++)
		batch->keyed[i]->fresh = true;
	if (probing > 0)
		free = find_events(&keys, batch, guards);
	if (free)
	{
		known = !all_are_fresh(batch);
		merge_items(batch);
		add_keys(&keys, batch, guards, probing == 0);
		free = intake_table_flush(&keys);
	}
	intake_table_close(&keys);
	probing = free && !known ? Max(probing - 1, 0) : PROBING_CALLS;
	return free;
}

/*
 * Takes the keys and guards of COUNT events. Sets id, fresh and replayed of each. A delivery comes
 * before its items.
 *
 * OPTIMISTIC is faster. May return false: then the caller undoes everything and calls again, without
 * that, or with each event alone.
 */
bool
intake_event_key_take(IntakeEvent **events, int count, bool optimistic)
{
	Batch batch = {events, count, palloc(count * sizeof(IntakeEvent *)), 0};
	IntakeEvent **requests = palloc(count * sizeof(IntakeEvent *));
	int n_requests = 0;
	IntakeGuards guards;

	for (int i = 0; i < count; i++)
	{
		events[i]->id = 0;
		events[i]->fresh = events[i]->keyless;
		events[i]->replayed = false;
		events[i]->other_id = 0;
		if (!events[i]->keyless)
			batch.keyed[batch.n_keyed++] = events[i];
	}
	if (batch.n_keyed == 0)
	{
		number(&batch);
		return true;
	}
	qsort(batch.keyed, batch.n_keyed, sizeof(IntakeEvent *), by_key);
	for (int i = 0; i < batch.n_keyed; i++)
		if (batch.keyed[i]->delivery == NULL)
			requests[n_requests++] = batch.keyed[i];
	guards = intake_guard_list(requests, n_requests);
	return optimistic ? take_free_keys(&batch, &guards) : take_keys(&batch, &guards);
}
