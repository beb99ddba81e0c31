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
#include "utils/expandedrecord.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "events/event_row.h"
#include "ground/intake.h"
#include "ground/rowtype.h"
#include "ground/slot.h"
#include "jobs/argument.h"

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
	job_columns
};

static const Oid job_types[job_columns] = {INT8OID, INT8OID,        TEXTOID,  TEXTOID,  TEXTOID,
										   TEXTOID, TIMESTAMPTZOID, JSONBOID, BYTEAOID, JSONBOID,
										   INT4OID, INT4OID,        INT8OID,  INT8OID,  INT4OID};

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

/* Whether the type intake.job is what handlers can be given. Says so once when it is not. */
bool
intake_argument_type_fits(void)
{
	static bool said = false;
	TupleDesc descriptor = lookup_rowtype_tupdesc(intake_argument_type(), -1);
	bool fits = intake_rowtype_fits(descriptor, job_types, job_columns);

	ReleaseTupleDesc(descriptor);
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
intake_argument_make(const IntakeJob *job, const IntakeWorkflow *workflow, int64 lease, Oid type,
					 bool *large)
{
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
	fill(job, workflow, lease, &event, payload, record->dvalues, record->dnulls);
	record->flags |= ER_FLAG_DVALUES_ALLOCED;
	*large = VARATT_IS_EXTERNAL(DatumGetPointer(event.body));
	if (*large)
		record->flags |= ER_FLAG_HAVE_EXTERNAL;
	MemoryContextSwitchTo(old);
	return ExpandedRecordGetDatum(record);
}
