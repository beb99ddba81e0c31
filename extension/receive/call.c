/*
 * call.c
 *		intake.receive, as the shim calls it: arrays in and rows out.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "ground/datum.h"
#include "receive/pieces.h"
#include "receive/receive.h"

#define COLUMNS 6
#define BODIES 4 /* the number of that column */

PG_FUNCTION_INFO_V1(intake_sql_receive);

static Datum *
array_argument(FunctionCallInfo fcinfo, int number, int *count)
{
	Oid type = number < COLUMNS - 1 ? BYTEAOID : TEXTOID;
	ArrayType *array;
	Datum *elements;

	if (PG_ARGISNULL(number))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("arguments of intake.receive must not be null")));
	array = PG_GETARG_ARRAYTYPE_P(number);
	if (array_contains_nulls(array))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("arrays of intake.receive must not contain nulls")));
	deconstruct_array(array, type, -1, false, TYPALIGN_INT, &elements, NULL, count);
	return elements;
}

/*
 * How many requests a call has. None with one body is a piece of a body, that goes on in the calls behind it.
 */
static int
count_requests(const int *counts, bool *is_piece)
{
	*is_piece = counts[0] == 0 && counts[BODIES] == 1;
	for (int i = 1; i < COLUMNS; i++)
		if (counts[i] != counts[0] && !(*is_piece && i == BODIES))
			ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
							errmsg("arrays of intake.receive must have the same length")));
	return counts[0];
}

/*
 * Sets the body of a request to one that came in pieces, of which BODY is the last. If that is longer
 * than may be, its bytes are not there, and nobody looks at them.
 */
static void
put_together(IntakeDelivery *delivery, Datum body)
{
	IntakeRequest *request = &delivery->request;

	delivery->event.body = intake_pieces_take(body, &request->body.len);
	request->body.data = "";
	if (DatumGetPointer(delivery->event.body) != NULL)
		request->body = intake_datum_bytes(delivery->event.body);
}

/* Makes the requests of a call. */
static IntakeDelivery *
make_deliveries(Datum *const *columns, int count)
{
	IntakeDelivery *deliveries = palloc0((count + 1) * sizeof(IntakeDelivery));

	for (int i = 0; i < count; i++)
	{
		IntakeRequest *request = &deliveries[i].request;

		request->method = intake_datum_bytes(columns[0][i]);
		deliveries[i].source_name = intake_datum_bytes(columns[1][i]);
		request->query = intake_datum_bytes(columns[2][i]);
		request->headers = intake_datum_bytes(columns[3][i]);
		request->body = intake_datum_bytes(columns[BODIES][i]);
		deliveries[i].event.body = columns[BODIES][i];
		deliveries[i].peer = TextDatumGetCString(columns[5][i]);
		request->now = intake_receive_now();
	}
	if (count > 0 && intake_pieces_are_there())
		put_together(&deliveries[0], columns[BODIES][0]);
	return deliveries;
}

/* SQL: intake.receive(methods, sources, queries, headers, bodies, peers). */
Datum
intake_sql_receive(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum *columns[COLUMNS];
	int counts[COLUMNS];
	int count;
	bool is_piece;
	IntakeDelivery *deliveries;

	for (int i = 0; i < COLUMNS; i++)
		columns[i] = array_argument(fcinfo, i, &counts[i]);
	count = count_requests(counts, &is_piece);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (is_piece)
	{
		intake_pieces_put(columns[BODIES][0]);
		return (Datum) 0;
	}
	if (!intake_pieces_are_there())
		intake_pieces_keep_memory();
	deliveries = make_deliveries(columns, count);
	intake_receive_process(deliveries, count);
	for (int i = 0; i < count; i++)
		tuplestore_puttuple(result->setResult,
							intake_receive_answer(&deliveries[i], result->setDesc));
	return (Datum) 0;
}
