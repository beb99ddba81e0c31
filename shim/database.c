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
 *		DOWN	a helper connects, however long it takes (common/program/connector.c)
 *		IDLE	the loop watches whether the server closes it
 *		BUSY	a batch is under way
 */
#include <libpq-fe.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "batch.h"
#include "budget.h"
#include "call.h"
#include "common/program/clock.h"
#include "common/program/connector.h"
#include "common/program/log.h"
#include "database.h"
#include "metrics.h"

typedef enum
{
	UNUSED,
	DOWN,
	IDLE,
	BUSY
} LinkState;

/* How a call, or a step of one, came to its end. */
typedef enum
{
	ENDED, /* the server is ready for the next one */
	LOST,
	LATE
} Outcome;

/*
 * The steps of a call. A large body goes in pieces, so that neither side holds it more than once, and
 * that takes a transaction.
 */
typedef enum
{
	WHOLE, /* the only step, of most calls */
	BEGIN,
	PIECE,
	LAST, /* the request, with the last piece */
	COMMIT
} Step;

typedef struct Link
{
	LinkState state;
	PGconn *connection;        /* NULL where it is down */
	IntakeConnector connector; /* DOWN: makes another one */
	bool counted;              /* as up; while it is only made anew as well */
	ShimRequest *batch;        /* BUSY: under way */
	Step step;
	size_t handed;    /* bytes of a large body, to libpq */
	int requests;     /* in the batch */
	int rows;         /* that the answer of this step has */
	PGresult *result; /* BUSY: what has come of this step */
	PGresult *answer; /* and of the one that has the requests */
	bool unsent;      /* BUSY: a part of the step */
	double sent_at;
} Link;

static const char *conninfo;
static double timeout;
static int n_links;
static _Thread_local Link *links; /* stay when the thread ends: a helper may be at work */
static _Thread_local int wake_fd; /* a helper has made a connection */

static void
start_connecting(Link *link, bool late)
{
	link->state = DOWN;
	intake_connector_start(&link->connector, link->connection, late);
	link->connection = NULL;
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
	if (intake_connector_has_failed(&link->connector))
		count(link, false);
	link->connection = intake_connector_take(&link->connector);
	if (link->connection == NULL)
		return;
	link->state = IDLE;
	count(link, true);
}

/* Gives up the connection of a link; LATE: the server may still work on its call. */
static void
give_up(Link *link, bool late)
{
	start_connecting(link, late);
	count(link, false);
}

/* Says why a call has no answer. */
static void
explain(const Link *link, const PGresult *result, Outcome outcome, bool callback)
{
	const char *message = result ? PQresultErrorMessage(result) : PQerrorMessage(link->connection);

	if (outcome == LATE)
		intake_log(INTAKE_WARNING, "the database did not answer within %.1f s", timeout);
	else
		intake_log(INTAKE_WARNING, "a call of intake.%s failed: %s",
				   callback ? "callback" : "receive",
				   message[0] ? message : "the connection was lost");
}

/* Ends the call of a link: with its answer, or, where there is none, with 503. */
static void
end_call(Link *link, bool answered, Outcome outcome)
{
	ShimRequest *batch = link->batch;
	PGresult *answer = link->answer;
	PGresult *result = link->result;

	shim_metrics_batch((size_t) link->requests, intake_clock_seconds() - link->sent_at);
	link->batch = NULL;
	link->answer = link->result = NULL;
	link->state = IDLE;
	if (answered)
	{
		shim_call_answer(batch, answer);
		shim_batch_finish(batch);
	}
	else
	{
		explain(link, result, outcome, batch->callback);
		shim_batch_refuse(batch);
		give_up(link, outcome == LATE);
	}
	PQclear(answer);
	PQclear(result);
}

/* Sends what the socket takes. Returns false when the connection is lost. */
static bool
flush(Link *link)
{
	int more = PQflush(link->connection);

	link->unsent = more > 0;
	return more >= 0;
}

static bool
send_piece(Link *link)
{
	shim_call_make_piece(link->batch, link->handed);
	link->handed += SHIM_PIECE_BYTES;
	link->rows = 0;
	return shim_call_send(link->connection);
}

/* Sends the requests. A large body is no longer needed then: if the call fails, its sender has it. */
static bool
send_requests(Link *link)
{
	ShimRequest *request = link->batch;
	bool sent;

	link->rows = link->requests = shim_call_make(request, link->handed);
	sent = shim_call_send(link->connection);
	if (link->step == LAST)
	{
		size_t room = request->body.room;

		intake_buffer_free(&request->body);
		(void) shim_budget_change(&request->held, request->held - room);
	}
	return sent;
}

static bool
send_step(Link *link)
{
	switch (link->step)
	{
		case BEGIN:
			return PQsendQuery(link->connection, "BEGIN") != 0;
		case PIECE:
			return send_piece(link);
		case COMMIT:
			return PQsendQuery(link->connection, "COMMIT") != 0;
		default:
			return send_requests(link);
	}
}

static void
start_step(Link *link)
{
	if (!send_step(link) || !flush(link))
		end_call(link, false, LOST);
}

/* What comes behind BEGIN or a piece. */
static Step
next_piece(const Link *link)
{
	return link->batch->body.length - link->handed > SHIM_PIECE_BYTES ? PIECE : LAST;
}

/* Whether a step has come to a good end; goes on to the next one then, if there is one. */
static bool
advance(Link *link)
{
	PGresult *result = link->result;

	if (link->step == BEGIN || link->step == COMMIT)
	{
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			return false;
		/* The COMMIT of a transaction that failed says that it is rolled back. */
		if (link->step == COMMIT)
			return strcmp(PQcmdStatus(result), "COMMIT") == 0;
	}
	else if (!shim_call_is_answer(result, link->rows))
		return false;
	if (link->step == WHOLE || link->step == LAST)
	{
		link->answer = result;
		link->result = NULL;
	}
	if (link->step != WHOLE)
		link->step = link->step == LAST ? COMMIT : next_piece(link);
	return true;
}

/* The server is ready for what comes next. */
static void
end_step(Link *link)
{
	Step step = link->step;

	if (!advance(link))
		end_call(link, false, ENDED);
	else if (step == WHOLE || step == COMMIT)
		end_call(link, true, ENDED);
	else
	{
		PQclear(link->result);
		link->result = NULL;
		start_step(link);
	}
}

/*
 * Reads what has come, up to where the server is ready for the next step or call, which it is only
 * when the transaction has ended, or waits for more.
 */
static void
read_answer(Link *link)
{
	if (!PQconsumeInput(link->connection))
	{
		end_call(link, false, LOST);
		return;
	}
	while (link->state == BUSY && !PQisBusy(link->connection))
	{
		PGresult *result = PQgetResult(link->connection);

		if (result == NULL)
		{
			end_step(link);
			return;
		}
		PQclear(link->result);
		link->result = result;
	}
}

static void
send_call(Link *link, ShimRequest *batch)
{
	link->state = BUSY;
	link->batch = batch;
	link->sent_at = intake_clock_seconds();
	link->step = batch->body.length > SHIM_CALL_BYTES ? BEGIN : WHOLE;
	link->handed = 0;
	link->requests = 1;
	start_step(link);
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
	{
		links[i].connector.conninfo = conninfo;
		links[i].connector.prepare = shim_call_prepare;
		links[i].connector.wake_fd = wake_fd;
	}
	start_connecting(&links[0], false);
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
	double now = intake_clock_seconds();
	double least = INTAKE_LONG;

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
	double now = intake_clock_seconds();
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
				end_call(link, false, LOST);
			else
				read_answer(link);
		}
		if (link->state == BUSY && now > link->sent_at + timeout)
			end_call(link, false, LATE);
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
		start_connecting(link, false);
}

/* Takes leave of the server; the thread ends. What is under way is not answered any more. */
void
shim_database_stop(void)
{
	for (int i = 0; i < n_links; i++)
		if (links[i].state >= IDLE)
			PQfinish(links[i].connection);
}
