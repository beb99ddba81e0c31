/*
 * delivery.c
 *		Deliveries that have many events, and these.
 *
 * The delivery is stored as it came, as an event without jobs, and each of its items as an event with
 * the bytes of the item as its body. They are all there, or none is.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "events/delivery.h"
#include "events/key_row.h"
#include "events/stored.h"
#include "ground/intake.h"

static Jsonb *
no_headers(void)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* The key of an item without one: that of its delivery, and its place there. */
static void
make_key(IntakeEvent *event)
{
	event->key = intake_slice_cstr(psprintf("%.*s/%d", (int) event->delivery->key.len,
											event->delivery->key.data, event->position));
	event->stored_key = intake_key_row_make(event->source_id, &event->key, 1);
	event->key_window = event->delivery->key_window;
}

/* What an item is as an event. */
static void
fill(IntakeEvent *event, IntakeEvent *delivery, int place, Jsonb *headers)
{
	const IntakeItem *item = &delivery->items[place];

	event->source_id = delivery->source_id;
	event->source_name = delivery->source_name;
	event->secret_id = delivery->secret_id;
	event->verified = delivery->verified;
	event->replay_dead = delivery->replay_dead;
	event->volatiles = delivery->item_volatiles;
	event->delivery = delivery;
	event->position = place + 1;
	event->headers = headers;
	event->json = delivery->json == INTAKE_JSON_HELD ? INTAKE_JSON_HELD : INTAKE_JSON_UNKNOWN;
	event->type = item->type;
	event->key = item->key;
	event->stored_key = item->stored_key;
	event->key_window = item->key_window;
	event->keyless = item->key.data == NULL && delivery->keyless;
	if (item->key.data == NULL && !delivery->keyless)
		make_key(event);
}

/* All events, in the order in which they came: each delivery with its items behind it. */
IntakeEvent **
intake_delivery_unfold(IntakeEvent **events, int *count)
{
	Jsonb *headers = NULL;
	IntakeEvent **all;
	int items = 0;
	int n = 0;

	for (int i = 0; i < *count; i++)
		items += events[i]->n_items;
	if (items == 0)
		return events;
	headers = no_headers();
	all = palloc((*count + items) * sizeof(IntakeEvent *));
	for (int i = 0; i < *count; i++)
	{
		IntakeEvent *list = NULL;

		all[n++] = events[i];
		if (events[i]->n_items > 0)
			list = palloc0(events[i]->n_items * sizeof(IntakeEvent));
		for (int j = 0; j < events[i]->n_items; j++)
		{
			fill(&list[j], events[i], j, headers);
			all[n++] = &list[j];
		}
	}
	*count = n;
	return all;
}

/*
 * Notes, in their deliveries, items whose keys stand for events with other bodies. What was stored is
 * visible.
 */
void
intake_delivery_compare(IntakeEvent **events, int count)
{
	for (int i = 0; i < count; i++)
	{
		IntakeEvent *delivery = events[i]->delivery;

		if (delivery == NULL || !delivery->fresh || delivery->other_id != 0 ||
			!intake_stored_differs(events[i]))
			continue;
		delivery->other_id = events[i]->id;
		delivery->other_position = events[i]->position;
	}
}
