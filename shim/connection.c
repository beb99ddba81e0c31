/*
 * connection.c
 *		The clients' connections, and an end for those that take too long.
 *
 * The HTTP library closes a connection that is silent for long, without a word, and never one
 * that sends a byte from time to time; and it cannot answer while a body is coming in. So the
 * server looks at every connection now and then. One that has begun to send a request must
 * complete it within the timeout, or it is answered 408 on the bare socket and shut down: that it
 * has begun the kernel's count of received bytes tells, or, of a Unix socket, which has none, that
 * the request line was read. One that has sent nothing since the first look after its last answer
 * is idle, and may stay so for a while.
 *
 * The library tells of a connection's end before it closes the socket, so that a socket in
 * the list is open. Each thread has a list.
 */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "connection.h"
#include "metrics.h"

#define IDLE_TIMEOUT 75.0 /* seconds without a request */
#define INTERVAL 0.2      /* between looks */

struct ShimConnection
{
	ShimConnection *next;
	ShimConnection *previous;
	int socket;
	bool begun;    /* a request line was read */
	bool busy;     /* a request is complete and not answered yet */
	bool answered; /* since the last look */
	double idle_since;
	double begun_at;          /* when a request was seen to come in, or 0 */
	unsigned long long bytes; /* received when it was idle */
};

static _Thread_local ShimConnection *list;
static double timeout;

static unsigned long long
bytes_received(int socket)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
		return 0;
	return info.tcpi_bytes_received;
}

/* A client has connected. */
ShimConnection *
shim_connection_open(int socket)
{
	ShimConnection *connection = calloc(1, sizeof(ShimConnection));

	if (connection == NULL)
		return NULL;
	connection->socket = socket;
	connection->idle_since = shim_metrics_clock();
	connection->next = list;
	if (list != NULL)
		list->previous = connection;
	list = connection;
	return connection;
}

/* The socket is about to be closed. */
void
shim_connection_close(ShimConnection *connection)
{
	if (connection == NULL)
		return;
	if (connection->previous != NULL)
		connection->previous->next = connection->next;
	else
		list = connection->next;
	if (connection->next != NULL)
		connection->next->previous = connection->previous;
	free(connection);
}

/* A request has begun: its first line was read. */
void
shim_connection_begin(ShimConnection *connection)
{
	if (connection == NULL)
		return;
	connection->begun = true;
}

/* A request is complete: the client has done its part. */
void
shim_connection_busy(ShimConnection *connection)
{
	if (connection == NULL)
		return;
	connection->busy = true;
}

/* A request is answered. */
void
shim_connection_idle(ShimConnection *connection)
{
	if (connection == NULL)
		return;
	connection->begun = connection->busy = false;
	connection->answered = true;
}

static void
refuse(ShimConnection *connection, const char *status_line)
{
	char answer[256];
	int n = snprintf(answer, sizeof(answer),
					 "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", status_line);

	(void) send(connection->socket, answer, (size_t) n, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void) shutdown(connection->socket, SHUT_RDWR);
	connection->busy = true; /* once is enough */
	shim_metrics_answer(atoi(status_line));
}

/* Answers in the middle of a request, and ends the connection. */
void
shim_connection_refuse(ShimConnection *connection, const char *status_line)
{
	if (connection == NULL)
		return;
	refuse(connection, status_line);
}

static void
look(ShimConnection *connection, double now)
{
	if (connection->busy)
		return;
	if (connection->answered)
	{
		connection->answered = false;
		connection->begun_at = 0;
		connection->idle_since = now;
		connection->bytes = bytes_received(connection->socket);
	}
	if (connection->begun_at == 0 &&
		(connection->begun || bytes_received(connection->socket) != connection->bytes))
		connection->begun_at = now;
	if (connection->begun_at != 0 && now - connection->begun_at > timeout)
		refuse(connection, "408 Request Timeout");
	else if (connection->begun_at == 0 && now - connection->idle_since > IDLE_TIMEOUT)
	{
		(void) shutdown(connection->socket, SHUT_RDWR);
		connection->busy = true;
	}
}

/* Looks at every connection, if it is time for that. Returns the seconds until the next look. */
double
shim_connection_look(void)
{
	static _Thread_local double next_look = 0;
	double now = shim_metrics_clock();

	if (now < next_look)
		return next_look - now;
	next_look = now + INTERVAL;
	for (ShimConnection *connection = list; connection != NULL; connection = connection->next)
		look(connection, now);
	return INTERVAL;
}

/* REQUEST_TIMEOUT is in seconds. */
void
shim_connection_init(double request_timeout)
{
	timeout = request_timeout;
}
