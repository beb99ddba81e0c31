/*
 * responder.c
 *		A bare HTTP responder: answers every request 200, with a bit of JSON, and does nothing
 *		with it. What the load generator reaches against it is the load generator's own ceiling.
 *		With MILLISECONDS it takes so long for each answer: a service that is called.
 *
 *		responder PORT [MILLISECONDS]
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROOM (1 << 16)

typedef struct Connection
{
	int fd;
	size_t received; /* of the request that comes in */
	size_t whole;    /* its length, once its headers are there */
	int64_t due;     /* when its answer is; 0 while there is none to give */
	bool closed;     /* by the client, before its answer */
	struct Connection *next;
	char head[4097];
} Connection;

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
							 "Content-Length: 11\r\n\r\n{\"ok\":true}";

/* Nanoseconds that an answer takes, and those that are to be given, the first one first. */
static int64_t taken;
static Connection *first;
static Connection **end = &first;

static int64_t
now(void)
{
	struct timespec time;

	(void) clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/* The length of the request whose headers are in HEAD; 0 while they are not. */
static size_t
length_of(const char *head)
{
	const char *end = strstr(head, "\r\n\r\n");
	const char *length = strcasestr(head, "Content-Length: ");

	if (end == NULL)
		return 0;
	return (size_t) (end + 4 - head) +
		   (length && length < end ? strtoul(length + 16, NULL, 10) : 0);
}

/* Returns false where the client is gone. */
static bool
give_answer(const Connection *connection)
{
	return write(connection->fd, answer, sizeof(answer) - 1) == (ssize_t) sizeof(answer) - 1;
}

static void
forget(Connection *connection)
{
	close(connection->fd);
	free(connection);
}

static void
put_off(Connection *connection)
{
	connection->due = now() + taken;
	connection->next = NULL;
	*end = connection;
	end = &connection->next;
}

/* Gives the answers that are due. Returns how long the next one has, or NULL where there is none. */
static const struct timespec *
give_due(void)
{
	static struct timespec left;
	int64_t time = now();

	while (first && first->due <= time)
	{
		Connection *connection = first;

		if ((first = connection->next) == NULL)
			end = &first;
		connection->due = 0;
		if (connection->closed || !give_answer(connection))
			forget(connection);
	}
	if (first == NULL)
		return NULL;
	left.tv_sec = (first->due - time) / 1000000000;
	left.tv_nsec = (first->due - time) % 1000000000;
	return &left;
}

/* Reads what there is, and answers where that completes a request. Returns false at the end. */
static bool
serve(Connection *connection)
{
	static char data[ROOM];
	ssize_t n = read(connection->fd, data, sizeof(data));
	size_t kept = connection->received;

	if (n <= 0)
		return false;
	if (connection->whole == 0 && kept < sizeof(connection->head) - 1)
	{
		size_t room = sizeof(connection->head) - 1 - kept;
		size_t size = (size_t) n < room ? (size_t) n : room;

		memcpy(connection->head + kept, data, size);
		connection->head[kept + size] = '\0';
		connection->whole = length_of(connection->head);
	}
	connection->received += (size_t) n;
	if (connection->whole == 0 || connection->received < connection->whole)
		return true;
	connection->received = connection->whole = 0;
	if (taken == 0)
		return give_answer(connection);
	put_off(connection);
	return true;
}

/* The client has gone. One that still has an answer to come stays until that is due. */
static void
leave(int poller, Connection *connection)
{
	if (connection->due == 0)
		forget(connection);
	else
	{
		connection->closed = true;
		(void) epoll_ctl(poller, EPOLL_CTL_DEL, connection->fd, NULL);
	}
}

static void
accept_one(int poller, int listener)
{
	Connection *connection = calloc(1, sizeof(Connection));
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

	if (connection == NULL || (connection->fd = accept(listener, NULL, NULL)) < 0)
		abort();
	(void) epoll_ctl(poller, EPOLL_CTL_ADD, connection->fd, &event);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event listening = {.events = EPOLLIN};
	struct epoll_event events[256];
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int poller = epoll_create1(0);
	int yes = 1;

	address.sin_port = htons((unsigned short) (argc >= 2 ? atoi(argv[1]) : 0));
	taken = (argc == 3 ? atoi(argv[2]) : 0) * INT64_C(1000000);
	(void) signal(SIGPIPE, SIG_IGN);
	(void) setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (argc < 2 || argc > 3 ||
		bind(listener, (struct sockaddr *) &address, sizeof(address)) != 0 ||
		listen(listener, 1024) != 0)
	{
		perror("responder PORT [MILLISECONDS]");
		return 1;
	}
	(void) epoll_ctl(poller, EPOLL_CTL_ADD, listener, &listening);
	for (;;)
	{
		int n = epoll_pwait2(poller, events, 256, give_due(), NULL);

		for (int i = 0; i < n; i++)
		{
			Connection *connection = events[i].data.ptr;

			if (connection == NULL)
				accept_one(poller, listener);
			else if (!serve(connection))
				leave(poller, connection);
		}
	}
}
