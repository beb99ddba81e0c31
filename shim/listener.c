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
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "budget.h"
#include "common/program/listen.h"
#include "common/program/log.h"
#include "listener.h"

#define PAUSE 100 /* milliseconds, while somebody waits who cannot be let in */

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

/* ---- the socket ---- */

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
	max_clients = most;
	left_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	while (n_inboxes < threads && open_inbox(&inboxes[n_inboxes]))
		n_inboxes++;
	if (left_fd < 0 || n_inboxes < threads)
	{
		intake_log(INTAKE_ERROR, "cannot serve clients: %m");
		return false;
	}
	listening = intake_listen_open(listen_option);
	return listening >= 0;
}

/* Nobody can connect any more. */
void
shim_listener_close(void)
{
	intake_listen_close(listening);
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
		intake_log(INTAKE_WARNING, "cannot accept a client: %s", strerror(error));
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
