/*
 * stored.c
 *		Events that are stored already, as what comes in is compared with them.
 *
 * Such an event may have been committed a moment ago, behind the snapshot of whoever asks: a
 * snapshot of its own sees it.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/transam.h"
#include "access/xact.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "events/event_row.h"
#include "events/payload.h"
#include "events/stored.h"
#include "ground/compat.h"
#include "ground/datum.h"
#include "ground/intake.h"
#include "ground/partition.h"
#include "ground/settings.h"
#include "ground/table.h"
#include "verify/scheme.h"

#define COMPARISONS 10 /* of bodies in a second */

static bool
glance_at_row(int64 id, const IntakePartition *partition, IntakeGlance *glance)
{
	IntakeScan scan;
	ScanKeyData key;
	bool found;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(id));
	intake_table_scan_begin(&scan, partition->oid, NULL, &key, 1);
	found = intake_table_scan_next(&scan);
	if (found)
	{
		Datum *row = scan.slot->tts_values;

		glance->received_at = DatumGetTimestampTz(INTAKE_COLUMN(row, event_received_at));
		glance->verified = DatumGetChar(INTAKE_COLUMN(row, event_verified));
		glance->type = INTAKE_ABSENT;
		if (!INTAKE_COLUMN(scan.slot->tts_isnull, event_type))
		{
			IntakeSlice type = intake_datum_bytes(INTAKE_COLUMN(row, event_type));

			glance->type = (IntakeSlice){pnstrdup(type.data, type.len), type.len};
		}
	}
	intake_table_scan_end(&scan);
	return found;
}

/* Looks at the event ID; returns false where it is gone. */
bool
intake_stored_glance(int64 id, IntakeGlance *glance)
{
	IntakePartition partition;
	bool found;

	PushActiveSnapshot(GetLatestSnapshot());
	found =
		intake_partition_find_surely(INTAKE_PARTITIONED_EVENT, id, AccessShareLock, &partition) &&
		glance_at_row(id, &partition, glance);
	PopActiveSnapshot();
	return found;
}

/* What this process has read lately of when events came. */
typedef struct Memory
{
	int64 id;
	TimestampTz received_at;
	uint64 at; /* so many transactions had changed something by then */
} Memory;

#define MEMORIES 4096

/*
 * When the event ID came; returns false where it is gone. In a storm of repetitions nothing is
 * written: as long as no transaction has changed anything, neither has what was read before.
 */
bool
intake_stored_received_at(int64 id, TimestampTz *received_at)
{
	static Memory memories[MEMORIES];
	Memory *memory = &memories[id % MEMORIES];
	uint64 now = TransamVariables->xactCompletionCount;
	IntakeGlance glance;

	if (memory->id == id && memory->at == now && !TransactionIdIsValid(GetTopTransactionIdIfAny()))
	{
		*received_at = memory->received_at;
		return true;
	}
	if (!intake_stored_glance(id, &glance))
		return false;
	*received_at = glance.received_at;
	*memory = (Memory){id, glance.received_at, now};
	return true;
}

/* A stored body, with what says how it is to be read. */
static IntakeRequest
request_of(Jsonb *headers, IntakeSlice body)
{
	return (IntakeRequest){.headers = intake_payload_head(headers),
						   .body = body,
						   .most = (size_t) intake_settings_max_body_size * 1024};
}

/*
 * Sets *SAME to whether the event ID has the body of EVENT, but for what changes between tries;
 * returns false where it is gone. Both may have to be unpacked.
 */
bool
intake_stored_compare(int64 id, const IntakeEvent *event, bool *same)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext context =
		AllocSetContextCreate(outer, "pg_intake comparing", ALLOCSET_SMALL_SIZES);
	IntakeStoredEvent stored;
	bool found;

	MemoryContextSwitchTo(context);
	PushActiveSnapshot(GetLatestSnapshot());
	found = intake_event_row_read(id, &stored);
	if (found)
	{
		IntakeRequest one = request_of(event->headers, intake_event_body(event));
		IntakeRequest other = request_of(stored.headers, intake_datum_bytes(stored.body));

		one.json = event->json;
		*same = intake_volatile_same(event->volatiles, &one, &other);
	}
	PopActiveSnapshot();
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
	return found;
}

/* Whether one more event may be compared now: a storm of repetitions is not to be slowed down. */
static bool
may_compare(void)
{
	static TimestampTz second = 0;
	static int count = 0;
	TimestampTz now = GetCurrentTransactionStartTimestamp();

	if (now < second || now - second >= USECS_PER_SEC)
	{
		second = now;
		count = 0;
	}
	return count++ < COMPARISONS;
}

/*
 * Whether an event that came again under its sender's own id is stored with another body, as far as
 * there is time to compare them. One that was fetched was not written by its sender.
 */
bool
intake_stored_differs(const IntakeEvent *event)
{
	IntakeGlance glance;
	bool same;

	return !event->fresh && !event->replayed && event->id != 0 &&
		   event->key_window == INTAKE_FOR_EVER && may_compare() &&
		   intake_stored_glance(event->id, &glance) && glance.verified != INTAKE_VERIFIED_FETCHED &&
		   intake_stored_compare(event->id, event, &same) && !same;
}
