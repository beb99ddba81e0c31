/*
 * argument.c
 *		What a handler gets: a row of type intake.job.
 */
#include "postgres.h"

#include <malloc.h>

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/expandedrecord.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "calls/next.h"
#include "events/event_row.h"
#include "ground/intake.h"
#include "ground/rowtype.h"
#include "ground/slot.h"
#include "jobs/argument.h"
#include "read/traceparent.h"

#define LARGE_PIECE (1024 * 1024) /* bytes */

enum
{
	job_id,
	job_event_id,
	job_workflow,
	job_source,
	job_type,
	job_key,
	job_received_at,
	job_headers,
	job_body,
	job_payload,
	job_attempt,
	job_max_attempts,
	job_lease,
	job_delivery_id,
	job_position,
	job_step,
	job_state,
	job_input,
	job_responses,
	job_last_error,
	job_traceparent,
	job_events,
	job_columns
};

/* That of responses is the extension's own, and has no fixed number. */
static const Oid job_types[job_columns] = {
	INT8OID,  INT8OID,  TEXTOID, TEXTOID, TEXTOID, TEXTOID,     TIMESTAMPTZOID, JSONBOID,
	BYTEAOID, JSONBOID, INT4OID, INT4OID, INT8OID, INT8OID,     INT4OID,        TEXTOID,
	JSONBOID, JSONBOID, 0,       TEXTOID, TEXTOID, INT8ARRAYOID};

/* The type intake.job. */
Oid
intake_argument_type(void)
{
	Oid type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("job"),
							   ObjectIdGetDatum(get_namespace_oid(INTAKE_SCHEMA, false)));

	if (!OidIsValid(type))
		elog(ERROR, "type intake.job does not exist");
	return type;
}

static bool
check_type(Oid type)
{
	TupleDesc descriptor = lookup_rowtype_tupdesc(type, -1);
	Oid types[job_columns];
	bool fits;

	memcpy(types, job_types, sizeof(types));
	types[job_responses] = get_array_type(intake_next_type("response"));
	fits = intake_rowtype_fits(descriptor, types, job_columns);
	ReleaseTupleDesc(descriptor);
	return fits;
}

/* Whether the type intake.job is what handlers can be given. Says so once when it is not. */
bool
intake_argument_type_fits(void)
{
	static uint64 checked =
		0; /* what fitted; the number is another one when the type has changed */
	static bool said = false;
	Oid type = intake_argument_type();
	uint64 now = lookup_type_cache(type, TYPECACHE_TUPDESC)->tupDesc_identifier;
	bool fits = now == checked || check_type(type);

	checked = fits ? now : 0;
	if (!fits && !said)
		ereport(WARNING, (errcode(ERRCODE_DATATYPE_MISMATCH),
						  errmsg("the type intake.job is not what pg_intake gives to handlers"),
						  errdetail("No job runs until it is."),
						  errhint("Undo what was altered; attributes behind its own may stay.")));
	said = !fits;
	return fits;
}

/*
 * Fills VALUES with what the handler of a job gets, in the current context. All of it stays as it is
 * until the transaction ends.
 */
static void
fill(const IntakeJob *job, const IntakeWorkflow *workflow, int64 lease,
	 const IntakeStoredEvent *event, Jsonb *payload, Datum *values, bool *nulls)
{
	memset(nulls, false, job_columns * sizeof(bool));
	values[job_id] = Int64GetDatum(job->job_id);
	values[job_event_id] = Int64GetDatum(job->event_id);
	values[job_workflow] = CStringGetTextDatum(workflow->name);
	values[job_source] = CStringGetTextDatum(event->source);
	nulls[job_type] = event->type == NULL;
	values[job_type] = event->type ? CStringGetTextDatum(event->type) : (Datum) 0;
	values[job_key] = CStringGetTextDatum(event->key);
	values[job_received_at] = TimestampTzGetDatum(event->received_at);
	values[job_headers] = JsonbPGetDatum(event->headers);
	values[job_body] = event->body;
	nulls[job_payload] = payload == NULL;
	values[job_payload] = JsonbPGetDatum(payload);
	values[job_attempt] = Int32GetDatum(job->attempts + 1);
	values[job_max_attempts] = Int32GetDatum(workflow->max_attempts);
	values[job_lease] = Int64GetDatum(lease);
	nulls[job_delivery_id] = nulls[job_position] = event->delivery_id == 0;
	values[job_delivery_id] = Int64GetDatum(event->delivery_id);
	values[job_position] = Int32GetDatum(event->position);
}

/* The same of the step that it is at. */
static void
fill_step(const IntakeJobStep *step, Datum *values, bool *nulls)
{
	values[job_step] = CStringGetTextDatum(step->name);
	nulls[job_state] = step->progress.state == NULL;
	/* A copy: a handler that assigns to its argument frees what stood there. */
	if (step->progress.state != NULL)
		values[job_state] = datumCopy(JsonbPGetDatum(step->progress.state), false, -1);
	nulls[job_input] = step->input == NULL;
	values[job_input] = JsonbPGetDatum(step->input);
	nulls[job_responses] = step->responses == (Datum) 0;
	values[job_responses] = step->responses;
	nulls[job_last_error] = step->last_error == NULL;
	if (step->last_error != NULL)
		values[job_last_error] = CStringGetTextDatum(step->last_error);
	nulls[job_traceparent] = step->traceparent == NULL;
	if (step->traceparent != NULL)
		values[job_traceparent] = CStringGetTextDatum(step->traceparent);
	nulls[job_events] = true;
}

/* Which trace an event belongs to, in a context; NULL: none. */
static const char *
find_traceparent(const IntakeStoredEvent *event, MemoryContext context)
{
	char *text;
	JsonbValue room;
	JsonbValue *value = getKeyJsonValueFromContainer(&event->headers->root, "traceparent",
													 strlen("traceparent"), &room);

	if (value == NULL || value->type != jbvString ||
		!intake_traceparent_is((IntakeSlice){value->val.string.val, value->val.string.len}))
		return NULL;
	text = MemoryContextAllocZero(context, value->val.string.len + 1);
	memcpy(text, value->val.string.val, value->val.string.len);
	return text;
}

/*
 * Has large pieces of memory given back to the system when they are freed. The C library would keep
 * more and more of them, up to 64 MB.
 */
static void
give_back_large(void)
{
	static bool set = false;

	if (!set)
		set = mallopt(M_MMAP_THRESHOLD, LARGE_PIECE) && mallopt(M_TRIM_THRESHOLD, LARGE_PIECE);
}

/*
 * What the handler gets: a row of type intake.job, as an expanded record, which a function that does
 * not need it as one piece never copies. That it can be formed was checked before the job was
 * claimed; if it cannot be all the same, the process ends as if it was asked to, and gives back what
 * it holds. Says whether it is *LARGE.
 */
Datum
intake_argument_make(IntakeJobStep *step, const IntakeWorkflow *workflow, int64 lease, Oid type,
					 bool *large)
{
	const IntakeJob *job = step->job;
	ExpandedRecordHeader *record;
	IntakeStoredEvent event;
	Jsonb *payload;
	MemoryContext old;

	give_back_large();
	if (!intake_argument_type_fits())
		intake_slot_leave();
	record = make_expanded_record_from_typeid(type, -1, CurrentMemoryContext);
	deconstruct_expanded_record(record);
	old = MemoryContextSwitchTo(record->hdr.eoh_context);
	if (!intake_event_row_read_for_job(job->event_id, job->more, &event, &payload))
		ereport(ERROR, (errcode(ERRCODE_INTAKE_PERMANENT),
						errmsg("event " INT64_FORMAT " of the job is not stored any more",
							   job->event_id)));
	intake_step_age(step, workflow, event.received_at);
	step->traceparent = find_traceparent(&event, old);
	fill(job, workflow, lease, &event, payload, record->dvalues, record->dnulls);
	fill_step(step, record->dvalues, record->dnulls);
	record->flags |= ER_FLAG_DVALUES_ALLOCED;
	*large = VARATT_IS_EXTERNAL(DatumGetPointer(event.body));
	if (*large)
		record->flags |= ER_FLAG_HAVE_EXTERNAL;
	MemoryContextSwitchTo(old);
	return ExpandedRecordGetDatum(record);
}
