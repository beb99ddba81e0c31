/*
 * database.c
 *		The connections to PostgreSQL. Knows nothing of HTTP.
 *
 * Each thread has its own. One that is up belongs to the thread's loop, which never waits for
 * it. It takes a batch, makes one call of intake.receive of it, and answers when the server has
 * said that the transaction is over and committed. Whatever fails is answered 503, and the
 * connection is given up: the sender tries again, and the event's key makes that safe.
 *
 *		UNUSED	not needed so far: a thread begins with one, and opens another when a call is slow
 *		DOWN	a helper cancels what is late, closes, and connects anew, however long it takes
 *		IDLE	the loop watches whether the server closes it
 *		BUSY	a batch is under way
 *
 * The helper is a thread that leaves what it has made in made, wakes the loop, and ends.
 */
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "batch.h"
#include "budget.h"
#include "database.h"
#include "log.h"
#include "metrics.h"
#include "turn.h"

#define STATEMENT "receive"
#define COLUMNS 6

#define BYTEA_OID 17
#define TEXT_OID 25
#define BYTEA_ARRAY_OID 1001
#define TEXT_ARRAY_OID 1009

static const char query[] =
	"SELECT status, content_type, headers, body FROM intake.receive($1, $2, $3, $4, $5, $6)";

static const Oid parameter_types[COLUMNS] = {BYTEA_ARRAY_OID, BYTEA_ARRAY_OID, BYTEA_ARRAY_OID,
											 BYTEA_ARRAY_OID, BYTEA_ARRAY_OID, TEXT_ARRAY_OID};

typedef enum
{
	UNUSED,
	DOWN,
	IDLE,
	BUSY
} LinkState;

/* How a call came to its end. */
typedef enum
{
	ENDED, /* the server is ready for the next one */
	LOST,
	LATE
} Outcome;

typedef struct Link
{
	LinkState state;
	PGconn *connection;     /* DOWN: the helper's, to be closed */
	bool late;              /* DOWN: what it does is to be cancelled first */
	bool counted;           /* as up; while it is only made anew as well */
	atomic_bool failed;     /* DOWN: the helper has tried in vain */
	pthread_t helper;       /* DOWN */
	_Atomic(PGconn *) made; /* by the helper, for the loop */
	int wake_fd;            /* of the loop */
	ShimRequest *batch;     /* BUSY: under way */
	int rows;               /* that its answer has */
	PGresult *answer;       /* BUSY: what has come of it */
	bool unsent;            /* BUSY: a part of the call */
	double sent_at;
	size_t held; /* bytes of the budget, for what libpq keeps of a large call */
} Link;

static const char *conninfo;
static double timeout;
static int n_links;
static _Thread_local Link *links; /* stay when the thread ends: a helper may be at work */
static _Thread_local ShimBuffer arrays[COLUMNS]; /* of the call that is being made */
static _Thread_local int wake_fd;                /* a helper has made a connection */

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
append_request(const ShimRequest *request)
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
make_parameters(const ShimRequest *batch)
{
	int count = 0;

	for (const ShimRequest *request = batch; request != NULL; request = request->next)
		count += !request->probe;
	for (int i = 0; i < COLUMNS; i++)
		begin_array(&arrays[i], i < COLUMNS - 1 ? BYTEA_OID : TEXT_OID, count);
	for (const ShimRequest *request = batch; request != NULL; request = request->next)
		if (!request->probe)
			append_request(request);
	return count;
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

/* ---- connecting, in helpers ---- */

static PGconn *
open_connection(void)
{
	const char *const keywords[] = {"dbname", "fallback_application_name", "connect_timeout", NULL};
	const char *const values[] = {conninfo, "intake-shim", "5", NULL};

	return PQconnectdbParams(keywords, values, 1);
}

/* What the server says besides, such as that it is shutting down. */
static void
note(void *closure, const char *message)
{
	(void) closure;
	shim_log(SHIM_WARNING, "the database says: %s", message);
}

/* Whether the database answers a call without requests: it may let us in and refuse to serve us. */
static bool
serves(PGconn *connection)
{
	ShimBuffer none[2] = {0}; /* arrays of bytea, and of text */
	const char *values[COLUMNS];
	int lengths[COLUMNS];
	int formats[COLUMNS];
	PGresult *answer;
	bool usable_answer;

	begin_array(&none[0], BYTEA_OID, 0);
	begin_array(&none[1], TEXT_OID, 0);
	for (int i = 0; i < COLUMNS; i++)
	{
		values[i] = none[i == COLUMNS - 1].data;
		lengths[i] = (int) none[i == COLUMNS - 1].length;
		formats[i] = 1;
	}
	answer = PQexecPrepared(connection, STATEMENT, COLUMNS, values, lengths, formats, 1);
	usable_answer = usable(answer, 0);
	PQclear(answer);
	shim_buffer_free(&none[0]);
	shim_buffer_free(&none[1]);
	return usable_answer;
}

/* Makes a new connection ready for calls. Returns false when it is none, or cannot be. */
static bool
make_ready(PGconn *connection)
{
	PGresult *prepared;
	bool ready;

	if (PQstatus(connection) != CONNECTION_OK)
		return false;
	/* Without detail, which may hold what a sender sent. */
	PQsetErrorVerbosity(connection, PQERRORS_TERSE);
	PQsetNoticeProcessor(connection, note, NULL);
	prepared = PQprepare(connection, STATEMENT, query, COLUMNS, parameter_types);
	ready = PQresultStatus(prepared) == PGRES_COMMAND_OK && serves(connection) &&
			PQsetnonblocking(connection, 1) == 0;
	PQclear(prepared);
	return ready;
}

/* Closes the connection, and lets go what libpq has kept. */
static void
close_connection(Link *link)
{
	PQfinish(link->connection);
	link->connection = NULL;
	(void) shim_budget_change(&link->held, 0);
}

static void
close_old(Link *link)
{
	PGcancel *cancel = link->late ? PQgetCancel(link->connection) : NULL;
	char message[256];

	if (cancel != NULL)
		(void) PQcancel(cancel, message, sizeof(message));
	PQfreeCancel(cancel);
	close_connection(link);
}

/* Tries once; NULL: in vain. */
static PGconn *
try_to_connect(void)
{
	PGconn *connection = open_connection();
	bool ready = make_ready(connection);
	bool news = shim_turn_end(ready);

	if (ready)
	{
		if (news)
			shim_log(SHIM_INFO, "connected to the database again");
		return connection;
	}
	if (news)
		shim_log(SHIM_ERROR, "no connection to the database: %s", PQerrorMessage(connection));
	PQfinish(connection);
	return NULL;
}

/*
 * The helper of a link that is down: connects, however long it takes. Only the first try waits for
 * no turn.
 */
static void *
connect_link(void *argument)
{
	Link *link = argument;
	PGconn *connection;

	if (link->connection != NULL)
		close_old(link);
	while ((connection = try_to_connect()) == NULL)
	{
		atomic_store(&link->failed, true);
		(void) eventfd_write(link->wake_fd, 1);
		shim_turn_wait();
	}
	atomic_store(&link->made, connection);
	(void) eventfd_write(link->wake_fd, 1);
	return NULL;
}

static void
start_connecting(Link *link)
{
	link->state = DOWN;
	atomic_store(&link->failed, false);
	if (pthread_create(&link->helper, NULL, connect_link, link) != 0)
		abort();
}

/* ---- the state of a link, in the loop ---- */

/* Counts a link as up or not. */
static void
count(Link *link, bool up)
{
	if (link->counted == up)
		return;
	link->counted = up;
	shim_batch_connected(up);
}

/* Takes over what the helper of a link has made, if it has. */
static void
take_over(Link *link)
{
	PGconn *made = atomic_load(&link->made);

	if (atomic_load(&link->failed))
		count(link, false);
	if (made == NULL)
		return;
	pthread_join(link->helper, NULL);
	atomic_store(&link->made, NULL);
	link->connection = made;
	link->state = IDLE;
	count(link, true);
}

/* Gives up the connection of a link; LATE: the server may still work on its call. */
static void
give_up(Link *link, bool late)
{
	link->late = late;
	start_connecting(link);
	count(link, false);
}

/*
 * Makes the connection of a link anew after a large call: libpq never lets go of the memory that a
 * call has taken. Requests wait meanwhile.
 */
static void
renew(Link *link)
{
	close_connection(link);
	start_connecting(link);
}

/* Says why a call has no answer. */
static void
explain(const Link *link, const PGresult *answer, Outcome outcome)
{
	const char *message = answer ? PQresultErrorMessage(answer) : PQerrorMessage(link->connection);

	if (outcome == LATE)
		shim_log(SHIM_WARNING, "the database did not answer within %.1f s", timeout);
	else
		shim_log(SHIM_WARNING, "a call of intake.receive failed: %s",
				 message[0] ? message : "the connection was lost");
}

/* Ends the call of a link: with its answer, or, where that is of no use, with 503. */
static void
end_call(Link *link, Outcome outcome)
{
	ShimRequest *batch = link->batch;
	PGresult *answer = link->answer;
	bool answered = outcome == ENDED && usable(answer, link->rows);

	shim_metrics_batch((size_t) link->rows, shim_metrics_clock() - link->sent_at);
	link->batch = NULL;
	link->answer = NULL;
	link->state = IDLE;
	if (answered)
	{
		if (link->held > 0)
			renew(link);
		answer_all(batch, answer);
	}
	else
	{
		explain(link, answer, outcome);
		shim_batch_refuse(batch);
		give_up(link, outcome == LATE);
	}
	PQclear(answer);
}

/* Sends what the socket takes. Returns false when the connection is lost. */
static bool
flush(Link *link)
{
	int more = PQflush(link->connection);

	link->unsent = more > 0;
	return more >= 0;
}

/*
 * Reads what has come, up to where the server is ready for the next call, which it is only when
 * the transaction has ended.
 */
static void
read_answer(Link *link)
{
	if (!PQconsumeInput(link->connection))
	{
		end_call(link, LOST);
		return;
	}
	while (!PQisBusy(link->connection))
	{
		PGresult *result = PQgetResult(link->connection);

		if (result == NULL)
		{
			end_call(link, ENDED);
			return;
		}
		PQclear(link->answer);
		link->answer = result;
	}
}

/*
 * The parameters of a call are made: a large body stands there now, and not in its request any
 * more. The link takes over the bytes that the request held for it, twice its size: once for the
 * parameters and once for libpq's copy of them.
 */
static void
move_body(Link *link, ShimRequest *request)
{
	size_t bytes = 2 * request->body.room;

	if (request->body.room <= SHIM_CALL_BYTES)
		return;
	shim_buffer_free(&request->body);
	request->held -= bytes;
	link->held = bytes;
}

/* The call is handed over. */
static void
forget_parameters(Link *link)
{
	for (int i = 0; i < COLUMNS; i++)
		if (arrays[i].room > SHIM_CALL_BYTES)
			shim_buffer_free(&arrays[i]);
	(void) shim_budget_change(&link->held, link->held / 2);
}

static void
send_call(Link *link, ShimRequest *batch)
{
	int sent;
	const char *values[COLUMNS];
	int lengths[COLUMNS];
	int formats[COLUMNS];

	link->state = BUSY;
	link->batch = batch;
	link->sent_at = shim_metrics_clock();
	link->rows = make_parameters(batch);
	move_body(link, batch);
	for (int i = 0; i < COLUMNS; i++)
	{
		values[i] = arrays[i].data;
		lengths[i] = (int) arrays[i].length;
		formats[i] = 1;
	}
	sent = PQsendQueryPrepared(link->connection, STATEMENT, COLUMNS, values, lengths, formats, 1);
	forget_parameters(link);
	if (!sent || !flush(link))
		end_call(link, LOST);
}

/* Whether the server has closed the connection while nothing was going on. */
static bool
is_closed(Link *link)
{
	struct pollfd poller = {PQsocket(link->connection), POLLIN, 0};

	/* A server that goes says so first; the end of the stream comes behind that. */
	for (int i = 0; i < 3 && poll(&poller, 1, 0) > 0; i++)
		if (!PQconsumeInput(link->connection))
			return true;
	return PQstatus(link->connection) != CONNECTION_OK;
}

static Link *
find(LinkState state)
{
	for (int i = 0; i < n_links; i++)
		if (links[i].state == state)
			return &links[i];
	return NULL;
}

/* ---- what the loop calls ---- */

/* For all threads: where the database is. CALL_TIMEOUT, in seconds, bounds each call. */
void
shim_database_init(const char *dsn, int connections, double call_timeout)
{
	conninfo = dsn;
	timeout = call_timeout;
	n_links = connections;
}

/* For a thread: begins to connect. */
void
shim_database_start(void)
{
	links = calloc((size_t) n_links, sizeof(Link));
	if (links == NULL)
		abort();
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (int i = 0; i < n_links; i++)
		links[i].wake_fd = wake_fd;
	start_connecting(&links[0]);
}

/* Fills POLLERS, SHIM_MAX_CONNECTIONS + 1 at most, with what to wait for; returns how many. */
int
shim_database_poll(struct pollfd *pollers)
{
	for (int i = 0; i < n_links; i++)
	{
		Link *link = &links[i];

		pollers[i].fd = link->state < IDLE ? -1 : PQsocket(link->connection);
		pollers[i].events = link->state == BUSY && link->unsent ? POLLIN | POLLOUT : POLLIN;
		pollers[i].revents = 0;
	}
	pollers[n_links] = (struct pollfd){wake_fd, POLLIN, 0};
	return n_links + 1;
}

/* Seconds until something is to be done even if nothing comes. */
double
shim_database_timeout(void)
{
	double now = shim_metrics_clock();
	double least = SHIM_LONG;

	for (int i = 0; i < n_links; i++)
	{
		if (links[i].state == BUSY && links[i].sent_at + timeout - now < least)
			least = links[i].sent_at + timeout - now;
	}
	if ((find(IDLE) != NULL || (find(UNUSED) != NULL && find(DOWN) == NULL)) &&
		shim_batch_wait() < least)
		least = shim_batch_wait();
	return least > 0 ? least : 0;
}

/* Goes on with what POLLERS say is ready, and with what is late. */
void
shim_database_run(const struct pollfd *pollers)
{
	double now = shim_metrics_clock();
	eventfd_t count;

	if (pollers[n_links].revents != 0)
		(void) eventfd_read(wake_fd, &count);
	for (int i = 0; i < n_links; i++)
	{
		Link *link = &links[i];

		if (link->state == DOWN)
			take_over(link);
		else if (link->state == IDLE && pollers[i].revents != 0 && is_closed(link))
			give_up(link, false);
		else if (link->state == BUSY && pollers[i].revents != 0)
		{
			if (link->unsent && !flush(link))
				end_call(link, LOST);
			else
				read_answer(link);
		}
		if (link->state == BUSY && now > link->sent_at + timeout)
			end_call(link, LATE);
	}
}

/*
 * Gives batches to idle connections, but not to one that the server has closed meanwhile. If a
 * batch finds no connection, and none is being made, another one is opened.
 */
void
shim_database_send(void)
{
	Link *link;

	while (shim_batch_wait() <= 0 && (link = find(IDLE)) != NULL)
	{
		if (is_closed(link))
			give_up(link, false);
		else
			send_call(link, shim_batch_take());
	}
	if (shim_batch_wait() <= 0 && find(DOWN) == NULL && (link = find(UNUSED)) != NULL)
		start_connecting(link);
}

/* Takes leave of the server; the thread ends. What is under way is not answered any more. */
void
shim_database_stop(void)
{
	for (int i = 0; i < n_links; i++)
		if (links[i].state >= IDLE)
			PQfinish(links[i].connection);
}
