/*
 * responder.c
 *		A bare HTTP responder: answers every request 200 and does nothing with it. What the load
 *		generator reaches against it is the load generator's own ceiling.
 *
 *		responder PORT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM (1 << 16)

typedef struct Connection
{
	int fd;
	size_t received; /* of the request that comes in */
	size_t whole;    /* its length, once its headers are there */
	char head[4097];
} Connection;

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

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

/* Reads what there is, and answers where that completes a request. Returns 0 at the end. */
static int
serve(Connection *connection)
{
	static char data[ROOM];
	ssize_t n = read(connection->fd, data, sizeof(data));
	size_t kept = connection->received;

	if (n <= 0)
		return 0;
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
		return 1;
	connection->received = connection->whole = 0;
	return write(connection->fd, answer, sizeof(answer) - 1) == (ssize_t) sizeof(answer) - 1;
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

	address.sin_port = htons((unsigned short) (argc == 2 ? atoi(argv[1]) : 0));
	(void) setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (argc != 2 || bind(listener, (struct sockaddr *) &address, sizeof(address)) != 0 ||
		listen(listener, 1024) != 0)
	{
		perror("responder PORT");
		return 1;
	}
	(void) epoll_ctl(poller, EPOLL_CTL_ADD, listener, &listening);
	for (;;)
	{
		int n = epoll_wait(poller, events, 256, -1);

		for (int i = 0; i < n; i++)
		{
			Connection *connection = events[i].data.ptr;

			if (connection == NULL)
				accept_one(poller, listener);
			else if (!serve(connection))
			{
				close(connection->fd);
				free(connection);
			}
		}
	}
}
