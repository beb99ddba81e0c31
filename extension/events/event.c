/*
 * event.c
 *		Storing events, each once, with one job for each matching workflow.
 */
#include "postgres.h"

#include "access/heaptoast.h"
#include "access/toast_internals.h"
#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "config/workflows.h"
#include "events/delivery.h"
#include "events/event.h"
#include "events/event_key.h"
#include "events/key_row.h"
#include "events/match.h"
#include "events/payload.h"
#include "events/rearm.h"
#include "events/trouble.h"
#include "ground/datum.h"
#include "ground/duration.h"
#include "ground/intake.h"
#include "ground/partition.h"
#include "ground/table.h"
#include "queue/room.h"
#include "verify/scheme.h"

#define TOGETHER (1024 * 1024) /* bytes of bodies */

PG_FUNCTION_INFO_V1(intake_sql_emit);
PG_FUNCTION_INFO_V1(intake_sql_announce);

static Datum
text_datum(IntakeSlice text)
{
	return PointerGetDatum(cstring_to_text_with_len(text.data, text.len));
}

/* The body of an event; that of an item stands in its delivery. */
IntakeSlice
intake_event_body(const IntakeEvent *event)
{
	return event->delivery ? event->delivery->items[event->position - 1].body
						   : intake_datum_bytes(event->body);
}

/*
 * The body of an event as it goes into the table. A delivery is stored beside its items, and the server
 * would spend more time on compressing it than all the rest takes: so it is, quickly, before.
 */
static Datum
body_of(const IntakeEvent *event)
{
	if (event->delivery != NULL)
		return text_datum(intake_event_body(event));
#ifdef USE_LZ4
	Datum body = PointerGetDatum(DatumGetByteaPP(event->body));

	if (event->n_items > 0 && VARSIZE_ANY_EXHDR(DatumGetPointer(body)) > TOAST_TUPLE_THRESHOLD)
	{
		Datum compressed = toast_compress_datum(body, TOAST_LZ4_COMPRESSION);

		if (DatumGetPointer(compressed) != NULL)
			return compressed;
	}
#endif
	return event->body;
}

static void
add_event(IntakeTable *table, const IntakeEvent *event)
{
	const IntakeEvent *delivery = event->n_items > 0 ? event : event->delivery;
	Datum values[Natts_event];
	bool nulls[Natts_event] = {0};

	INTAKE_COLUMN(values, event_id) = Int64GetDatum(event->id);
	INTAKE_COLUMN(values, event_received_at) =
		TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	INTAKE_COLUMN(values, event_source_id) = Int32GetDatum(event->source_id);
	INTAKE_COLUMN(values, event_secret_id) = Int32GetDatum(event->secret_id);
	INTAKE_COLUMN(nulls, event_secret_id) = event->secret_id == 0;
	INTAKE_COLUMN(values, event_verified) = CharGetDatum(event->verified);
	INTAKE_COLUMN(values, event_key) = text_datum(event->key);
	INTAKE_COLUMN(nulls, event_type) = event->type.data == NULL;
	INTAKE_COLUMN(values, event_type) = event->type.data ? text_datum(event->type) : (Datum) 0;
	INTAKE_COLUMN(values, event_headers) = JsonbPGetDatum(event->headers);
	INTAKE_COLUMN(values, event_body) = body_of(event);
	INTAKE_COLUMN(nulls, event_delivery_id) = delivery == NULL;
	INTAKE_COLUMN(values, event_delivery_id) = Int64GetDatum(delivery ? delivery->id : 0);
	INTAKE_COLUMN(nulls, event_position) = delivery == NULL;
	INTAKE_COLUMN(values, event_position) = Int32GetDatum(event->position);
	intake_table_add(table, values, nulls, NULL);
}

/*
 * Inserts those of the events that are fresh. A row has a copy of its body, so there are never more
 * of them at once than bodies of TOGETHER bytes have, or one.
 */
static void
insert_events(IntakeEvent **events, int count)
{
	MemoryContext rows =
		AllocSetContextCreate(CurrentMemoryContext, "pg_intake rows", ALLOCSET_DEFAULT_SIZES);
	IntakeTable table;
	IntakePartition open = {InvalidOid};
	size_t bytes = 0;

	for (int i = 0; i < count; i++)
	{
		int64 id = events[i]->id;
		MemoryContext old;

		if (!events[i]->fresh)
			continue;
		if (OidIsValid(open.oid) && (id < open.low || id >= open.end || bytes >= TOGETHER))
		{
			intake_table_close(&table);
			MemoryContextReset(rows);
			open.oid = InvalidOid;
			bytes = 0;
		}
		if (!OidIsValid(open.oid))
		{
			intake_partition_need(INTAKE_PARTITIONED_EVENT, id, &open);
			intake_table_open(&table, open.oid);
			table.grows = table.streams = true;
		}
		old = MemoryContextSwitchTo(rows);
		add_event(&table, events[i]);
		MemoryContextSwitchTo(old);
		bytes += intake_event_body(events[i]).len;
	}
	if (OidIsValid(open.oid))
		intake_table_close(&table);
	MemoryContextDelete(rows);
}

/* A workflow that an event is for, and the role whose executors run its jobs now. */
typedef struct Target
{
	int32 workflow_id;
	Oid role;
} Target;

/*
 * Makes one job for each workflow that the event matches. What others have had follow the rows may
 * refresh the workflows when a row is inserted, so what is needed of them is taken before that.
 */
static void
dispatch(IntakeTable *queue, const IntakeEvent *event)
{
	List *workflows = intake_match_workflows(event);
	Target *targets = palloc(list_length(workflows) * sizeof(Target));
	int count = 0;
	ListCell *cell;

	foreach (cell, workflows)
	{
		IntakeWorkflow *workflow = lfirst(cell);

		targets[count++] = (Target){workflow->id, intake_workflow_role(workflow)};
	}
	for (int i = 0; i < count; i++)
		if (event->run_at != 0)
			intake_room_delay(targets[i].workflow_id, intake_table_next_id("job_id_seq"), event->id,
							  0, event->run_at);
		else
			intake_room_enqueue(queue, targets[i].workflow_id, targets[i].role, 0, event->id, 0);
	pfree(targets);
}

/*
 * Stores COUNT events in the current transaction, with the items of those that are deliveries. Sets
 * id, fresh and replayed of each. The registry of workflows is fresh, and a snapshot is active.
 *
 * OPTIMISTIC stores faster. May return false: then the caller undoes everything and calls again,
 * without that, or with each event alone.
 */
bool
intake_event_store(IntakeEvent **events, int count, bool optimistic)
{
	IntakeTable queue;

	events = intake_delivery_unfold(events, &count);
	if (count == 0)
		return true;
	if (!intake_event_key_take(events, count, optimistic))
		return false;
	insert_events(events, count);

	intake_table_open(&queue, intake_table_oid("queue"));
	queue.grows = true;
	for (int i = 0; i < count; i++)
		if (events[i]->fresh && events[i]->n_items == 0)
			dispatch(&queue, events[i]);
	intake_rearm_repeated(&queue, events, count);
	intake_table_close(&queue);
	CommandCounterIncrement();
	intake_delivery_compare(events, count);
	return true;
}

/*
 * Stores an internal event in the current transaction, and returns its id; that of the event
 * that has the KEY already, if there is one. KEY may be absent. RUN_AT 0 is now.
 */
int64
intake_event_emit(const char *type, Jsonb *payload, IntakeSlice key, TimestampTz run_at)
{
	IntakeEvent event = {0};
	IntakeEvent *events = &event;
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	event.source_id = INTAKE_SOURCE_INTERNAL;
	event.source_name = INTAKE_SCHEMA;
	event.verified = INTAKE_VERIFIED_SIGNATURE;
	event.type = intake_slice_cstr(type);
	event.keyless = key.data == NULL;
	event.key = key;
	event.key_window = INTAKE_FOR_EVER;
	if (!event.keyless)
		event.stored_key = intake_key_row_make(event.source_id, &event.key, 1);
	event.headers = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	event.body = intake_payload_body(payload);
	event.run_at = run_at;
	intake_workflows_refresh();
	(void) intake_event_store(&events, 1, false);
	intake_trouble_record();
	return event.id;
}

/* An error where type or key, which may be absent, are longer than an event's are. */
void
intake_event_check_sizes(IntakeSlice type, IntakeSlice key)
{
	if (type.len > INTAKE_MAX_TYPE)
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("the type of an event is too long"),
				 errdetail("It has %zu bytes; %d are the most.", type.len, INTAKE_MAX_TYPE)));
	if (key.len > INTAKE_MAX_KEY)
		ereport(ERROR, (errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
						errmsg("the key of an event is too long"),
						errdetail("It has %zu bytes; %d are the most.", key.len, INTAKE_MAX_KEY),
						errhint("Use a digest of it.")));
}

/* An event of somebody else must not pass for one of ours, or take its key. */
static void
check_emitted(IntakeSlice type, IntakeSlice key)
{
	static const char *const ours[] = {INTAKE_TYPE_JOB_DEAD, "source.secret_learned",
									   "calls.suspended", "calls.resumed"};

	for (int i = 0; i < lengthof(ours); i++)
		if (intake_slice_equal(type, intake_slice_cstr(ours[i])))
			ereport(ERROR, (errcode(ERRCODE_RESERVED_NAME),
							errmsg("events of type \"%s\" come from pg_intake alone", ours[i]),
							errhint("Choose another type.")));
	intake_event_check_sizes(type, key);
	if (key.data != NULL && strncmp(key.data, INTAKE_MADE_KEY, strlen(INTAKE_MADE_KEY)) == 0)
		ereport(ERROR, (errcode(ERRCODE_RESERVED_NAME),
						errmsg("a key must not begin with \"%s\"", INTAKE_MADE_KEY),
						errhint("Such keys are those of events that were emitted without one.")));
}

/* SQL: intake.emit(type, payload, key, delay). */
Datum
intake_sql_emit(PG_FUNCTION_ARGS)
{
	IntakeSlice key = {NULL, 0};
	TimestampTz run_at = 0;
	char *type;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("type and payload of an event must not be null")));
	if (!PG_ARGISNULL(2))
		key = intake_slice_cstr(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	type = text_to_cstring(PG_GETARG_TEXT_PP(0));
	check_emitted(intake_slice_cstr(type), key);
	if (!PG_ARGISNULL(3))
	{
		intake_duration_check("delay", PG_GETARG_INTERVAL_P(3));
		run_at = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
														 TimestampTzGetDatum(GetCurrentTimestamp()),
														 PG_GETARG_DATUM(3)));
	}
	PG_RETURN_INT64(intake_event_emit(type, PG_GETARG_JSONB_P(1), key, run_at));
}

/* SQL: intake.announce(type, payload). */
Datum
intake_sql_announce(PG_FUNCTION_ARGS)
{
	IntakeSlice no_key = {NULL, 0};

	PG_RETURN_INT64(
		intake_event_emit(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_JSONB_P(1), no_key, 0));
}
