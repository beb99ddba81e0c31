/*
 * event_key.c
 *		One event per source and key.
 *
 * A key is a row of the table event_key (key_row.c). So is a guard, with the source negated: it
 * stands for bytes that a sender has signed, which make no second event under whatever key. An event
 * may have many (where its items are signed each by itself), and is a replay only where all of them
 * came before.
 *
 * Two transactions that store the same keys would wait for each other if they took them in
 * different orders; so all guards are taken before all keys, and each in the order of the index.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "events/event_key.h"
#include "events/key_row.h"
#include "ground/intake.h"
#include "ground/table.h"
#include "verify/digest.h"

#define PROBING_CALLS 100 /* that look for keys first, after the last duplicate */

/* A guard of an event of a batch. */
typedef struct Guard
{
	IntakeEventKey key;
	IntakeEvent *event;
	bool taken;            /* for this event, or to be */
	int64 id;              /* that it was taken with */
	ItemPointerData place; /* of its row */
} Guard;

typedef struct Guards
{
	Guard *list;
	int count;
} Guards;

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

static int
by_guard(const void *a, const void *b)
{
	const Guard *left = a;
	const Guard *right = b;
	int order = intake_key_row_compare(&left->key, &right->key);

	return order != 0 ? order : compare_places(left->event, right->event);
}

/* Whether the event ID, which may have been committed a moment ago, has the same body. */
static bool
has_body_of(const IntakeEvent *event, int64 id)
{
	bytea *body = DatumGetByteaPP(event->body);
	IntakeStoredEvent stored;
	bool found;
	bool same;

	PushActiveSnapshot(GetLatestSnapshot());
	found = intake_event_read(id, &stored);
	PopActiveSnapshot();
	if (!found)
		return false;
	same = intake_slice_equal((IntakeSlice){VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body)},
							  (IntakeSlice){VARDATA(stored.body), VARSIZE(stored.body) - VARHDRSZ});
	pfree(stored.body);
	pfree(stored.headers);
	return same;
}

/*
 * Looks whether an event has come before under its key. If it has not, it is taken for a replay
 * until one of its guards is found free.
 */
static void
look_for_event(IntakeTable *keys, IntakeEvent *event)
{
	event->id = intake_key_row_find(keys, &event->stored_key);
	event->fresh = event->id == 0;
	event->replayed = event->fresh && event->n_guards > 0;
}

/*
 * Keeps the guards that are to be looked at: of events that are not there yet, and of those that
 * came again, signed anew with another time and otherwise the same, whose bytes are used up, too.
 * With another body they are not, or who sends it under a key that is known would keep the genuine
 * one out.
 */
static void
select_guards(Guards *guards)
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

/* The id of an event as far as it has one of its own; else 0. */
static int64
own_id(const IntakeEvent *event)
{
	return event->replayed ? 0 : event->id;
}

/* Notes that a guard is its event's, with ID, or (not TAKEN) that of another event, ID. */
static void
note_guard(Guard *guard, bool taken, int64 id)
{
	guard->taken = taken;
	guard->id = id;
	if (taken || guard->event->replayed)
		guard->event->id = id;
	if (taken)
		guard->event->replayed = false;
}

/* Takes guards, in the order of the index. */
static void
take_guards(IntakeTable *keys, Guards *guards)
{
	qsort(guards->list, guards->count, sizeof(Guard), by_guard);
	for (int i = 0; i < guards->count; i++)
	{
		Guard *guard = &guards->list[i];
		int64 id = own_id(guard->event);
		bool taken = intake_key_row_take(keys, &guard->key, &id);

		guard->place = keys->slot->tts_tid;
		note_guard(guard, taken, id);
	}
}

/*
 * Gives back the guards of an event whose key somebody took meanwhile, maybe for other content.
 * Returns false where other events are in the batch: one of them may be taken for a replay of it.
 */
static bool
give_back(IntakeTable *keys, Guards *guards, int events)
{
	for (int i = 0; i < guards->count; i++)
	{
		Guard *guard = &guards->list[i];

		if (!guard->taken || guard->id == guard->event->id)
			continue;
		if (events > 1)
			return false;
		CommandCounterIncrement();
		(void) intake_table_delete(keys, &guard->place);
	}
	return true;
}

/* Two deliveries of one event at a time are not a replay. */
static void
forgive(IntakeTable *keys, IntakeEvent **events, int count)
{
	for (int i = 0; i < count; i++)
	{
		int64 id = events[i]->replayed ? intake_key_row_find(keys, &events[i]->stored_key) : 0;

		if (id == 0)
			continue;
		events[i]->id = id;
		events[i]->replayed = false;
	}
}

/*
 * Gives the events their ids: new ones, or those of the events which have their keys already.
 * Returns false where that needs them one by one.
 */
static bool
take_keys(IntakeEvent **events, int count, Guards *guards)
{
	IntakeTable keys;
	bool done;

	intake_table_open(&keys, intake_table_oid("event_key"));
	for (int i = 0; i < count; i++)
		look_for_event(&keys, events[i]);
	select_guards(guards);
	take_guards(&keys, guards);
	for (int i = 0; i < count; i++)
		events[i]->fresh = !events[i]->replayed &&
						   intake_key_row_take(&keys, &events[i]->stored_key, &events[i]->id);
	done = give_back(&keys, guards, count);
	forgive(&keys, events, count);
	intake_table_close(&keys);
	return done;
}

/*
 * Sets fresh of the events that are not there yet, id and replayed of the others, and taken of the
 * guards that are free.
 */
static void
find_events(IntakeTable *keys, IntakeEvent **events, int count, Guards *guards)
{
	for (int i = 0; i < count; i++)
		look_for_event(keys, events[i]);
	select_guards(guards);
	for (int i = 0; i < guards->count; i++)
	{
		Guard *guard = &guards->list[i];
		int64 other = intake_key_row_find(keys, &guard->key);

		note_guard(guard, other == 0, other != 0 ? other : own_id(guard->event));
	}
	for (int i = 0; i < count; i++)
		events[i]->fresh = events[i]->id == 0;
	forgive(keys, events, count);
}

/*
 * The same as take_keys, faster: inserts all keys at once. Returns false when one of them was
 * taken, or is there twice: the caller undoes this, and calls take_keys. Where that happened not
 * long ago, what is there already is looked for first.
 */
static bool
take_free_keys(IntakeEvent **events, int count, Guards *guards)
{
	static int probing = 0; /* so many calls look first */
	IntakeTable keys;
	bool known = false;
	bool free;

	intake_table_open(&keys, intake_table_oid("event_key"));
	keys.grows = true;
	if (probing > 0)
		find_events(&keys, events, count, guards);
	for (int i = 0; i < count; i++)
	{
		events[i]->fresh |= probing == 0;
		known |= !events[i]->fresh;
		if (!events[i]->fresh)
			continue;
		events[i]->id = intake_table_next_id("event_id_seq");
		intake_key_row_add(&keys, &events[i]->stored_key, events[i]->id);
	}
	for (int i = 0; i < guards->count; i++)
		if (guards->list[i].taken || probing == 0)
			intake_key_row_add(&keys, &guards->list[i].key, guards->list[i].event->id);
	free = intake_table_flush(&keys);
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

/* The guards of the events, those of one event together. */
static Guards
make_guards(IntakeEvent **events, int count)
{
	Guards guards = {NULL, 0};
	int most = 0;

	for (int i = 0; i < count; i++)
		most += events[i]->n_guards;
	if (most > 0)
		guards.list = palloc0(most * sizeof(Guard));
	for (int i = 0; i < count; i++)
		for (int j = 0; j < events[i]->n_guards; j++)
		{
			Guard *guard = &guards.list[guards.count++];
			IntakeSlice guard_slice;

			guard->event = events[i];
			guard_slice = intake_digest_slice(&events[i]->guards[j]);
			guard->key = intake_key_row_make(-events[i]->source_id, &guard_slice, 1);
		}
	return guards;
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
	Guards guards;

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
	guards = make_guards(events, count);
	if (optimistic)
		return take_free_keys(events, count, &guards);
	return take_keys(events, count, &guards);
}
