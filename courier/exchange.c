/*
 * exchange.c
 *		A call of intake.exchange: answers go there, requests come back. All of it is binary.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <libpq-fe.h>
#include <string.h>

#include "calls.h"
#include "common/program/array.h"
#include "exchange.h"

#define STATEMENT "exchange"
#define PARAMETERS 10
#define ARRAYS 7
#define COLUMNS 12
#define ANSWER_BYTES ((size_t) 1 << 20) /* in one exchange, or one larger answer */

static const char query[] =
	"SELECT kind, call_id, job_id, method, scheme, host, port, target, headers, body, "
	"milliseconds, most_bytes FROM intake.exchange($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

static const Oid parameter_types[PARAMETERS] = {
	INTAKE_INT8,       INTAKE_INT4,       INTAKE_INT8,        INTAKE_INT8_ARRAY,
	INTAKE_INT8_ARRAY, INTAKE_INT4_ARRAY, INTAKE_BYTEA_ARRAY, INTAKE_BYTEA_ARRAY,
	INTAKE_TEXT_ARRAY, INTAKE_INT8_ARRAY};

static const uint32_t element_types[ARRAYS] = {INTAKE_INT8,  INTAKE_INT8, INTAKE_INT4, INTAKE_BYTEA,
											   INTAKE_BYTEA, INTAKE_TEXT, INTAKE_INT8};

/* Of the exchange that is being made. */
static int64_t token;
static int32_t most;
static int64_t most_bytes;
static IntakeBuffer arrays[ARRAYS];

/* ---- what goes there ---- */

static void
append_answer(const CourierCall *call)
{
	intake_array_append_int64(&arrays[0], call->call_id);
	intake_array_append_int64(&arrays[1], call->job_id);
	intake_array_append_int32(&arrays[2], call->status);
	intake_array_append(&arrays[3], call->headers.data, call->headers.length);
	intake_array_append(&arrays[4], call->answer.data, call->answer.length);
	if (call->error[0] != '\0')
		intake_array_append(&arrays[5], call->error, strlen(call->error));
	else
		intake_array_append_null(&arrays[5]);
	intake_array_append_int64(&arrays[6], call->duration);
}

/* Says that a call, or number 0 for none, is still held. */
static void
append_held(int64_t call_id, int64_t job_id)
{
	intake_array_append_int64(&arrays[0], call_id);
	intake_array_append_int64(&arrays[1], job_id);
	intake_array_append_int32(&arrays[2], 0);
	intake_array_append(&arrays[3], NULL, 0);
	intake_array_append(&arrays[4], NULL, 0);
	intake_array_append(&arrays[5], "held", 4);
	intake_array_append_int64(&arrays[6], 0);
}

/* How many answers go, of so many at most; the bytes that they have. */
static int
count_answers(int limit, size_t *bytes)
{
	int count = 0;

	*bytes = 0;
	for (const CourierCall *call = courier_calls_ended(); call != NULL && count < limit;
		 call = call->next)
	{
		size_t more = call->headers.length + call->answer.length;

		if (count > 0 && *bytes + more > ANSWER_BYTES)
			break;
		*bytes += more;
		count++;
	}
	return count;
}

/* What is held beside the first COUNT answers. */
static int
count_held(int count)
{
	CourierCallCounts counts = courier_calls_count();

	return counts.running + counts.waiting + counts.ended - count + 1;
}

static void
append_all(int count, bool name_all)
{
	const CourierCall *call = courier_calls_ended();

	for (int i = 0; i < count; i++, call = call->next)
		append_answer(call);
	if (!name_all)
		return;
	append_held(0, 0);
	for (; call != NULL; call = call->next)
		append_held(call->call_id, call->job_id);
	while ((call = courier_calls_next(call)) != NULL)
		append_held(call->call_id, call->job_id);
}

/*
 * Makes the parameters of an exchange; returns how many answers are in it, the first ones that wait,
 * and in *BYTES how long they are.
 */
int
courier_exchange_make(const CourierAsk *ask, size_t *bytes)
{
	int count = count_answers(ask->answers, bytes);
	int elements = count + (ask->name_all ? count_held(count) : 0);

	token = (int64_t) htobe64((uint64_t) ask->token);
	most = (int32_t) htonl((uint32_t) ask->most);
	most_bytes = (int64_t) htobe64((uint64_t) ask->most_bytes);
	for (int i = 0; i < ARRAYS; i++)
		intake_array_begin(&arrays[i], element_types[i], elements);
	append_all(count, ask->name_all);
	return count;
}

/* Hands the parameters over to libpq; large ones are not kept. */
bool
courier_exchange_send(PGconn *connection)
{
	const char *values[PARAMETERS] = {(char *) &token, (char *) &most, (char *) &most_bytes};
	int lengths[PARAMETERS] = {8, 4, 8};
	int formats[PARAMETERS] = {1, 1, 1};
	int sent;

	for (int i = 0; i < ARRAYS; i++)
	{
		values[i + 3] = arrays[i].data;
		lengths[i + 3] = (int) arrays[i].length;
		formats[i + 3] = 1;
	}
	sent = PQsendQueryPrepared(connection, STATEMENT, PARAMETERS, values, lengths, formats, 1);
	for (int i = 0; i < ARRAYS; i++)
		if (arrays[i].room > ANSWER_BYTES)
			intake_buffer_free(&arrays[i]);
	return sent != 0;
}

/* ---- what comes back ---- */

static IntakeSlice
field(const PGresult *result, int row, int column)
{
	if (PQgetisnull(result, row, column))
		return INTAKE_ABSENT;
	return (IntakeSlice){PQgetvalue(result, row, column),
						 (size_t) PQgetlength(result, row, column)};
}

/* A number of a row; OTHERWISE where it is NULL. */
static int64_t
number(const PGresult *result, int row, int column, int64_t otherwise)
{
	uint64_t wide;
	uint32_t narrow;

	if (PQgetisnull(result, row, column))
		return otherwise;
	if (PQgetlength(result, row, column) == 4)
	{
		memcpy(&narrow, PQgetvalue(result, row, column), 4);
		return (int32_t) ntohl(narrow);
	}
	memcpy(&wide, PQgetvalue(result, row, column), 8);
	return (int64_t) be64toh(wide);
}

static void
add_call(const PGresult *result, int row, double now)
{
	CourierRequest request = {.call_id = number(result, row, 1, 0),
							  .job_id = number(result, row, 2, 0),
							  .method = field(result, row, 3),
							  .scheme = field(result, row, 4),
							  .host = field(result, row, 5),
							  .port = (int) number(result, row, 6, 0),
							  .target = field(result, row, 7),
							  .lines = field(result, row, 8),
							  .body = field(result, row, 9),
							  .milliseconds = number(result, row, 10, 0),
							  .most = number(result, row, 11, 0)};

	courier_calls_add(courier_call_make(&request, now));
}

/* Whether a result has the columns of an exchange. */
bool
courier_exchange_is_result(const PGresult *result)
{
	return PQresultStatus(result) == PGRES_TUPLES_OK && PQnfields(result) == COLUMNS;
}

/* Takes what the database has to say: calls, and which to stop. */
CourierNews
courier_exchange_take(const PGresult *result, double now)
{
	CourierNews news = {.milliseconds = -1};

	news.bytes = PQresultMemorySize(result);
	for (int row = 0; row < PQntuples(result); row++)
		switch (PQgetvalue(result, row, 0)[0])
		{
			case 'r':
				add_call(result, row, now);
				news.requests++;
				break;
			case 'c':
				courier_calls_cancel(number(result, row, 1, 0));
				break;
			case 'w':
				news.milliseconds = number(result, row, 10, -1);
				break;
			default:
				break;
		}
	return news;
}

/* Makes a connection ready for exchanges. Returns false where the database has none. */
bool
courier_exchange_prepare(PGconn *connection)
{
	PGresult *result =
		PQexec(connection, "SET statement_timeout = 0; SET idle_session_timeout = 0");
	bool ready = PQresultStatus(result) == PGRES_COMMAND_OK;

	PQclear(result);
	if (!ready)
		return false;
	result = PQprepare(connection, STATEMENT, query, PARAMETERS, parameter_types);
	ready = PQresultStatus(result) == PGRES_COMMAND_OK;
	PQclear(result);
	return ready;
}
