/*
 * event_key.c
 *		One event per source and key.
 *
 * In the table event_key a digest stands for source and key, of half their size: most of what an
 * event costs beyond its own row is the page of the index where its key belongs. The first bytes
 * of the key stand before the digest, so that keys that come in order stay in the same few pages.
 *
 * Two transactions that store the same keys would wait for each other if they took them in
 * different orders; so guards are taken before keys, and each in the order of the index.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

#include "events/event_key.h"
#include "ground/intake.h"
#include "ground/table.h"
#include "queue/room.h"
#include "verify/digest.h"

#define PROBING_CALLS 100 /* that look for keys first, after the last duplicate */

PG_FUNCTION_INFO_V1(intake_sql_event_of);

static IntakeEventKey
make_key(int32 source_id, IntakeSlice key)
{
	uint32 source = pg_hton32((uint32) source_id);
	IntakeSlice parts[] = {{(const char *) &source, sizeof(source)}, key};
	IntakeDigest digest;
	uint64 head = 0;
	IntakeEventKey made = {0};

	if (!intake_digest_plain(INTAKE_SHA256, parts, lengthof(parts), &digest))
		ereport(ERROR, (errcode(ERRCODE_SYSTEM_ERROR), errmsg("libcrypto cannot digest a key")));
	memcpy(&head, key.data, Min(key.len, sizeof(head)));
	made.head = (int64) pg_ntoh64(head);
	memcpy(made.digest.data, digest.bytes, UUID_LEN);
	return made;
}

static int
compare_keys(const IntakeEventKey *left, const IntakeEventKey *right)
{
	if (left->head != right->head)
		return left->head < right->head ? -1 : 1;
	return memcmp(left->digest.data, right->digest.data, UUID_LEN);
}

static int
by_key(const void *a, const void *b)
{
	return compare_keys(&(*(IntakeEvent *const *) a)->stored_key,
						&(*(IntakeEvent *const *) b)->stored_key);
}

static int
by_guard(const void *a, const void *b)
{
	return compare_keys(&(*(IntakeEvent *const *) a)->stored_guard,
						&(*(IntakeEvent *const *) b)->stored_guard);
}

/* The columns of a row of event_key. */
static void
fill_key(Datum *values, const IntakeEventKey *key, int64 event_id)
{
	INTAKE_COLUMN(values, event_key_event_id) = Int64GetDatum(event_id);
	INTAKE_COLUMN(values, event_key_head) = Int64GetDatum(key->head);
	INTAKE_COLUMN(values, event_key_digest) = UUIDPGetDatum(&key->digest);
}

/* The event that has a key; 0 where there is none. Waits for who is just taking it. */
static int64
find_key(IntakeTable *keys, const IntakeEventKey *key)
{
	Datum values[Natts_event_key];
	bool nulls[Natts_event_key] = {0};
	ItemPointerData conflict;

	fill_key(values, key, 0);
	while (intake_table_conflicts(keys, values, nulls, &conflict))
	{
		CHECK_FOR_INTERRUPTS();
		/* The row may go again before we read it; then the key is free after all. */
		if (intake_table_fetch(keys, &conflict))
			return DatumGetInt64(INTAKE_COLUMN(keys->slot->tts_values, event_key_event_id));
	}
	return 0;
}

/*
 * Takes a key for the event *ID, which is made where it is 0. Returns false, with the id of
 * the event that has the key, where it is taken.
 */
static bool
take_key(IntakeTable *keys, const IntakeEventKey *key, int64 *id)
{
	Datum values[Natts_event_key];
	bool nulls[Natts_event_key] = {0};

	for (;;)
	{
		int64 taken = find_key(keys, key);

		if (taken != 0)
		{
			*id = taken;
			return false;
		}
		if (*id == 0)
			*id = intake_table_next_id("event_id_seq");
		fill_key(values, key, *id);
		if (intake_table_insert_unique(keys, values, nulls))
			return true;
	}
}

/*
 * Takes the guards of the events that are not there yet: content that came before under
 * another key is not stored once more. Guards are rows of event_key with the source negated.
 */
static void
take_guards(IntakeTable *keys, IntakeEvent **events, int count)
{
	IntakeEvent **guarded = palloc((count + 1) * sizeof(IntakeEvent *));
	int n = 0;

	for (int i = 0; i < count; i++)
		if (events[i]->guard.data != NULL && find_key(keys, &events[i]->stored_key) == 0)
			guarded[n++] = events[i];
	qsort(guarded, n, sizeof(IntakeEvent *), by_guard);
	for (int i = 0; i < n; i++)
		guarded[i]->replayed = !take_key(keys, &guarded[i]->stored_guard, &guarded[i]->id);
}

/* Two deliveries of one event at a time are not a replay. */
static void
forgive(IntakeTable *keys, IntakeEvent **events, int count)
{
	for (int i = 0; i < count; i++)
		if (events[i]->replayed && find_key(keys, &events[i]->stored_key) != 0)
			events[i]->replayed = false;
}

/* Gives the events their ids: new ones, or those of the events which have their keys already. */
static void
take_keys(IntakeEvent **events, int count)
{
	IntakeTable keys;

	intake_table_open(&keys, intake_table_oid("event_key"));
	take_guards(&keys, events, count);
	for (int i = 0; i < count; i++)
		events[i]->fresh =
			!events[i]->replayed && take_key(&keys, &events[i]->stored_key, &events[i]->id);
	forgive(&keys, events, count);
	intake_table_close(&keys);
}

static void
add_key(IntakeTable *keys, const IntakeEventKey *key, int64 event_id)
{
	Datum values[Natts_event_key];
	bool nulls[Natts_event_key] = {0};

	fill_key(values, key, event_id);
	intake_table_add(keys, values, nulls, NULL);
}

/* Sets fresh of the events that are not there yet, and id and replayed of the others. */
static void
find_events(IntakeTable *keys, IntakeEvent **events, int count)
{
	for (int i = 0; i < count; i++)
	{
		events[i]->id = find_key(keys, &events[i]->stored_key);
		events[i]->fresh = events[i]->id == 0;
		if (!events[i]->fresh || events[i]->guard.data == NULL)
			continue;
		events[i]->id = find_key(keys, &events[i]->stored_guard);
		events[i]->fresh = events[i]->id == 0;
		events[i]->replayed = !events[i]->fresh;
	}
	forgive(keys, events, count);
}

/*
 * The same as take_keys, faster: inserts all keys at once. Returns false when one of them was
 * taken, or is there twice: the caller undoes this, and calls take_keys. Where that happened not
 * long ago, what is there already is looked for first.
 */
static bool
take_free_keys(IntakeEvent **events, int count)
{
	static int probing = 0; /* so many calls look first */
	IntakeTable keys;
	bool known = false;
	bool free;

	intake_table_open(&keys, intake_table_oid("event_key"));
	keys.grows = true;
	if (probing > 0)
		find_events(&keys, events, count);
	for (int i = 0; i < count; i++)
	{
		events[i]->fresh |= probing == 0;
		known |= !events[i]->fresh;
		if (!events[i]->fresh)
			continue;
		events[i]->id = intake_table_next_id("event_id_seq");
		add_key(&keys, &events[i]->stored_key, events[i]->id);
		if (events[i]->guard.data != NULL)
			add_key(&keys, &events[i]->stored_guard, events[i]->id);
	}
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

/*
 * Takes the keys and guards of COUNT events, and sorts EVENTS. Sets id, fresh and replayed of each.
 * An event without a key comes alone.
 *
 * OPTIMISTIC is faster, and may return false: then one of the keys is taken, and the caller undoes
 * everything and calls again, without that.
 */
bool
intake_event_key_take(IntakeEvent **events, int count, bool optimistic)
{
	if (count == 1 && events[0]->key.data == NULL)
	{
		make_own_key(events[0]);
		return true;
	}
	for (int i = 0; i < count; i++)
	{
		IntakeEvent *event = events[i];

		event->id = 0;
		event->fresh = event->replayed = false;
		event->stored_key = make_key(event->source_id, event->key);
		if (event->guard.data != NULL)
			event->stored_guard = make_key(-event->source_id, event->guard);
	}
	qsort(events, count, sizeof(IntakeEvent *), by_key);
	if (optimistic)
		return take_free_keys(events, count);
	take_keys(events, count);
	return true;
}

/* SQL: intake.event_of(source_id, key). */
Datum
intake_sql_event_of(PG_FUNCTION_ARGS)
{
	text *name = PG_GETARG_TEXT_PP(1);
	IntakeEventKey key =
		make_key(PG_GETARG_INT32(0), (IntakeSlice){VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)});
	ScanKeyData keys[2];
	IntakeScan scan;
	int64 event_id = 0;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(key.head));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(&key.digest));
	intake_table_scan_begin(&scan, intake_table_oid("event_key"), NULL, keys, lengthof(keys));
	if (intake_table_scan_next(&scan))
		event_id = DatumGetInt64(INTAKE_COLUMN(scan.slot->tts_values, event_key_event_id));
	intake_table_scan_end(&scan);
	if (event_id == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(event_id);
}
