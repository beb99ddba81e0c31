/*
 * database.c
 *		The connections to PostgreSQL. Knows nothing of HTTP.
 *
 * Each connection has a thread, which takes a batch, makes one call of intake.receive of it,
 * and answers when the server has said that the transaction is over and committed. Whatever
 * fails is answered 503: the sender tries again, and the event's key makes that safe.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "database.h"
#include "log.h"
#include "metrics.h"

#define STATEMENT "receive"
#define COLUMNS 6
#define FIRST_PAUSE 0.05 /* seconds before a second try to connect */
#define LAST_PAUSE 2.0

#define BYTEA_OID 17
#define TEXT_OID 25
#define BYTEA_ARRAY_OID 1001
#define TEXT_ARRAY_OID 1009

static const char query[] =
	"SELECT status, content_type, headers, body FROM intake.receive($1, $2, $3, $4, $5, $6)";

static const Oid parameter_types[COLUMNS] = {BYTEA_ARRAY_OID, BYTEA_ARRAY_OID, BYTEA_ARRAY_OID,
											 BYTEA_ARRAY_OID, BYTEA_ARRAY_OID, TEXT_ARRAY_OID};

static const char *conninfo;
static double timeout;
static pthread_t *threads;
static int n_threads;

/* ---- the wire format of arrays ---- */

static void
begin_array(ShimBuffer *array, Oid type, int count)
{
	array->length = 0;
	shim_buffer_append_int32(array, count > 0 ? 1 : 0);
	shim_buffer_append_int32(array, 0);
	shim_buffer_append_int32(array, (int32_t) type);
	if (count == 0)
		return;
	shim_buffer_append_int32(array, count);
	shim_buffer_append_int32(array, 1);
}

static void
append_element(ShimBuffer *array, const char *data, size_t length)
{
	shim_buffer_append_int32(array, (int32_t) length);
	shim_buffer_append(array, data, length);
}

static void
append_request(ShimBuffer *arrays, const ShimRequest *request)
{
	append_element(&arrays[0], request->method, strlen(request->method));
	append_element(&arrays[1], request->source, request->source_length);
	append_element(&arrays[2], request->query, strlen(request->query));
	append_element(&arrays[3], request->headers.data, request->headers.length);
	append_element(&arrays[4], request->body.data, request->body.length);
	append_element(&arrays[5], request->peer, strlen(request->peer));
}

/* Makes the parameters of a call; returns how many requests it has. */
static int
make_parameters(const ShimRequest *batch, ShimBuffer *arrays)
{
	int count = 0;

	for (const ShimRequest *request = batch; request != NULL; request = request->next)
		count += !request->probe;
	for (int i = 0; i < COLUMNS; i++)
		begin_array(&arrays[i], i < COLUMNS - 1 ? BYTEA_OID : TEXT_OID, count);
	for (const ShimRequest *request = batch; request != NULL; request = request->next)
		if (!request->probe)
			append_request(arrays, request);
	return count;
}

/* ---- waiting for the server ---- */

/* Waits until the socket is ready, or the deadline: then false. */
static bool
wait_for(PGconn *connection, short events, double deadline)
{
	for (;;)
	{
		struct pollfd poller = {PQsocket(connection), events, 0};
		double left = deadline - shim_metrics_clock();
		int ready;

		if (left <= 0 || poller.fd < 0)
			return false;
		ready = poll(&poller, 1, (int) (left * 1000) + 1);
		if (ready > 0)
			return true;
		if (ready < 0 && errno != EINTR)
			return false;
	}
}

static bool
flush(PGconn *connection, double deadline)
{
	int more;

	while ((more = PQflush(connection)) == 1)
	{
		/* The server may have to be read from before it reads on. */
		if (!wait_for(connection, POLLIN | POLLOUT, deadline) || !PQconsumeInput(connection))
			return false;
	}
	return more == 0;
}

/* The next result; *LATE is set when the deadline passed. NULL: no more, or late. */
static PGresult *
next_result(PGconn *connection, double deadline, bool *late)
{
	while (PQisBusy(connection))
	{
		if (!wait_for(connection, POLLIN, deadline))
		{
			*late = true;
			return NULL;
		}
		if (!PQconsumeInput(connection))
			break;
	}
	return PQgetResult(connection);
}

/*
 * Reads a whole answer, up to where the server is ready for the next query, which it is only
 * when the transaction has ended. Returns the result, or NULL and leaves the connection to be
 * closed or not, as PQstatus says.
 */
static PGresult *
read_answer(PGconn *connection, double deadline)
{
	PGresult *answer = NULL;
	PGresult *result;
	bool late = false;

	while ((result = next_result(connection, deadline, &late)) != NULL)
	{
		PQclear(answer);
		answer = result;
	}
	if (late)
	{
		PGcancel *cancel = PQgetCancel(connection);
		char message[256];

		shim_log(SHIM_WARNING, "the database did not answer within %.1f s", timeout);
		if (cancel != NULL)
			(void) PQcancel(cancel, message, sizeof(message));
		PQfreeCancel(cancel);
		PQclear(answer);
		return NULL;
	}
	return answer;
}

/* ---- one call ---- */

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

static void
answer_all(ShimRequest *batch, const PGresult *result)
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
	shim_batch_finish(batch);
}

static bool
usable(const PGresult *result, int count)
{
	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != count ||
		PQnfields(result) != 4)
		return false;
	for (int row = 0; row < count; row++)
		if (PQgetlength(result, row, 0) != 4)
			return false;
	return true;
}

/* Sends a batch and answers it. Returns whether the connection is still good. */
static bool
call(PGconn *connection, ShimRequest *batch, ShimBuffer *arrays)
{
	double start = shim_metrics_clock();
	const char *values[COLUMNS];
	int lengths[COLUMNS];
	int formats[COLUMNS];
	int count = make_parameters(batch, arrays);
	PGresult *result = NULL;
	bool answered;

	for (int i = 0; i < COLUMNS; i++)
	{
		values[i] = arrays[i].data;
		lengths[i] = (int) arrays[i].length;
		formats[i] = 1;
	}
	if (PQsendQueryPrepared(connection, STATEMENT, COLUMNS, values, lengths, formats, 1) &&
		flush(connection, start + timeout))
		result = read_answer(connection, start + timeout);
	answered = result != NULL && usable(result, count);
	if (answered)
		answer_all(batch, result);
	else
	{
		shim_log(SHIM_WARNING, "a call of intake.receive failed: %s",
				 result ? PQresultErrorMessage(result) : PQerrorMessage(connection));
		shim_batch_refuse(batch);
	}
	PQclear(result);
	shim_metrics_batch((size_t) count, shim_metrics_clock() - start);
	return answered;
}

/* ---- connections ---- */

static PGconn *
open_connection(void)
{
	const char *const keywords[] = {"dbname", "fallback_application_name", "connect_timeout", NULL};
	const char *const values[] = {conninfo, "intake-shim", "5", NULL};
	PGconn *connection = PQconnectdbParams(keywords, values, 1);
	PGresult *result;

	if (PQstatus(connection) == CONNECTION_OK)
	{
		/* Without detail, which may hold what a sender sent. */
		PQsetErrorVerbosity(connection, PQERRORS_TERSE);
		result = PQprepare(connection, STATEMENT, query, COLUMNS, parameter_types);
		if (PQresultStatus(result) == PGRES_COMMAND_OK && PQsetnonblocking(connection, 1) == 0)
		{
			PQclear(result);
			return connection;
		}
		PQclear(result);
	}
	return connection;
}

static bool
is_ready(const PGconn *connection)
{
	return PQstatus(connection) == CONNECTION_OK && PQisnonblocking(connection);
}

/* Connects, however long it takes, unless the daemon stops: then NULL. */
static PGconn *
keep_connecting(void)
{
	double pause = FIRST_PAUSE;
	bool reported = false;

	for (;;)
	{
		PGconn *connection = open_connection();

		if (is_ready(connection))
		{
			if (reported)
				shim_log(SHIM_INFO, "connected to the database again");
			return connection;
		}
		if (!reported)
			shim_log(SHIM_ERROR, "no connection to the database: %s", PQerrorMessage(connection));
		reported = true;
		PQfinish(connection);
		if (!shim_batch_pause(pause * (0.5 + 0.5 * drand48())))
			return NULL;
		pause = pause * 2 < LAST_PAUSE ? pause * 2 : LAST_PAUSE;
	}
}

/* Whether the server has closed the connection while nothing was going on. */
static bool
is_closed(PGconn *connection)
{
	struct pollfd poller = {PQsocket(connection), POLLIN, 0};

	/* A server that goes says so first; the end of the stream comes behind that. */
	for (int i = 0; i < 3 && poll(&poller, 1, 0) > 0; i++)
		if (!PQconsumeInput(connection))
			return true;
	return PQstatus(connection) != CONNECTION_OK;
}

/*
 * Serves *CONNECTION for as long as it is good. One that the server closed meanwhile, as a
 * restart does, is opened again before a batch is sent. Returns true when the daemon stops.
 */
static bool
serve(PGconn **connection, ShimBuffer *arrays)
{
	ShimRequest *batch;
	bool good = true;

	shim_batch_connected(true);
	while (good && (batch = shim_batch_take()) != NULL)
	{
		if (is_closed(*connection))
		{
			PQfinish(*connection);
			*connection = open_connection();
		}
		good = is_ready(*connection);
		if (good)
			good = call(*connection, batch, arrays);
		else
			shim_batch_refuse(batch);
	}
	shim_batch_connected(false);
	return good;
}

static void *
run(void *argument)
{
	ShimBuffer arrays[COLUMNS] = {0};
	PGconn *connection;
	bool stopped = false;

	while (!stopped && (connection = keep_connecting()) != NULL)
	{
		stopped = serve(&connection, arrays);
		PQfinish(connection);
	}
	for (int i = 0; i < COLUMNS; i++)
		shim_buffer_free(&arrays[i]);
	return argument;
}

/* Starts the threads. TIMEOUT, in seconds, bounds each call. */
void
shim_database_start(const char *dsn, int connections, double call_timeout)
{
	conninfo = dsn;
	timeout = call_timeout;
	n_threads = connections;
	threads = calloc((size_t) connections, sizeof(pthread_t));
	if (threads == NULL)
		abort();
	for (int i = 0; i < connections; i++)
		if (pthread_create(&threads[i], NULL, run, NULL) != 0)
			abort();
}

/* Waits for the threads after shim_batch_stop. */
void
shim_database_join(void)
{
	for (int i = 0; i < n_threads; i++)
		pthread_join(threads[i], NULL);
	free(threads);
}
