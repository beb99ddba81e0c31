/*
 * listener.c
 *		The socket that clients connect to, and which thread serves whom.
 *
 * The main thread lets clients in, and hands each to the thread that has the fewest of them,
 * through a pipe. A thread that has no connection to the database gets none, unless no thread
 * has one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "budget.h"
#include "listener.h"
#include "log.h"

#define BACKLOG 1024
#define PAUSE 100 /* milliseconds, while somebody waits who cannot be let in */
#define UNIX_PREFIX "unix:"

/* A client on its way to its thread. */
typedef struct Arrival
{
	int fd;
	socklen_t length;
	struct sockaddr_storage address;
} Arrival;

/* What the main thread knows of a thread that serves clients. */
typedef struct Inbox
{
	int reader; /* of a pipe of arrivals, not blocking */
	int writer;
	atomic_int clients;
	atomic_bool serving;
} Inbox;

static Inbox inboxes[SHIM_MAX_THREADS];
static int n_inboxes;
static _Thread_local Inbox *own;

static int listening = -1;
static int max_clients;
static int left_fd;      /* becomes readable when a client goes while it is full */
static atomic_bool full; /* nobody is let in before a client goes */

static const char *unix_path; /* of the socket, if it has one */
static struct stat unix_file;

/* ---- the socket ---- */

static int
fail(const char *listen_option, int fd)
{
	shim_log(SHIM_ERROR, "cannot listen on %s: %m", listen_option);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Opens the socket of address:port, or says why not and returns -1. */
static int
open_port(const char *listen_option)
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
		shim_log(SHIM_ERROR, "--listen takes address:port or unix:path, not \"%s\"", listen_option);
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
	if (fd < 0 || bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0)
		fd = fail(listen_option, fd);
	freeaddrinfo(address);
	return fd;
}

/* Whether what is at an address is a socket that nobody listens on: its process is gone. */
static bool
is_left_behind(const struct sockaddr_un *address)
{
	int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat file;
	bool refused = probe >= 0 && lstat(address->sun_path, &file) == 0 && S_ISSOCK(file.st_mode) &&
				   connect(probe, (const struct sockaddr *) address, sizeof(*address)) != 0 &&
				   errno == ECONNREFUSED;

	if (probe >= 0)
		close(probe);
	return refused;
}

static bool
bind_path(int fd, const struct sockaddr_un *address)
{
	if (bind(fd, (const struct sockaddr *) address, sizeof(*address)) == 0)
		return true;
	if (errno != EADDRINUSE)
		return false;
	if (is_left_behind(address) && unlink(address->sun_path) == 0)
		return bind(fd, (const struct sockaddr *) address, sizeof(*address)) == 0;
	errno = EADDRINUSE;
	return false;
}

/*
 * Opens the socket at PATH, or says why not and returns -1. Whoever may enter its directory may
 * connect, as anybody on the machine may to a port.
 */
static int
open_path(const char *listen_option, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (path[0] != '/' || strlen(path) >= sizeof(address.sun_path))
	{
		shim_log(SHIM_ERROR, "--listen: \"%s\" is not an absolute path of at most %zu bytes", path,
				 sizeof(address.sun_path) - 1);
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || !bind_path(fd, &address) || chmod(path, 0666) != 0 ||
		stat(path, &unix_file) != 0 || listen(fd, BACKLOG) != 0)
		return fail(listen_option, fd);
	unix_path = path;
	return fd;
}

static void
report_address(void)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	char host[NI_MAXHOST];
	char port[NI_MAXSERV];

	if (unix_path != NULL)
		fprintf(stderr, "intake-shim: listening on " UNIX_PREFIX "%s\n", unix_path);
	else if (getsockname(listening, (struct sockaddr *) &address, &length) == 0 &&
			 getnameinfo((struct sockaddr *) &address, length, host, sizeof(host), port,
						 sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		fprintf(stderr,
				address.ss_family == AF_INET6 ? "intake-shim: listening on http://[%s]:%s\n"
											  : "intake-shim: listening on http://%s:%s\n",
				host, port);
}

static bool
open_inbox(Inbox *inbox)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0)
		return false;
	inbox->reader = ends[0];
	inbox->writer = ends[1];
	return true;
}

/*
 * Opens the socket, for so many threads and for MOST clients at once. Returns false when it
 * cannot, having said why.
 */
bool
shim_listener_open(const char *listen_option, int threads, int most)
{
	size_t prefix = strlen(UNIX_PREFIX);

	max_clients = most;
	left_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	while (n_inboxes < threads && open_inbox(&inboxes[n_inboxes]))
		n_inboxes++;
	if (left_fd < 0 || n_inboxes < threads)
	{
		shim_log(SHIM_ERROR, "cannot serve clients: %m");
		return false;
	}
	listening = strncmp(listen_option, UNIX_PREFIX, prefix) == 0
					? open_path(listen_option, listen_option + prefix)
					: open_port(listen_option);
	if (listening < 0)
		return false;
	report_address();
	return true;
}

/* Whether it is the file of our socket, and not a later one that got the same inode number. */
static bool
is_own_file(const struct stat *file)
{
	return file->st_dev == unix_file.st_dev && file->st_ino == unix_file.st_ino &&
		   file->st_ctim.tv_sec == unix_file.st_ctim.tv_sec &&
		   file->st_ctim.tv_nsec == unix_file.st_ctim.tv_nsec;
}

/* Nobody can connect any more. */
void
shim_listener_close(void)
{
	struct stat file;

	close(listening);
	if (unix_path != NULL && stat(unix_path, &file) == 0 && is_own_file(&file))
		(void) unlink(unix_path);
}

/* ---- the main thread ---- */

static int
count_clients(void)
{
	int count = 0;

	for (int i = 0; i < n_inboxes; i++)
		count += atomic_load(&inboxes[i].clients);
	return count;
}

static bool
anybody_serves(void)
{
	for (int i = 0; i < n_inboxes; i++)
		if (atomic_load(&inboxes[i].serving))
			return true;
	return false;
}

/* The one with the fewest clients of those that serve, or of all. */
static Inbox *
choose(void)
{
	bool any = !anybody_serves();
	Inbox *best = NULL;

	for (int i = 0; i < n_inboxes; i++)
		if ((any || atomic_load(&inboxes[i].serving)) &&
			(best == NULL || atomic_load(&inboxes[i].clients) < atomic_load(&best->clients)))
			best = &inboxes[i];
	return best ? best : &inboxes[0];
}

/* Whether nobody can be let in; left_fd says when that may have changed. */
static bool
is_full(void)
{
	eventfd_t count;

	(void) eventfd_read(left_fd, &count);
	atomic_store(&full, true);
	if (count_clients() >= max_clients)
		return true;
	atomic_store(&full, false);
	return false;
}

/* Lets a client in. Returns false when none waits, or none can be let in. */
static bool
let_in(void)
{
	Arrival arrival = {.length = sizeof(arrival.address)};
	Inbox *inbox;

	arrival.fd = accept4(listening, (struct sockaddr *) &arrival.address, &arrival.length,
						 SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (arrival.fd < 0)
		return false;
	inbox = choose();
	atomic_fetch_add(&inbox->clients, 1);
	/* Waits if the thread has hundreds of clients to take over. */
	if (write(inbox->writer, &arrival, sizeof(arrival)) != sizeof(arrival))
		abort();
	return true;
}

/* Whether the system has run out of what a client needs; says so the first time. */
static bool
is_refused(int error, bool before)
{
	if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM)
		return false;
	if (!before)
		shim_log(SHIM_WARNING, "cannot accept a client: %s", strerror(error));
	return true;
}

/*
 * Lets clients in until STOP becomes readable. While somebody waits in vain, idle clients are cut
 * off.
 */
void
shim_listener_run(int stop)
{
	bool refused = false; /* by the system, the last time */
	bool waits = false;   /* somebody, the last time */

	for (;;)
	{
		bool closed = is_full();
		struct pollfd pollers[] = {
			{stop, POLLIN, 0}, {left_fd, POLLIN, 0}, {waits ? -1 : listening, POLLIN, 0}};

		(void) poll(pollers, 3, waits ? PAUSE : -1);
		if (pollers[0].revents != 0)
			return;
		errno = 0;
		while (!is_full() && let_in())
			;
		refused = is_refused(errno, refused);
		waits = refused || (closed && pollers[2].revents != 0 && is_full());
		if (waits)
			shim_budget_press();
	}
}

/* ---- what a thread calls ---- */

/* The thread is number INDEX. */
void
shim_listener_join(int index)
{
	own = &inboxes[index];
}

/* Whether the thread can serve clients now. */
void
shim_listener_serve(bool serves)
{
	if (serves != atomic_load(&own->serving))
		atomic_store(&own->serving, serves);
}

/* Whether other threads would serve this one's clients better. */
bool
shim_listener_is_spare(void)
{
	return !atomic_load(&own->serving) && anybody_serves();
}

/* Becomes readable when a client comes to the thread. */
int
shim_listener_fd(void)
{
	return own->reader;
}

/* The socket of the next client of the thread, not blocking, and its address; -1 for none. */
int
shim_listener_take(struct sockaddr_storage *address, socklen_t *length)
{
	Arrival arrival;

	if (read(own->reader, &arrival, sizeof(arrival)) != sizeof(arrival))
		return -1;
	*address = arrival.address;
	*length = arrival.length;
	return arrival.fd;
}

/* A client of the thread has gone. */
void
shim_listener_leave(void)
{
	atomic_fetch_sub(&own->clients, 1);
	if (atomic_load(&full))
		(void) eventfd_write(left_fd, 1);
}
