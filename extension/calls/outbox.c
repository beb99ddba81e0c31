/*
 * outbox.c
 *		The calls that a step asks for, and their answers.
 *
 * A handler may have made what it returns by itself, so all of it is checked here, where the step ends,
 * and the right to call is that of the workflow's owner: the privilege on the function intake.call.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "port/pg_bswap.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

#include "calls/credential.h"
#include "calls/desk.h"
#include "calls/outbox.h"
#include "calls/parcel.h"
#include "calls/asked.h"
#include "events/payload.h"
#include "ground/compat.h"
#include "ground/datum.h"
#include "ground/intake.h"
#include "ground/rowtype.h"
#include "queue/announce.h"
#include "read/traceparent.h"
#include "verify/digest.h"

/* ---- the right to call ---- */

/* The function whose privilege is the right to make calls; InvalidOid: it is gone. */
static Oid
find_function(void)
{
	Oid schema = get_namespace_oid(INTAKE_SCHEMA, false);
	CatCList *list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum("call"));
	Oid found = InvalidOid;

	for (int i = 0; i < list->n_members && !OidIsValid(found); i++)
	{
		Form_pg_proc function = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		if (function->pronamespace == schema)
			found = function->oid;
	}
	ReleaseCatCacheList(list);
	return found;
}

/* Whether a role may make calls. */
bool
intake_outbox_has_right(Oid owner)
{
	Oid function = find_function();

	return OidIsValid(function) &&
		   object_aclcheck(ProcedureRelationId, function, owner, ACL_EXECUTE) == ACLCHECK_OK;
}

/* Raises an error where a role may not make calls. */
void
intake_outbox_check_right(Oid owner)
{
	if (intake_outbox_has_right(owner))
		return;
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("the owner of the workflow may not make calls"),
					errhint("An admin can grant that: intake.grant_access(role, 'caller').")));
}

/* ---- what is stored ---- */

/*
 * The line of calls of a workflow to one host with one secret. It is made of them, the same in every
 * process and copy, so that nobody has to look for it. Who may choose hosts must not find one by which
 * his calls get into the line of somebody else, where their failures would suspend it.
 */
int64
intake_outbox_line(int32 workflow_id, const IntakeCallUrl *url, int32 secret_id)
{
	char *numbers = psprintf("%d %d %d ", workflow_id, url->port, secret_id);
	IntakeSlice parts[] = {intake_slice_cstr(numbers), url->host};
	IntakeDigest digest;
	uint64 line;

	if (!intake_digest_plain(INTAKE_SHA256, parts, lengthof(parts), &digest))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not compute a digest")));
	memcpy(&line, intake_digest_slice(&digest).data, sizeof(line));
	return (int64) pg_ntoh64(line);
}

/* A new idempotency key. */
Datum
intake_outbox_key(void)
{
	pg_uuid_t *key = palloc(sizeof(pg_uuid_t));

	if (!pg_strong_random(key->data, UUID_LEN))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not make a key")));
	key->data[6] = (key->data[6] & 0x0f) | 0x40;
	key->data[8] = (key->data[8] & 0x3f) | 0x80;
	return UUIDPGetDatum(key);
}

/* The traceparent of a call in the trace of its event. */
static Datum
make_span(const char *trace)
{
	char made[INTAKE_TRACEPARENT_SIZE];
	uint64 span;

	if (!pg_strong_random(&span, sizeof(span)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not make a span")));
	intake_traceparent_next(intake_slice_cstr(trace), Max(span, 1), made);
	return CStringGetTextDatum(made);
}

static Datum
text_of(IntakeSlice slice)
{
	return PointerGetDatum(cstring_to_text_with_len(slice.data, slice.len));
}

/* A step that asks for calls. */
typedef struct Outbox
{
	IntakeDesk desk;
	const IntakeJob *job;
	const IntakeWorkflow *workflow;
	const char *step;
	const char *failed; /* or NULL */
	const char *trace;  /* the traceparent of the event, or NULL */
	bool single;
	IntakeTable requests;
	size_t size; /* of the bodies so far */
} Outbox;

/* Only what says something about the outcome is kept of options. */
static Jsonb *
outcome_options(Jsonb *options)
{
	return options != NULL && JB_ROOT_COUNT(options) > 0 ? options : NULL;
}

static void
store(Outbox *outbox, const IntakeAsked *request, const IntakeCall *call, int n, int32 secret_id)
{
	Datum values[Natts_call_request];
	bool nulls[Natts_call_request] = {0};
	Jsonb *options = outcome_options(request->options);

	INTAKE_COLUMN(values, call_request_job_id) = Int64GetDatum(call->job_id);
	INTAKE_COLUMN(values, call_request_call_id) = Int64GetDatum(call->call_id);
	INTAKE_COLUMN(values, call_request_workflow_id) = Int32GetDatum(call->workflow_id);
	INTAKE_COLUMN(values, call_request_line_id) = Int64GetDatum(call->line_id);
	INTAKE_COLUMN(values, call_request_n) = Int32GetDatum(n);
	INTAKE_COLUMN(values, call_request_step) = CStringGetTextDatum(outbox->step);
	INTAKE_COLUMN(values, call_request_failed) =
		outbox->failed ? CStringGetTextDatum(outbox->failed) : (Datum) 0;
	INTAKE_COLUMN(nulls, call_request_failed) = outbox->failed == NULL;
	INTAKE_COLUMN(values, call_request_single) = BoolGetDatum(outbox->single);
	INTAKE_COLUMN(values, call_request_method) = text_of(request->method);
	INTAKE_COLUMN(values, call_request_scheme) =
		CStringGetTextDatum(request->parts.https ? "https" : "http");
	INTAKE_COLUMN(values, call_request_host) = text_of(request->parts.host);
	INTAKE_COLUMN(values, call_request_port) = Int32GetDatum(request->parts.port);
	INTAKE_COLUMN(values, call_request_target) = text_of(request->parts.target);
	INTAKE_COLUMN(values, call_request_headers) = JsonbPGetDatum(request->headers);
	INTAKE_COLUMN(nulls, call_request_headers) = request->headers == NULL;
	INTAKE_COLUMN(values, call_request_body) = request->body;
	INTAKE_COLUMN(nulls, call_request_body) = !request->has_body;
	INTAKE_COLUMN(values, call_request_auth) =
		request->auth ? CStringGetTextDatum(request->auth) : (Datum) 0;
	INTAKE_COLUMN(nulls, call_request_auth) = request->auth == NULL;
	INTAKE_COLUMN(values, call_request_secret_id) = Int32GetDatum(secret_id);
	INTAKE_COLUMN(nulls, call_request_secret_id) = secret_id == 0;
	INTAKE_COLUMN(values, call_request_milliseconds) = Int64GetDatum(request->timeout / 1000);
	INTAKE_COLUMN(values, call_request_idempotency_key) = intake_outbox_key();
	INTAKE_COLUMN(values, call_request_options) = JsonbPGetDatum(options);
	INTAKE_COLUMN(nulls, call_request_options) = options == NULL;
	INTAKE_COLUMN(values, call_request_traceparent) =
		outbox->trace ? make_span(outbox->trace) : (Datum) 0;
	INTAKE_COLUMN(nulls, call_request_traceparent) = outbox->trace == NULL;
	INTAKE_COLUMN(values, call_request_created_at) = TimestampTzGetDatum(outbox->desk.now);
	intake_table_add(&outbox->requests, values, nulls, NULL);
}

/* Reads a ROW of type intake.request and checks it as one of an OWNER's. Returns its secret, or 0. */
int32
intake_outbox_check(Datum row, Oid owner, IntakeAsked *request)
{
	int32 secret_id = 0;

	intake_asked_read(row, request);
	intake_asked_check(request, false);
	if (request->auth == NULL)
		return 0;
	secret_id = intake_credential_check(request->auth, owner, &request->parts);
	if (request->headers != NULL)
		intake_call_headers_check(request->headers, secret_id);
	return secret_id;
}

/* Checks a request of a step, stores it, and puts its call into the queue. Returns the call's id. */
static int64
put(Outbox *outbox, Datum row, int n)
{
	const IntakeJob *job = outbox->job;
	IntakeAsked request;
	IntakeCall call = {.job_id = job->job_id, .workflow_id = job->workflow_id};
	int32 secret_id = intake_outbox_check(row, outbox->workflow->owner, &request);

	outbox->size += request.body_size;
	if (outbox->size > INTAKE_REQUESTS_SIZE)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("the bodies of a step's calls are larger than 64 MB together")));
	call.call_id = intake_table_next_id("call_id_seq");
	call.line_id = intake_outbox_line(job->workflow_id, &request.parts, secret_id);
	call.options = secret_id != 0 || outcome_options(request.options) != NULL;
	store(outbox, &request, &call, n, secret_id);
	/* They are due in their order. */
	intake_desk_queue(&outbox->desk, &call, outbox->desk.now + n - 1);
	return call.call_id;
}

/* Puts a job where it waits for COUNT calls from FIRST on, or until it expires. */
void
intake_outbox_put_job(IntakeDesk *desk, const IntakeJob *job, int64 first, int32 count,
					  TimestampTz expires_at)
{
	Datum values[Natts_calling];
	bool nulls[Natts_calling] = {0};

	INTAKE_COLUMN(values, calling_job_id) = Int64GetDatum(job->job_id);
	INTAKE_COLUMN(values, calling_event_id) = Int64GetDatum(job->event_id);
	INTAKE_COLUMN(values, calling_lane) = Int32GetDatum(job->lane);
	INTAKE_COLUMN(values, calling_attempts) = Int32GetDatum(0);
	INTAKE_COLUMN(values, calling_calls) = Int32GetDatum(count);
	INTAKE_COLUMN(values, calling_first_call) = Int64GetDatum(first);
	INTAKE_COLUMN(values, calling_until) = TimestampTzGetDatum(expires_at);
	INTAKE_COLUMN(nulls, calling_until) = expires_at == DT_NOEND;
	intake_table_insert(intake_desk_table(desk, INTAKE_DESK_CALLING), values, nulls);
	if (expires_at != DT_NOEND)
		intake_announce_delay(expires_at);
}

/* The requests that a handler has returned. */
static Datum *
read_requests(const IntakeNext *next, int *count)
{
	Datum *rows;
	bool *nulls;

	*count = 0;
	if (next->requests != NULL)
		deconstruct_array(next->requests, ARR_ELEMTYPE(next->requests), -1, false, TYPALIGN_DOUBLE,
						  &rows, &nulls, count);
	if (*count < 1 || *count > INTAKE_REQUESTS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a step asks for %d calls, of 1 to %d", *count, INTAKE_REQUESTS_MAX)));
	for (int i = 0; i < *count; i++)
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("a request must not be null")));
	return rows;
}

/* Stores the requests of a step, and puts its job where it waits for the answers. */
void
intake_outbox_put(const IntakeJob *job, const IntakeWorkflow *workflow, const IntakeNext *next,
				  const char *traceparent, TimestampTz expires_at, int64 *first_call, int32 *calls)
{
	Outbox outbox = {.job = job, .workflow = workflow, .step = next->step, .trace = traceparent};
	int count;
	Datum *rows = read_requests(next, &count);

	outbox.failed = intake_next_argument(next, "failed");
	outbox.single = strcmp(next->act, "call") == 0;
	intake_outbox_check_right(workflow->owner);
	intake_desk_open(&outbox.desk);
	intake_table_open(&outbox.requests, intake_table_oid("call_request"));
	for (int i = 0; i < count; i++)
	{
		int64 call_id = put(&outbox, rows[i], i + 1);

		if (i == 0)
			*first_call = call_id;
	}
	*calls = count;
	intake_outbox_put_job(&outbox.desk, job, *first_call, count, expires_at);
	intake_table_close(&outbox.requests);
	intake_desk_close(&outbox.desk);
}
