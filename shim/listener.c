/*
 * listener.c
 *		The socket that clients connect to, and which thread takes the next one.
 *
 * Nobody hands clients out: every thread sees that one waits. A thread that has more of them
 * than the average lets the others go first, and takes the client when it still waits the next
 * time. A thread that has no connection to the database takes none, unless no thread has one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "listener.h"
#include "log.h"
#include "metrics.h"

#define PAUSE 0.1 /* seconds, when the system lets nobody in */

static atomic_int listening = -1;
static int max_clients;
static atomic_int clients; /* of all threads */
static atomic_int serving; /* threads */

static _Thread_local int own_clients;
static _Thread_local bool own_serving;
static _Thread_local bool passed;         /* a client on to the others, the last time */
static _Thread_local double paused_until; /* 0 when the last client was let in */

/* ---- the socket ---- */

/* Opens the socket of address:port, or says why not and returns -1. */
static int
open_socket(const char *listen_option)
{
	char host[256];
	const char *colon = strrchr(listen_option, ':');
	size_t length = colon ? (size_t) (colon - listen_option) : 0;
	struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
	struct addrinfo *address = NULL;
	int yes = 1;
	int fd;

	if (colon == NULL || length >= sizeof(host))
	{
		shim_log(SHIM_ERROR, "--listen takes address:port, not \"%s\"", listen_option);
		return -1;
	}
	memcpy(host, listen_option, length);
	host[length] = '\0';
	if (length > 1 && host[0] == '[' && host[length - 1] == ']')
	{
		memmove(host, host + 1, length - 2);
		host[length - 2] = '\0';
	}
	if (getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &address) != 0)
	{
		shim_log(SHIM_ERROR, "--listen: \"%s\" is not an address", listen_option);
		return -1;
	}
	fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		(void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (fd < 0 || bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, 1024) != 0)
	{
		shim_log(SHIM_ERROR, "cannot listen on %s: %m", listen_option);
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(address);
	return fd;
}

static void
report_address(int fd)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	char host[NI_MAXHOST];
	char port[NI_MAXSERV];

	if (getsockname(fd, (struct sockaddr *) &address, &length) != 0 ||
		getnameinfo((struct sockaddr *) &address, length, host, sizeof(host), port, sizeof(port),
					NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return;
	fprintf(stderr,
			address.ss_family == AF_INET6 ? "intake-shim: listening on http://[%s]:%s\n"
										  : "intake-shim: listening on http://%s:%s\n",
			host, port);
}

/* Opens the socket, for MOST clients at once. Returns false when it cannot, having said why. */
bool
shim_listener_open(const char *listen_option, int most)
{
	int fd = open_socket(listen_option);

	if (fd < 0)
		return false;
	report_address(fd);
	max_clients = most;
	listening = fd;
	return true;
}

/* Nobody can connect any more. The descriptor stays, which threads may be waiting for. */
void
shim_listener_close(void)
{
	(void) shutdown(atomic_exchange(&listening, -1), SHUT_RDWR);
}

/* ---- what a thread calls ---- */

/* Whether the thread can serve clients now. */
void
shim_listener_serve(bool serves)
{
	if (serves != own_serving)
		atomic_fetch_add(&serving, serves ? 1 : -1);
	own_serving = serves;
}

/* Whether other threads would serve this one's clients better. */
bool
shim_listener_is_spare(void)
{
	return !own_serving && atomic_load(&serving) > 0;
}

/* Becomes readable when a client waits; -1 when none is for this thread. */
int
shim_listener_fd(void)
{
	if (atomic_load(&clients) >= max_clients || shim_listener_is_spare() ||
		(paused_until > 0 && shim_metrics_clock() < paused_until))
		return -1;
	return atomic_load(&listening);
}

/* Whether this thread is the one to take a client, if one WAITS. */
bool
shim_listener_is_turn(bool waits)
{
	bool has_more = own_clients * atomic_load(&serving) > atomic_load(&clients);

	/* What was so when the thread began to wait may have changed. */
	waits = waits && shim_listener_fd() >= 0;
	passed = waits && has_more && !passed;
	return waits && !passed;
}

/* The socket of the client that waits, not blocking, and its address; -1 when none waits. */
int
shim_listener_accept(struct sockaddr_storage *address, socklen_t *length)
{
	int fd = -1;

	*length = sizeof(*address);
	errno = 0;
	if (atomic_fetch_add(&clients, 1) < max_clients)
		fd = accept4(listening, (struct sockaddr *) address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
	{
		own_clients++;
		paused_until = 0;
		return fd;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
	{
		if (paused_until == 0)
			shim_log(SHIM_WARNING, "cannot accept a client: %m");
		paused_until = shim_metrics_clock() + PAUSE;
	}
	atomic_fetch_sub(&clients, 1);
	return -1;
}

/* A client of this thread has gone. */
void
shim_listener_leave(void)
{
	own_clients--;
	atomic_fetch_sub(&clients, 1);
}
