/*
 * split.c
 *		A delivery that has many events: its items, each of which is an event by itself.
 *
 * One odd delivery must not make its sender give up. Where items cannot be told, the delivery is one
 * event, as a whole, with its jobs; an item without a key that can be used is known by the digest of
 * its delivery and by its place there; and a type that cannot be stored is none.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "events/key_row.h"
#include "ground/datum.h"
#include "ground/intake.h"
#include "read/items.h"
#include "read/work.h"
#include "receive/extract.h"
#include "receive/split.h"
#include "verify/key_parts.h"
#include "verify/volatile.h"

#define SPLIT_FACTOR 64 /* units of work for each byte: paths and places are read one by one */

/* Says why a delivery is kept whole, where that is not what its source expects. */
static void
note_whole(IntakeDelivery *delivery, IntakeItemsFound found)
{
	switch (found)
	{
		case INTAKE_ITEMS_TOO_MANY:
			delivery->reason = "too_many_items";
			delivery->detail =
				psprintf("it has more than %d; it is stored as one event", INTAKE_ITEMS_MOST);
			break;
		case INTAKE_ITEMS_AMBIGUOUS:
			delivery->reason = "ambiguous_items";
			delivery->detail =
				"a name on the way to them is there twice; it is stored as one event";
			break;
		case INTAKE_ITEMS_TOO_COSTLY:
			delivery->reason = "too_costly_items";
			delivery->detail = "finding them costs too much; it is stored as one event";
			break;
		default:
			break;
	}
}

/*
 * The digest of an item, which REQUEST has as its body, without the places that change between tries.
 * A word before it keeps it from being that of a whole body, which may be what an item is, too.
 */
static IntakeSlice
digest_of(const IntakeScheme *scheme, const IntakeRequest *request)
{
	IntakeSlice parts[] = {intake_slice_cstr("item:"),
						   intake_volatile_cut(&scheme->item_volatiles, request)};
	IntakeDigest digest;
	char *hex = palloc(2 * INTAKE_DIGEST_MAX + 1);

	if (!intake_digest_plain(INTAKE_SHA256, parts, lengthof(parts), &digest))
		ereport(ERROR, (errcode(ERRCODE_SYSTEM_ERROR), errmsg("libcrypto cannot digest an item")));
	intake_encoding_hex(digest.bytes, digest.len, hex);
	return intake_slice_cstr(hex);
}

/* Reads the key of an item, which REQUEST has as its body. It stays without one that can be used. */
static void
read_key(const IntakeSource *source, const IntakeScheme *scheme, const IntakeRequest *request,
		 IntakeItem *item)
{
	IntakeKeyParts parts;

	if (!intake_extract_parts(source->profile->item_key, request, &parts))
		return;
	if (intake_key_parts_have_digest(&parts))
		intake_key_parts_put_digest(&parts, digest_of(scheme, request));
	item->key = intake_key_parts_join(parts.values, parts.count);
	if (item->key.len > INTAKE_MAX_KEY)
	{
		item->key = INTAKE_ABSENT;
		return;
	}
	item->stored_key = intake_key_row_make(source->id, parts.values, parts.count);
	item->key_window = intake_extract_window(source, &parts, true);
}

/* Reads what the items of a delivery are as events. Returns false where that costs too much. */
static bool
read_items(IntakeDelivery *delivery, const IntakeScheme *scheme, const IntakePieces *pieces)
{
	const IntakeSource *source = delivery->source;
	IntakeItem *items = palloc0(pieces->count * sizeof(IntakeItem));
	IntakeRequest request = delivery->request;

	/* An item is all that is read, and it is neither packed nor a form. */
	request.unpacked = request.content = request.text = request.form = INTAKE_ABSENT;
	for (int i = 0; i < pieces->count; i++)
	{
		if (intake_work_over())
			return false;
		items[i].body = request.body = pieces->list[i].bytes;
		/* An id in the rest is none of an event: it may be that of an account. */
		if (!pieces->list[i].rest)
			read_key(source, scheme, &request, &items[i]);
		items[i].type = intake_extract_text(source->profile->item_type, &request);
		if (items[i].type.len > INTAKE_MAX_TYPE)
			items[i].type = INTAKE_ABSENT;
	}
	delivery->event.items = items;
	delivery->event.item_volatiles = &scheme->item_volatiles;
	delivery->event.n_items = pieces->count;
	return true;
}

/*
 * Finds the items of a delivery that SCHEME has verified, and what they are as events. Returns false where it is one
 * event, as a whole. What that may cost is beside what verifying has cost.
 */
bool
intake_split_delivery(IntakeDelivery *delivery, const IntakeScheme *scheme)
{
	const IntakeRequest *request = &delivery->request;
	IntakeSlice text = intake_request_text(request);
	uint64_t spent = intake_work.spent;
	IntakeItemsFound found = INTAKE_ITEMS_NONE;
	IntakePieces pieces;

	intake_work.limit = spent + (text.len + INTAKE_WORK_FREE) * SPLIT_FACTOR;
	if (request->json == INTAKE_JSON_TEXT || request->json == INTAKE_JSON_HELD)
		found = intake_items_find(delivery->source->profile->split, text, &pieces);
	if (found == INTAKE_ITEMS_FOUND && !read_items(delivery, scheme, &pieces))
		found = INTAKE_ITEMS_TOO_COSTLY;
	intake_work.spent = spent;
	note_whole(delivery, found);
	return found == INTAKE_ITEMS_FOUND;
}

/* A slice that stays as long as a body does, in which it may stand. */
static IntakeSlice
keep(IntakeSlice slice, IntakeSlice body)
{
	if (slice.data == NULL || (slice.data >= body.data && slice.data < body.data + body.len))
		return slice;
	return (IntakeSlice){memcpy(palloc(slice.len + 1), slice.data, slice.len), slice.len};
}

/* Copies the items of a delivery, into a context of their own. */
void
intake_split_keep(IntakeDelivery *delivery)
{
	IntakeEvent *event = &delivery->event;
	MemoryContext old;
	IntakeItem *items;
	IntakeSlice body;

	if (event->n_items == 0)
		return;
	delivery->items =
		AllocSetContextCreate(CurrentMemoryContext, "pg_intake items", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(delivery->items);
	/* That of the request may have been unpacked while it was judged. */
	body = intake_datum_bytes(event->body);
	items = palloc(event->n_items * sizeof(IntakeItem));
	for (int i = 0; i < event->n_items; i++)
	{
		items[i] = event->items[i];
		items[i].body = keep(items[i].body, body);
		items[i].key = keep(items[i].key, body);
		items[i].type = keep(items[i].type, body);
	}
	event->items = items;
	MemoryContextSwitchTo(old);
}

/* How much memory they take up. */
size_t
intake_split_size(const IntakeDelivery *delivery)
{
	return delivery->items ? MemoryContextMemAllocated(delivery->items, true) : 0;
}

/* Gives it back. */
void
intake_split_release(IntakeDelivery *delivery)
{
	if (delivery->items == NULL)
		return;
	MemoryContextDelete(delivery->items);
	delivery->items = NULL;
	delivery->event.items = NULL;
}
