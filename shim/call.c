/*
 * call.c
 *		A call of intake.receive, or of intake.callback: what goes there and what comes back. Each thread
 *		makes its own.
 */
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "common/program/array.h"

#define STATEMENT "receive"
#define COLUMNS 6
#define CALLBACK_COLUMNS 3 /* the first of them: token, headers, body */
#define BYTEA 17

static const char query[] =
	"SELECT status, content_type, headers, body FROM intake.receive($1, $2, $3, $4, $5, $6)";

/* There are so few of these that nothing is prepared for them. */
static const char callback_query[] =
	"SELECT status, content_type, headers, body FROM intake.callback($1, $2, $3)";

static const Oid callback_types[CALLBACK_COLUMNS] = {BYTEA, BYTEA, BYTEA};

static const Oid parameter_types[COLUMNS] = {INTAKE_BYTEA_ARRAY, INTAKE_BYTEA_ARRAY,
											 INTAKE_BYTEA_ARRAY, INTAKE_BYTEA_ARRAY,
											 INTAKE_BYTEA_ARRAY, INTAKE_TEXT_ARRAY};

static _Thread_local IntakeBuffer arrays[COLUMNS]; /* of the call that is being made */
static _Thread_local bool is_callback;             /* the arrays are plain bytes */

/* ---- parameters ---- */

/* Appends a request, without the first bytes of its body. */
static void
append_request(const ShimRequest *request, size_t without)
{
	intake_array_append(&arrays[0], request->method, strlen(request->method));
	intake_array_append(&arrays[1], request->source, request->source_length);
	intake_array_append(&arrays[2], request->query, strlen(request->query));
	intake_array_append(&arrays[3], request->headers.data, request->headers.length);
	intake_array_append(&arrays[4], without > 0 ? request->body.data + without : request->body.data,
						request->body.length - without);
	intake_array_append(&arrays[5], request->peer, strlen(request->peer));
}

static void
begin_arrays(int requests, int bodies)
{
	is_callback = false;
	for (int i = 0; i < COLUMNS; i++)
		intake_array_begin(&arrays[i], i < COLUMNS - 1 ? INTAKE_BYTEA : INTAKE_TEXT,
						   i == 4 ? bodies : requests);
}

static void
set_bytes(IntakeBuffer *buffer, const char *data, size_t length)
{
	buffer->length = 0;
	/* Without any room, it would be NULL to the database. */
	(void) intake_buffer_reserve(buffer, length + 1);
	intake_buffer_append(buffer, data, length);
}

static int
make_callback(const ShimRequest *request)
{
	is_callback = true;
	set_bytes(&arrays[0], request->source, request->source_length);
	set_bytes(&arrays[1], request->headers.data, request->headers.length);
	set_bytes(&arrays[2], request->body.data, request->body.length);
	return 1;
}

/*
 * Makes the parameters of a call, without so many bytes of the first body; returns how many requests
 * it has.
 */
int
shim_call_make(const ShimRequest *batch, size_t without)
{
	int count = 0;

	if (batch->callback)
		return make_callback(batch);
	for (const ShimRequest *request = batch; request != NULL; request = request->next)
		count += !request->probe;
	begin_arrays(count, count);
	for (const ShimRequest *request = batch; request != NULL; request = request->next)
		if (!request->probe)
			append_request(request, request == batch ? without : 0);
	return count;
}

/* Makes the parameters for a piece of a body: no request, and one body. */
void
shim_call_make_piece(const ShimRequest *request, size_t start)
{
	begin_arrays(0, 1);
	intake_array_append(&arrays[4], request->body.data + start, SHIM_PIECE_BYTES);
}

/* ---- answers ---- */

static char *
copy_field(const PGresult *result, int row, int column, size_t *length)
{
	size_t n = (size_t) PQgetlength(result, row, column);
	char *copy;

	if (PQgetisnull(result, row, column))
		return NULL;
	copy = malloc(n + 1);
	if (copy == NULL)
		abort();
	memcpy(copy, PQgetvalue(result, row, column), n);
	copy[n] = '\0';
	if (length != NULL)
		*length = n;
	return copy;
}

/* Sets the answers of a batch. */
void
shim_call_answer(ShimRequest *batch, const PGresult *result)
{
	int row = 0;

	for (ShimRequest *request = batch; request != NULL; request = request->next)
	{
		uint32_t status;

		if (request->probe)
		{
			request->status = 200;
			continue;
		}
		memcpy(&status, PQgetvalue(result, row, 0), 4);
		request->status = (int) ntohl(status);
		request->content_type = copy_field(result, row, 1, NULL);
		request->answer_headers = copy_field(result, row, 2, NULL);
		request->answer = copy_field(result, row, 3, &request->answer_length);
		row++;
	}
}

/* Whether a result is the answer to a call of so many requests. */
bool
shim_call_is_answer(const PGresult *result, int count)
{
	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != count ||
		PQnfields(result) != 4)
		return false;
	for (int row = 0; row < count; row++)
		if (PQgetlength(result, row, 0) != 4)
			return false;
	return true;
}

/* ---- calls ---- */

/* Hands the parameters over to libpq; large ones are not kept. */
bool
shim_call_send(PGconn *connection)
{
	const char *values[COLUMNS];
	int lengths[COLUMNS];
	int formats[COLUMNS];
	int sent;

	for (int i = 0; i < COLUMNS; i++)
	{
		values[i] = arrays[i].data;
		lengths[i] = (int) arrays[i].length;
		formats[i] = 1;
	}
	if (is_callback)
		sent = PQsendQueryParams(connection, callback_query, CALLBACK_COLUMNS, callback_types,
								 values, lengths, formats, 1);
	else
		sent = PQsendQueryPrepared(connection, STATEMENT, COLUMNS, values, lengths, formats, 1);
	for (int i = 0; i < COLUMNS; i++)
		if (arrays[i].room > SHIM_CALL_BYTES)
			intake_buffer_free(&arrays[i]);
	return sent != 0;
}

/* Whether the database answers a call without requests: it may let us in and refuse to serve us. */
static bool
serves(PGconn *connection)
{
	IntakeBuffer none[2] = {0}; /* arrays of bytea, and of text */
	const char *values[COLUMNS];
	int lengths[COLUMNS];
	int formats[COLUMNS];
	PGresult *answer;
	bool usable_answer;

	intake_array_begin(&none[0], INTAKE_BYTEA, 0);
	intake_array_begin(&none[1], INTAKE_TEXT, 0);
	for (int i = 0; i < COLUMNS; i++)
	{
		values[i] = none[i == COLUMNS - 1].data;
		lengths[i] = (int) none[i == COLUMNS - 1].length;
		formats[i] = 1;
	}
	answer = PQexecPrepared(connection, STATEMENT, COLUMNS, values, lengths, formats, 1);
	usable_answer = shim_call_is_answer(answer, 0);
	PQclear(answer);
	intake_buffer_free(&none[0]);
	intake_buffer_free(&none[1]);
	return usable_answer;
}

/*
 * Makes a connection ready for calls. Returns false where the database does not answer them: it may let us
 * in and refuse to serve us.
 */
bool
shim_call_prepare(PGconn *connection)
{
	PGresult *prepared = PQprepare(connection, STATEMENT, query, COLUMNS, parameter_types);
	bool ready = PQresultStatus(prepared) == PGRES_COMMAND_OK && serves(connection);

	PQclear(prepared);
	return ready;
}
