/*
 * event_row.c
 *		Reading a stored event; the last one is kept for the jobs of it that come next.
 *
 * An event that is for many workflows has many jobs, and these run one behind the other. So who reads
 * it for a job, and knows that more of them come, keeps it with its payload. What is kept is what the
 * bytes of the row say, and nothing else. It is used as long as the active snapshot sees a row with
 * these bytes where that one was: whether the partition was detached, dropped or truncated, or the row
 * is another one, the log itself says so. Otherwise the event is read anew.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "events/event_row.h"
#include "events/payload.h"
#include "ground/datum.h"
#include "ground/intake.h"
#include "ground/partition.h"
#include "ground/table.h"

#define LARGE (256 * 1024) /* bytes of a body that is not read with its row */
#define SMALL (64 * 1024)  /* bytes of an event, with its payload, that is kept */

/*
 * The name of a source, dropped ones too. It never changes while the source is there, and the
 * last one asked for is kept; a number is not given twice.
 */
static const char *
source_name(int32 id)
{
	static int32 last = -1;
	static char name[NAMEDATALEN * 2];
	IntakeScan scan;
	ScanKeyData key;

	if (id == INTAKE_SOURCE_INTERNAL)
		return INTAKE_SCHEMA;
	if (id == last)
		return name;
	last = -1;
	name[0] = '\0';
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(id));
	intake_table_scan_begin(&scan, intake_table_oid("source"), NULL, &key, 1);
	if (intake_table_scan_next(&scan))
	{
		strlcpy(name, TextDatumGetCString(INTAKE_COLUMN(scan.slot->tts_values, source_name)),
				sizeof(name));
		last = id;
	}
	intake_table_scan_end(&scan);
	return name;
}

/*
 * A body that was read, copied into the current context. Of a large one only where it is stored: that
 * stays as long as the snapshot is active and the lock on the table is held.
 */
static Datum
keep_body(Datum body)
{
	struct varlena *value = (struct varlena *) DatumGetPointer(body);

	if (VARATT_IS_EXTERNAL_ONDISK(value) && toast_raw_datum_size(body) >= LARGE)
		return datumCopy(body, false, -1);
	return PointerGetDatum(DatumGetByteaPCopy(body));
}

/* Takes an event out of its row, copied into the current context. */
static void
take_columns(const TupleTableSlot *slot, IntakeStoredEvent *event)
{
	Datum *row = slot->tts_values;
	bool *nulls = slot->tts_isnull;

	event->id = DatumGetInt64(INTAKE_COLUMN(row, event_id));
	event->source_id = DatumGetInt32(INTAKE_COLUMN(row, event_source_id));
	event->received_at = DatumGetTimestampTz(INTAKE_COLUMN(row, event_received_at));
	event->key = TextDatumGetCString(INTAKE_COLUMN(row, event_key));
	if (!INTAKE_COLUMN(nulls, event_type))
		event->type = TextDatumGetCString(INTAKE_COLUMN(row, event_type));
	event->headers = DatumGetJsonbPCopy(INTAKE_COLUMN(row, event_headers));
	event->body = keep_body(INTAKE_COLUMN(row, event_body));
	if (!INTAKE_COLUMN(nulls, event_delivery_id))
		event->delivery_id = DatumGetInt64(INTAKE_COLUMN(row, event_delivery_id));
	if (!INTAKE_COLUMN(nulls, event_position))
		event->position = DatumGetInt32(INTAKE_COLUMN(row, event_position));
	event->source = source_name(event->source_id);
}

/* Reads an event as below; where COPY is not NULL, it receives the row, palloc'ed, too. */
static bool
read_row(int64 id, IntakeStoredEvent *event, HeapTuple *copy)
{
	IntakePartition partition;
	IntakeScan scan;
	ScanKeyData key;
	bool found;

	memset(event, 0, sizeof(*event));
	if (!intake_partition_find_surely(INTAKE_PARTITIONED_EVENT, id, AccessShareLock, &partition))
		return false;
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(id));
	intake_table_scan_begin(&scan, partition.oid, NULL, &key, 1);
	found = intake_table_scan_next(&scan);
	if (found)
		take_columns(scan.slot, event);
	if (found && copy != NULL)
		*copy = ExecCopySlotHeapTuple(scan.slot);
	intake_table_scan_end(&scan);
	return found;
}

/*
 * Reads a stored event, copied into the current context. Returns false, with everything
 * empty, where it is not there.
 */
bool
intake_event_row_read(int64 id, IntakeStoredEvent *event)
{
	return read_row(id, event, NULL);
}

/* ---- the last one ---- */

static struct
{
	MemoryContext context; /* of what it points to */
	HeapTuple row;         /* NULL: none is kept */
	IntakeStoredEvent event;
	Jsonb *payload;
} kept;

/* Whether two rows of one table say the same, whoever has inserted or deleted them. */
static bool
same_row(HeapTuple one, HeapTuple other)
{
	const Size from = offsetof(HeapTupleHeaderData, t_bits);

	return one->t_len == other->t_len && one->t_data->t_hoff == other->t_data->t_hoff &&
		   HeapTupleHeaderGetNatts(one->t_data) == HeapTupleHeaderGetNatts(other->t_data) &&
		   HeapTupleNoNulls(one) == HeapTupleNoNulls(other) &&
		   memcmp((char *) one->t_data + from, (char *) other->t_data + from, one->t_len - from) ==
			   0;
}

/* Whether the row that is kept is where it was. */
static bool
is_there(void)
{
	IntakePartition partition;
	IntakeScan scan;
	bool same = false;

	if (!intake_partition_find_surely(INTAKE_PARTITIONED_EVENT, kept.event.id, AccessShareLock,
									  &partition) ||
		partition.oid != kept.row->t_tableOid)
		return false;
	if (intake_table_scan_place(&scan, partition.oid, &kept.row->t_self))
		same = same_row(ExecFetchSlotHeapTuple(scan.slot, false, &(bool){false}), kept.row);
	intake_table_scan_end(&scan);
	return same;
}

static Jsonb *
copy_jsonb(const Jsonb *value)
{
	return memcpy(palloc(VARSIZE(value)), value, VARSIZE(value));
}

/* Copies what is the same for all jobs of an event into the current context. */
static void
copy(const IntakeStoredEvent *event, const Jsonb *payload, IntakeStoredEvent *copy_of_event,
	 Jsonb **copy_of_payload)
{
	*copy_of_event = *event;
	copy_of_event->key = pstrdup(event->key);
	copy_of_event->type = event->type ? pstrdup(event->type) : NULL;
	copy_of_event->headers = copy_jsonb(event->headers);
	copy_of_event->body = datumCopy(event->body, false, -1);
	copy_of_event->source = source_name(event->source_id);
	*copy_of_payload = payload ? copy_jsonb(payload) : NULL;
}

/*
 * Whether an event may be kept: it is small, and its payload is what the body says by itself, whatever
 * is configured.
 */
static bool
may_keep(const IntakeStoredEvent *event, const Jsonb *payload)
{
	return !VARATT_IS_EXTERNAL(DatumGetPointer(event->body)) &&
		   VARSIZE(DatumGetPointer(event->body)) + VARSIZE(event->headers) +
				   (payload ? VARSIZE(payload) : 0) <=
			   SMALL &&
		   intake_payload_is_json(intake_datum_bytes(event->body));
}

/* Keeps an event, whose ROW is palloc'ed, in place of the one that was kept. */
static void
keep(HeapTuple row, const IntakeStoredEvent *event, const Jsonb *payload)
{
	MemoryContext old;

	kept.row = NULL;
	if (kept.context == NULL)
		kept.context =
			AllocSetContextCreate(TopMemoryContext, "pg_intake last event", ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(kept.context);
	old = MemoryContextSwitchTo(kept.context);
	copy(event, payload, &kept.event, &kept.payload);
	kept.row = heap_copytuple(row);
	MemoryContextSwitchTo(old);
}

/*
 * Reads an event with its payload, which may be NULL, for a job. With MORE, further jobs of it come
 * next.
 */
bool
intake_event_row_read_for_job(int64 id, bool more, IntakeStoredEvent *event, Jsonb **payload)
{
	HeapTuple row = NULL;

	if (kept.row != NULL && id == kept.event.id && is_there())
	{
		copy(&kept.event, kept.payload, event, payload);
		return true;
	}
	if (!read_row(id, event, more ? &row : NULL))
		return false;
	*payload = intake_payload_of_stored(event, CurrentMemoryContext);
	if (more && may_keep(event, *payload))
		keep(row, event, *payload);
	return true;
}
