/*
 * receive.c
 *		From a raw request to a stored event and an answer: the extension's side of the shim.
 *
 * A batch has two phases. Judging (judge.c) looks at the bytes of each request and writes
 * nothing. Storing writes the accepted events, in a subtransaction; if that fails, each event
 * is tried in a subtransaction of its own, so that one that cannot be stored harms only
 * itself. Whatever is wrong on our side becomes 503. A batch of large deliveries that are split
 * goes through both phases in pieces.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "config/sources.h"
#include "config/workflows.h"
#include "events/event.h"
#include "events/rejection.h"
#include "events/stored.h"
#include "events/trouble.h"
#include "ground/datum.h"
#include "ground/intake.h"
#include "ground/rowtype.h"
#include "ground/txn.h"
#include "read/items.h"
#include "receive/judge.h"
#include "receive/receive.h"
#include "receive/secret_use.h"
#include "receive/split.h"

#define JSON_TYPE "application/json"
#define MAX_REQUEST_ID 200             /* bytes */
#define MAX_PEER 100                   /* bytes */
#define ITEM_MEMORY (32 * 1024 * 1024) /* bytes: as many as large deliveries have */

static void
answer_event(IntakeDelivery *delivery)
{
	if (delivery->source->profile->success_body != NULL)
	{
		delivery->content_type = "text/plain";
		delivery->body = delivery->source->profile->success_body;
		return;
	}
	delivery->content_type = JSON_TYPE;
	delivery->body =
		psprintf("{\"status\":\"%s\",\"event_id\":\"" INT64_FORMAT "\"}",
				 delivery->event.fresh ? "accepted" : "already_accepted", delivery->event.id);
}

/* Whether an error means that nothing can be stored now, whatever it is. */
static bool
concerns_all(const ErrorData *error)
{
	return intake_txn_error_is_general(error) ||
		   error->sqlerrcode == ERRCODE_READ_ONLY_SQL_TRANSACTION;
}

typedef struct Storing
{
	IntakeEvent **events;
	int count;
	bool optimistic;
} Storing;

static bool
store_events(void *argument)
{
	Storing *storing = argument;

	return intake_event_store(storing->events, storing->count, storing->optimistic);
}

/*
 * Stores events, all or none. On an error that concerns one of them only, or where they cannot be
 * stored in this way, returns false; any other error is raised.
 */
static bool
try_to_store(IntakeEvent **events, int count, bool optimistic)
{
	Storing storing = {events, count, optimistic};
	ErrorData *error;
	bool stored = intake_txn_try(store_events, &storing, &error);

	if (error != NULL && concerns_all(error))
		ReThrowError(error);
	/* The detail of an error may hold what the sender sent; the message does not. */
	if (error != NULL && count == 1)
		ereport(LOG, (errmsg("an event could not be stored: %s", error->message)));
	return stored;
}

/* Stores the accepted ones of these, together or each by itself, and decides the status of each. */
static void
store_together(IntakeDelivery *deliveries, int count)
{
	IntakeEvent **events = palloc((count + 1) * sizeof(IntakeEvent *));
	int accepted = 0;
	bool stored;

	for (int i = 0; i < count; i++)
		if (deliveries[i].accepted)
			events[accepted++] = &deliveries[i].event;
	if (accepted == 0)
		return;

	stored = try_to_store(events, accepted, true) || try_to_store(events, accepted, false);
	for (int i = 0; i < count; i++)
	{
		IntakeEvent *event = &deliveries[i].event;

		if (!deliveries[i].accepted)
			continue;
		if (stored || (accepted > 1 && try_to_store(&event, 1, false)))
			deliveries[i].status = 200;
		else
		{
			deliveries[i].status = 503;
			deliveries[i].headers = "Retry-After: 5\r\n";
		}
	}
}

/* Stores the accepted ones of these, and answers. Their items are given back. */
static void
store(IntakeDelivery *deliveries, int count)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext context =
		AllocSetContextCreate(outer, "pg_intake storing", ALLOCSET_DEFAULT_SIZES);

	MemoryContextSwitchTo(context);
	store_together(deliveries, count);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
	for (int i = 0; i < count; i++)
	{
		intake_split_release(&deliveries[i]);
		if (deliveries[i].accepted && deliveries[i].status == 200)
			answer_event(&deliveries[i]);
	}
}

/*
 * Judges a batch and stores what is accepted. Items take up much more memory than the requests that
 * they came in: those of a few bytes while they are stored, and those that were packed. So there are
 * never more of them at once than those of two large deliveries.
 */
static void
judge_and_store(IntakeDelivery *deliveries, int count)
{
	int first = 0;
	int items = 0;
	size_t size = 0;

	for (int i = 0; i < count; i++)
	{
		intake_judge_delivery(&deliveries[i]);
		items += deliveries[i].event.n_items;
		size += intake_split_size(&deliveries[i]);
		if (items < INTAKE_ITEMS_MOST && size < ITEM_MEMORY && i < count - 1)
			continue;
		store(deliveries + first, i + 1 - first);
		first = i + 1;
		items = size = 0;
	}
}

/* Says so where the content of an event came before under another key. */
static void
note_replay(IntakeDelivery *delivery)
{
	if (!delivery->event.replayed)
		return;
	delivery->reason = "replayed";
	delivery->detail = psprintf("the signed content is that of event " INT64_FORMAT
								", under another key; nothing was stored",
								delivery->event.id);
}

/* Says so where an event came again under the sender's own id, and with another body. */
static void
note_other_content(IntakeDelivery *delivery)
{
	const IntakeEvent *event = &delivery->event;
	bool of_item = event->other_id != 0;

	if (!delivery->accepted || delivery->status != 200 ||
		(!of_item && !intake_stored_differs(event)))
		return;
	delivery->reason = "same_key_other_content";
	if (of_item)
		delivery->detail = psprintf("item %d is not what event " INT64_FORMAT
									" is, which has its key; it was not stored by itself",
									event->other_position, event->other_id);
	else
		delivery->detail = psprintf("the body is not that of event " INT64_FORMAT
									", which has this key; nothing was stored",
									event->id);
}

/* What the proxies before us call the request. */
static const char *
request_id(const IntakeDelivery *delivery)
{
	static IntakeLocation *location = NULL;
	IntakeSlice id;

	if (location == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		IntakeLocation *parsed = palloc(sizeof(IntakeLocation));
		const char *why;

		if (!intake_location_parse("header:x-request-id | header:x-correlation-id |"
								   " header:x-amzn-trace-id | header:cf-ray | header:traceparent",
								   parsed, &why))
			elog(ERROR, "bad location: %s", why);
		location = parsed;
		MemoryContextSwitchTo(old);
	}
	id = intake_location_read(location, &delivery->request);
	if (id.data == NULL || id.len > MAX_REQUEST_ID || !intake_datum_is_text(id))
		return NULL;
	return pnstrdup(id.data, id.len);
}

static void
record_rejections(IntakeDelivery *deliveries, int count)
{
	IntakeRejection *rejections = palloc0((count + 1) * sizeof(IntakeRejection));
	int rejected = 0;

	for (int i = 0; i < count; i++)
		if (deliveries[i].reason != NULL)
		{
			IntakeRejection *rejection = &rejections[rejected++];
			const char *peer = deliveries[i].peer; /* empty: not known */

			rejection->source = deliveries[i].source ? deliveries[i].source->name : NULL;
			rejection->reason = deliveries[i].reason;
			rejection->detail = deliveries[i].detail;
			rejection->status = deliveries[i].status;
			rejection->peer = peer && peer[0] && strlen(peer) <= MAX_PEER ? peer : NULL;
			rejection->request_id = request_id(&deliveries[i]);
		}
	intake_rejection_record(rejections, rejected);
}

static void
process(IntakeDelivery *deliveries, int count)
{
	judge_and_store(deliveries, count);
	for (int i = 0; i < count; i++)
	{
		note_replay(&deliveries[i]);
		note_other_content(&deliveries[i]);
		if (deliveries[i].answer.secret.data != NULL)
			intake_secret_use_learn(&deliveries[i]);
	}
	intake_secret_use_note(deliveries, count);
	record_rejections(deliveries, count);
	intake_trouble_record();
}

/* Judges and stores a batch, and records what was rejected. */
void
intake_receive_process(IntakeDelivery *deliveries, int count)
{
	PreventCommandIfReadOnly("intake.receive()");
	PreventCommandDuringRecovery("intake.receive()");
	intake_sources_refresh();
	intake_workflows_refresh();
	intake_sources_hold();
	PG_TRY();
	{
		process(deliveries, count);
	}
	PG_FINALLY();
	{
		intake_sources_release();
	}
	PG_END_TRY();
}

/* Now, in microseconds since the Unix epoch. */
int64
intake_receive_now(void)
{
	return GetCurrentTimestamp() + INTAKE_UNIX_EPOCH;
}

/* A row of type intake.answer, which DESCRIPTOR is of. */
HeapTuple
intake_receive_answer(const IntakeDelivery *delivery, TupleDesc descriptor)
{
	static const Oid types[] = {INT4OID, TEXTOID, TEXTOID, TEXTOID};
	const char *texts[] = {delivery->content_type, delivery->headers, delivery->body};
	Datum values[4] = {Int32GetDatum(delivery->status)};
	bool nulls[4] = {false};

	if (!intake_rowtype_fits(descriptor, types, lengthof(types)))
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("the type intake.answer is not what pg_intake answers with"),
						errhint("Undo what was altered; attributes behind its own may stay.")));
	for (int i = 0; i < lengthof(texts); i++)
	{
		nulls[i + 1] = texts[i] == NULL;
		values[i + 1] = texts[i] ? CStringGetTextDatum(texts[i]) : (Datum) 0;
	}
	return intake_rowtype_form(descriptor, values, nulls, lengthof(values));
}
