/*
 * connection.c
 *		The clients' connections: what comes in, and an end for those that take too long.
 *
 * What a client sends comes by here before the HTTP library sees it (socket.c). Bytes that are no
 * request are answered on the bare socket, behind the answers to the requests before them. So is a
 * request that is refused before its body was read, since the library cannot answer while a body is
 * coming in. Such a connection is LEAVING: what still comes is read and thrown away for a moment,
 * or else the answer could be lost on its way.
 *
 * The library closes a connection that is silent for long, without a word, and never one that sends
 * or takes a byte from time to time. So the server looks at every connection now and then:
 *
 *		IDLE		no request has begun: may stay so for a while
 *		RECEIVING	must be complete within the timeout, or is answered 408
 *		WAITING		complete; the database has a timeout of its own
 *		SENDING		the client must take its answer within the timeout
 *		LEAVING		as above
 *
 * When others are refused because too many bytes are held, or wait because there are as many
 * clients as allowed, a request that comes in slowly is refused as well, and a client that is idle
 * or does not take its answer is cut off: it must not keep the others out.
 *
 * The library tells of a connection's end before it closes the socket, so that a socket in
 * the list is open. Each thread has a list.
 */
#include <errno.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/program/clock.h"
#include "budget.h"
#include "connection.h"
#include "framing.h"
#include "metrics.h"

#define IDLE_TIMEOUT 75.0      /* seconds without a request */
#define SHORT_IDLE_TIMEOUT 1.0 /* where there is no room */
#define SILENCE_TIMEOUT 5.0    /* the same, before the first request, or if no answer is taken */
#define LEAVING_TIME 2.0
#define INTERVAL 0.2          /* between looks, where something goes on */
#define SLOW_RATE (16 * 1024) /* bytes that must come in a second when there is no room */
#define DISCARD_ROUNDS 64     /* at a time */

typedef enum
{
	IDLE,
	RECEIVING,
	WAITING,
	SENDING,
	LEAVING
} Phase;

struct ShimConnection
{
	ShimConnection *next;
	ShimConnection *previous;
	int socket;
	bool sending; /* an answer is queued */
	bool leaving;
	uint64_t finished; /* requests that are answered */
	ShimFraming framing;

	/* Of the last look. */
	Phase phase;
	uint64_t seen_finished;
	double since;       /* when this phase of this request was seen first */
	double measured_at; /* how many bytes had come */
	uint64_t measured;  /* those */
	uint64_t received;  /* that have come by now */
	bool slow;          /* RECEIVING, less than it should */
};

static _Thread_local ShimConnection *list;
static _Thread_local ShimConnection **by_socket;
static _Thread_local int n_sockets;
static _Thread_local bool stirred; /* some have come or gone on since the last look */
static double timeout;

/* The connection that has a socket, if it is one of this thread's. */
ShimConnection *
shim_connection_find(int socket)
{
	return socket >= 0 && socket < n_sockets ? by_socket[socket] : NULL;
}

static bool
note_socket(int socket, ShimConnection *connection)
{
	if (socket >= n_sockets)
	{
		int more = (socket + 1) * 2;
		ShimConnection **grown = realloc(by_socket, (size_t) more * sizeof(*by_socket));

		if (grown == NULL)
			return false;
		memset(grown + n_sockets, 0, (size_t) (more - n_sockets) * sizeof(*by_socket));
		by_socket = grown;
		n_sockets = more;
	}
	by_socket[socket] = connection;
	return true;
}

/* A client has connected. Returns NULL when there is no memory: it cannot be served then. */
ShimConnection *
shim_connection_open(int socket)
{
	ShimConnection *connection = calloc(1, sizeof(ShimConnection));

	if (connection == NULL || !note_socket(socket, connection))
	{
		free(connection);
		return NULL;
	}
	connection->socket = socket;
	connection->since = intake_clock_seconds();
	connection->seen_finished = UINT64_MAX;
	connection->next = list;
	if (list != NULL)
		list->previous = connection;
	list = connection;
	stirred = true;
	return connection;
}

/* The socket is about to be closed. */
void
shim_connection_close(ShimConnection *connection)
{
	if (connection == NULL)
		return;
	by_socket[connection->socket] = NULL;
	if (connection->previous != NULL)
		connection->previous->next = connection->next;
	else
		list = connection->next;
	if (connection->next != NULL)
		connection->next->previous = connection->previous;
	free(connection);
}

/* ---- refusals ---- */

static void
send_refusal(int socket, int status)
{
	const char *more = status == 503   ? "Retry-After: 5\r\n"
					   : status == 405 ? "Allow: GET, HEAD\r\n"
									   : "";
	char answer[256];
	int n = snprintf(answer, sizeof(answer),
					 "HTTP/1.1 %d %s\r\n%sConnection: close\r\nContent-Length: 0\r\n\r\n", status,
					 MHD_get_reason_phrase_for((unsigned) status), more);

	if (send(socket, answer, (size_t) n, MSG_NOSIGNAL | MSG_DONTWAIT) == n)
		shim_metrics_answer(status);
}

/* Answers a request that has no answer yet; nothing that comes behind it is read. */
void
shim_connection_refuse(ShimConnection *connection, int status)
{
	if (connection->leaving)
		return;
	send_refusal(connection->socket, status);
	(void) shutdown(connection->socket, SHUT_WR);
	connection->leaving = true;
}

/* Answers a client that is not let in, and closes its socket. */
void
shim_connection_turn_away(int socket, int status)
{
	send_refusal(socket, status);
	close(socket);
}

/* ---- what comes in ---- */

static ssize_t
receive(int socket, char *buffer, size_t length)
{
	return syscall(SYS_recvfrom, socket, buffer, length, 0, NULL, NULL);
}

/* Throws away what comes from a client that is leaving, and says that nothing came. */
static ssize_t
discard(ShimConnection *connection)
{
	static _Thread_local char nobody[64 * 1024];

	for (int i = 0; i < DISCARD_ROUNDS; i++)
	{
		ssize_t n = receive(connection->socket, nobody, sizeof(nobody));

		if (n <= 0)
			return n;
	}
	errno = EAGAIN;
	return -1;
}

/* For the library: receives what may be read, as recv would. */
ssize_t
shim_connection_receive(ShimConnection *connection, char *buffer, size_t length)
{
	ShimFraming *framing = &connection->framing;
	ssize_t n;

	stirred = true;
	if (connection->leaving)
		return discard(connection);
	n = receive(connection->socket, buffer, length);
	if (n <= 0)
		return n;
	connection->received += (uint64_t) n;
	if (framing->status == 0)
		n = (ssize_t) shim_framing_read(framing, buffer, (size_t) n);
	else
		n = 0;
	if (framing->status != 0 && framing->requests == connection->finished)
	{
		shim_connection_refuse(connection, framing->status);
		return discard(connection);
	}
	if (n == 0)
	{
		errno = EAGAIN;
		return -1;
	}
	return n;
}

/* A request has its answer, which is being sent. */
void
shim_connection_answer(ShimConnection *connection)
{
	connection->sending = true;
}

/* A request is answered, or has come to another end. */
void
shim_connection_finish(ShimConnection *connection)
{
	connection->sending = false;
	connection->finished++;
	stirred = true;
	if (connection->framing.status != 0 && connection->framing.requests == connection->finished)
		shim_connection_refuse(connection, connection->framing.status);
}

/* ---- those that take too long ---- */

static Phase
find_phase(const ShimConnection *connection)
{
	if (connection->leaving)
		return LEAVING;
	if (connection->framing.requests > connection->finished)
		return connection->sending ? SENDING : WAITING;
	return shim_framing_begun(&connection->framing) ? RECEIVING : IDLE;
}

/* How long a connection may stay in a phase. */
static double
longest(const ShimConnection *connection, Phase phase, bool full)
{
	switch (phase)
	{
		case IDLE:
			if (!full)
				return IDLE_TIMEOUT;
			return connection->finished > 0 ? SHORT_IDLE_TIMEOUT : SILENCE_TIMEOUT;
		case SENDING:
			return full && timeout > SILENCE_TIMEOUT ? SILENCE_TIMEOUT : timeout;
		case LEAVING:
			return LEAVING_TIME;
		case WAITING:
			return 1e9;
		default:
			return timeout;
	}
}

/* Cuts a connection off, whatever is on its way to the client: the library then closes it. */
static void
cut_off(ShimConnection *connection)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	if (connection->phase == SENDING)
		(void) setsockopt(connection->socket, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	(void) shutdown(connection->socket, SHUT_RDWR);
	connection->leaving = true;
}

static void
measure(ShimConnection *connection, double now)
{
	if (now - connection->measured_at < 1)
		return;
	connection->slow = connection->received - connection->measured < SLOW_RATE;
	connection->measured = connection->received;
	connection->measured_at = now;
}

/*
 * Whether nothing will come any more. The library does not notice it when the end of the stream
 * came together with what it has read last.
 */
static bool
has_ended(const ShimConnection *connection)
{
	char byte;

	return recvfrom(connection->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT, NULL, NULL) == 0;
}

/* A connection is seen in a phase, or with a request, that it was not in before. */
static void
enter(ShimConnection *connection, Phase phase, double now)
{
	connection->phase = phase;
	connection->seen_finished = connection->finished;
	connection->since = connection->measured_at = now;
	connection->measured = connection->received;
	connection->slow = false;
	if ((phase == IDLE || phase == RECEIVING) && has_ended(connection))
		cut_off(connection);
}

/* FULL: others were refused, or wait to be let in. */
static void
look(ShimConnection *connection, double now, bool full)
{
	Phase phase = find_phase(connection);

	if (phase != connection->phase || connection->finished != connection->seen_finished)
		enter(connection, phase, now);
	if (phase == RECEIVING)
		measure(connection, now);
	if (now - connection->since > longest(connection, phase, full))
	{
		if (phase == RECEIVING)
			shim_connection_refuse(connection, 408);
		cut_off(connection);
	}
	else if (full && phase == RECEIVING && connection->slow)
	{
		shim_connection_refuse(connection, 503);
		cut_off(connection);
	}
}

/* Seconds until a connection is to be looked at again, if nothing comes from it. */
static double
wait_for(const ShimConnection *connection, double now)
{
	if (connection->leaving || connection->phase != IDLE)
		return INTERVAL;
	return connection->since + IDLE_TIMEOUT - now + INTERVAL;
}

static double
look_at_all(double now, bool full)
{
	double wait = INTAKE_LONG;

	for (ShimConnection *connection = list; connection != NULL; connection = connection->next)
	{
		double least;

		look(connection, now, full);
		least = wait_for(connection, now);
		if (least < wait)
			wait = least;
	}
	return wait;
}

/*
 * Looks at every connection, if it is time for that: often where something goes on, else when a
 * connection has been idle for too long. Returns the seconds until the next look.
 */
double
shim_connection_look(void)
{
	static _Thread_local double looked_at = 0;
	static _Thread_local double next_look = 0;
	static _Thread_local unsigned seen_refusals = 0;
	double now = intake_clock_seconds();

	if ((stirred || shim_budget_refusals() != seen_refusals) && next_look > looked_at + INTERVAL)
		next_look = looked_at + INTERVAL;
	if (now >= next_look)
	{
		unsigned refusals = shim_budget_look();

		stirred = false;
		looked_at = now;
		next_look = now + look_at_all(now, refusals != seen_refusals);
		seen_refusals = refusals;
	}
	return next_look - now;
}

/* REQUEST_TIMEOUT is in seconds. */
void
shim_connection_init(double request_timeout)
{
	timeout = request_timeout;
}
