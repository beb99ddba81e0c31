/*
 * inbox.c
 *		The answers to the calls of a step, as its handler gets them.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "calls/asked.h"
#include "calls/outbox.h"
#include "calls/parcel.h"
#include "events/payload.h"
#include "ground/datum.h"
#include "ground/intake.h"
#include "ground/rowtype.h"

enum
{
	response_status,
	response_headers,
	response_body,
	response_payload,
	response_error,
	response_duration,
	response_columns
};

static const Oid types[response_columns] = {INT4OID,  JSONBOID, BYTEAOID,
											JSONBOID, TEXTOID,  INTERVALOID};

typedef struct Inbox
{
	int64 job_id;
	int64 first_call;
	Oid type; /* intake.response */
	TupleDesc descriptor;
	Datum *rows;
	Jsonb **payloads;
	int count;
	size_t size;  /* of their bodies */
	int64 failed; /* the first call that has; 0: none */
	char *error;  /* and why */
} Inbox;

/*
 * Whether the body of an answer is too much beside those before it. Whoever may make calls chooses who
 * answers them, so a step would get a thousand times what one answer may be, and the server's memory
 * would be gone.
 */
static bool
is_too_much(Inbox *inbox, Datum body)
{
	size_t size = toast_raw_datum_size(body) - VARHDRSZ;

	if (inbox->count > 0 && inbox->size + size > INTAKE_REQUESTS_SIZE)
		return true;
	inbox->size += size;
	return false;
}

/* The first call that failed, and why. */
static void
note_failure(Inbox *inbox, const Datum *row, Datum error)
{
	if (inbox->failed != 0)
		return;
	inbox->failed = DatumGetInt64(INTAKE_COLUMN(row, call_response_call_id));
	inbox->error = TextDatumGetCString(error);
}

/* Makes a row of intake.response of a row of the table. */
static void
add_row(Inbox *inbox, const TupleTableSlot *slot)
{
	Datum *row = slot->tts_values;
	bool *null = slot->tts_isnull;
	Datum values[response_columns];
	bool nulls[response_columns];
	Jsonb *payload = NULL;
	struct varlena *body = NULL;

	values[response_status] = INTAKE_COLUMN(row, call_response_status);
	nulls[response_status] = INTAKE_COLUMN(null, call_response_status);
	values[response_headers] = INTAKE_COLUMN(row, call_response_headers);
	nulls[response_headers] = INTAKE_COLUMN(null, call_response_headers);
	values[response_body] = INTAKE_COLUMN(row, call_response_body);
	nulls[response_body] = INTAKE_COLUMN(null, call_response_body);
	values[response_error] = INTAKE_COLUMN(row, call_response_error);
	nulls[response_error] = INTAKE_COLUMN(null, call_response_error);
	values[response_duration] = INTAKE_COLUMN(row, call_response_duration);
	nulls[response_duration] = INTAKE_COLUMN(null, call_response_duration);
	if (!nulls[response_body] && is_too_much(inbox, values[response_body]))
	{
		nulls[response_body] = true;
		nulls[response_error] = false;
		values[response_error] =
			CStringGetTextDatum("too_large: the answers of a step are larger than 64 MB together");
	}
	if (!nulls[response_body])
	{
		body = PG_DETOAST_DATUM_PACKED(values[response_body]);
		payload =
			intake_payload_of_event(INTAKE_SOURCE_INTERNAL, NULL,
									intake_datum_bytes(PointerGetDatum(body)), INTAKE_JSON_UNKNOWN);
	}
	values[response_payload] = JsonbPGetDatum(payload);
	nulls[response_payload] = payload == NULL;
	if (!nulls[response_error])
		note_failure(inbox, row, values[response_error]);
	inbox->payloads[inbox->count] = payload;
	inbox->rows[inbox->count++] =
		HeapTupleGetDatum(intake_rowtype_form(inbox->descriptor, values, nulls, response_columns));
	if (body != NULL && PointerGetDatum(body) != values[response_body])
		pfree(body);
}

/* Reads MOST answers, in the order of their calls. */
static void
read_rows(Inbox *inbox, int most)
{
	IntakeScan scan;
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(inbox->job_id));
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_INT8GE,
				Int64GetDatum(inbox->first_call));
	intake_table_scan_begin(&scan, intake_table_oid("call_response"), NULL, keys, 2);
	while (inbox->count < most && intake_table_scan_next(&scan))
		add_row(inbox, scan.slot);
	intake_table_scan_end(&scan);
}

/* An array of the payloads, with null where there is none. */
static Jsonb *
join_payloads(const Inbox *inbox)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < inbox->count; i++)
	{
		JsonbValue value = {.type = jbvNull};

		if (inbox->payloads[i] != NULL && (!JB_ROOT_IS_SCALAR(inbox->payloads[i]) ||
										   !JsonbExtractScalar(&inbox->payloads[i]->root, &value)))
			JsonbToJsonbValue(inbox->payloads[i], &value);
		pushJsonbValue(&state, WJB_ELEM, &value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

/* Which call has failed, and why. Its query may hold what is nobody else's. */
static char *
describe(const Inbox *inbox)
{
	IntakeParcelReader reader = {0};
	IntakeParcel parcel;
	IntakeCall call = {.call_id = inbox->failed, .job_id = inbox->job_id};
	IntakeSlice rest;
	IntakeSlice path;
	char *text;

	if (!intake_parcel_find(&reader, &call, &parcel))
		text = psprintf("a call has failed: %s", inbox->error);
	else
	{
		path = intake_slice_cut(parcel.target, "?", &rest);
		text = psprintf("%s %s://%s%.*s has failed: %s", parcel.method, parcel.scheme,
						intake_parcel_place(&parcel), (int) path.len, path.data, inbox->error);
	}
	intake_parcel_close(&reader);
	return text;
}

/*
 * The answers as intake.response[], their payloads as *INPUT, or NULL, and of a call that failed for
 * good, the first of them, what happened as *ERROR, or NULL.
 */
Datum
intake_outbox_answers(int64 job_id, int64 first_call, int32 calls, bool single, Jsonb **input,
					  char **error)
{
	Inbox inbox = {.job_id = job_id, .first_call = first_call};

	inbox.type = intake_next_type("response");
	inbox.descriptor = lookup_rowtype_tupdesc(inbox.type, -1);
	if (!intake_rowtype_fits(inbox.descriptor, types, response_columns))
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("the type intake.response is not what pg_intake makes"),
						errhint("Undo what was altered; attributes behind its own may stay.")));
	inbox.rows = palloc((calls + 1) * sizeof(Datum));
	inbox.payloads = palloc((calls + 1) * sizeof(Jsonb *));
	PushActiveSnapshot(GetLatestSnapshot());
	read_rows(&inbox, calls);
	*error = inbox.failed != 0 ? describe(&inbox) : NULL;
	PopActiveSnapshot();
	ReleaseTupleDesc(inbox.descriptor);
	if (!single)
		*input = join_payloads(&inbox);
	else
		*input = inbox.count > 0 ? inbox.payloads[0] : NULL;
	return PointerGetDatum(
		construct_array(inbox.rows, inbox.count, inbox.type, -1, false, TYPALIGN_DOUBLE));
}
