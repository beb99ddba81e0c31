/*
 * key_row.c
 *		Rows of the table event_key: what stands for a source and a key, and its event.
 *
 * A digest stands for source and key, of half their size: most of what an event costs beyond its
 * own row is the page of the index where its key belongs. The first bytes of the key stand before
 * the digest, so that keys that come in order stay in the same few pages.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/array.h"
#include "utils/fmgroids.h"

#include "events/key_row.h"
#include "events/stored.h"
#include "ground/datum.h"
#include "ground/intake.h"
#include "verify/key_parts.h"

PG_FUNCTION_INFO_V1(intake_sql_event_of);

/* What stands for a source and a key of COUNT parts, which are absent or not. */
IntakeEventKey
intake_key_row_make(int32 source_id, const IntakeSlice *parts, int count)
{
	IntakeSlice key = intake_key_parts_join(parts, count);
	IntakeDigest digest;
	uint64 head = 0;
	IntakeEventKey made = {0};

	if (!intake_key_parts_identify(source_id, parts, count, &digest))
		ereport(ERROR, (errcode(ERRCODE_SYSTEM_ERROR), errmsg("libcrypto cannot digest a key")));
	memcpy(&head, key.data, Min(key.len, sizeof(head)));
	made.head = (int64) pg_ntoh64(head);
	memcpy(made.digest.data, digest.bytes, UUID_LEN);
	return made;
}

/* The order of the index. */
int
intake_key_row_compare(const IntakeEventKey *left, const IntakeEventKey *right)
{
	if (left->head != right->head)
		return left->head < right->head ? -1 : 1;
	return memcmp(left->digest.data, right->digest.data, UUID_LEN);
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
int64
intake_key_row_find(IntakeTable *keys, const IntakeEventKey *key)
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
 * Whether the row that was just read stands for its event no more: that came longer ago than WINDOW,
 * in microseconds, or is gone. The event of a row of this transaction may not be stored yet.
 */
static bool
is_over(IntakeTable *keys, int64 event_id, int64 window)
{
	TimestampTz received_at;

	if (window == INTAKE_FOR_EVER || intake_table_is_own(keys))
		return false;
	return window == 0 || !intake_stored_received_at(event_id, &received_at) ||
		   GetCurrentTransactionStartTimestamp() - received_at >= window;
}

/*
 * How a key stands that does so for WINDOW, and the event that it stands, or stood, for; 0 where it is
 * free. Waits for who is just taking it. Its row is in KEYS' slot.
 */
IntakeKeyState
intake_key_row_look(IntakeTable *keys, const IntakeEventKey *key, int64 window, int64 *id)
{
	*id = intake_key_row_find(keys, key);
	if (*id == 0)
		return INTAKE_KEY_FREE;
	return is_over(keys, *id, window) ? INTAKE_KEY_OVER : INTAKE_KEY_TAKEN;
}

/*
 * Takes a key for the event *ID, which is made where it is 0. Returns false, with the id of
 * the event that has the key, where it is taken. Of two that take a key whose window is over, the
 * second waits for the first, and sees its event.
 */
bool
intake_key_row_take(IntakeTable *keys, const IntakeEventKey *key, int64 window, int64 *id)
{
	Datum values[Natts_event_key];
	bool nulls[Natts_event_key] = {0};

	for (;;)
	{
		int64 other;
		IntakeKeyState state = intake_key_row_look(keys, key, window, &other);

		CHECK_FOR_INTERRUPTS();
		if (state == INTAKE_KEY_TAKEN)
		{
			*id = other;
			return false;
		}
		if (state == INTAKE_KEY_OVER && !intake_table_remove(keys, true))
			continue;
		if (*id == 0)
			*id = intake_table_next_id("event_id_seq");
		fill_key(values, key, *id);
		if (intake_table_insert_unique(keys, values, nulls))
			return true;
	}
}

/* Puts a key for an event where this transaction has removed it. */
void
intake_key_row_put(IntakeTable *keys, const IntakeEventKey *key, int64 event_id)
{
	Datum values[Natts_event_key];
	bool nulls[Natts_event_key] = {0};

	fill_key(values, key, event_id);
	intake_table_insert(keys, values, nulls);
}

/* Adds a key to those that are inserted together, at intake_table_flush. */
void
intake_key_row_add(IntakeTable *keys, const IntakeEventKey *key, int64 event_id)
{
	Datum values[Natts_event_key];
	bool nulls[Natts_event_key] = {0};

	fill_key(values, key, event_id);
	intake_table_add(keys, values, nulls, NULL);
}

/* The events that have keys in what the active snapshot sees; 0 where there is none. Waits for nobody. */
void
intake_key_row_read(const IntakeEventKey *keys, int count, int64 *ids)
{
	ScanKeyData scan_keys[2];
	IntakeScan scan;

	for (int i = 0; i < count; i++)
	{
		ScanKeyInit(&scan_keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(keys[i].head));
		ScanKeyInit(&scan_keys[1], 2, BTEqualStrategyNumber, F_UUID_EQ,
					UUIDPGetDatum(&keys[i].digest));
		if (i == 0)
			intake_table_scan_begin(&scan, intake_table_oid("event_key"), NULL, scan_keys, 2);
		else
			intake_table_scan_again(&scan, scan_keys, 2);
		ids[i] = 0;
		if (intake_table_scan_next(&scan))
			ids[i] = DatumGetInt64(INTAKE_COLUMN(scan.slot->tts_values, event_key_event_id));
	}
	if (count > 0)
		intake_table_scan_end(&scan);
}

/* The parts of a key that an array of texts names. Returns how many, or 0 where no key has them. */
static int
parts_of(ArrayType *array, IntakeSlice *parts)
{
	Datum *texts;
	bool *nulls;
	int count;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &texts, &nulls, &count);
	if (count > INTAKE_KEY_PARTS_MAX || count == 0 || nulls[0])
		return 0;
	for (int i = 0; i < count; i++)
		parts[i] = nulls[i] ? INTAKE_ABSENT : intake_datum_bytes(texts[i]);
	return count;
}

/* SQL: intake.event_of(source_id, VARIADIC key). */
Datum
intake_sql_event_of(PG_FUNCTION_ARGS)
{
	IntakeSlice parts[INTAKE_KEY_PARTS_MAX];
	int count = parts_of(PG_GETARG_ARRAYTYPE_P(1), parts);
	IntakeEventKey key;
	int64 event_id;

	if (count == 0)
		PG_RETURN_NULL();
	key = intake_key_row_make(PG_GETARG_INT32(0), parts, count);
	intake_key_row_read(&key, 1, &event_id);
	if (event_id == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(event_id);
}
