/*
 * main.c
 *		intake-shim: forwards webhook requests to pg_intake, in batches.
 *
 * The main thread lets clients in. Each of a few others serves a share of them in the loop below,
 * with a queue and with connections to the database of its own. They have little in common: the
 * options, and counters.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/program/clock.h"
#include "batch.h"
#include "budget.h"
#include "database.h"
#include "framing.h"
#include "listener.h"
#include "common/program/log.h"
#include "options.h"
#include "server.h"

static ShimOptions options;
static int stop_fd; /* is readable when the program is to stop */

/* Waits until there is something to do, and does it. Returns whether STOP is readable. */
static bool
turn(int stop)
{
	struct pollfd pollers[SHIM_MAX_CONNECTIONS + 5] = {{shim_server_fd(), POLLIN, 0},
													   {shim_listener_fd(), POLLIN, 0},
													   {stop, POLLIN, 0},
													   {shim_budget_fd(), POLLIN, 0}};
	int count = 4 + shim_database_poll(&pollers[4]);
	double seconds = shim_server_timeout();
	double database_seconds = shim_database_timeout();
	struct timespec most;

	if (database_seconds < seconds)
		seconds = database_seconds;
	most.tv_sec = (time_t) seconds;
	most.tv_nsec = (long) ((seconds - (double) most.tv_sec) * 1e9);
	(void) ppoll(pollers, (nfds_t) count, &most, NULL);
	shim_database_run(&pollers[4]);
	shim_listener_serve(shim_batch_is_connected());
	if (pollers[1].revents != 0)
		shim_server_accept();
	if (pollers[3].revents != 0)
		shim_budget_wake();
	shim_server_run();
	/* Last, so that a call takes all that has come by now. */
	shim_database_send();
	return pollers[2].revents != 0;
}

/* Lets what has begun end, for a while. */
static void
drain(void)
{
	double end = intake_clock_seconds() + options.request_timeout;

	shim_server_drain();
	while (shim_server_busy() && intake_clock_seconds() < end)
		(void) turn(-1);
}

static void *
serve(void *argument)
{
	shim_listener_join((int) (intptr_t) argument);
	shim_budget_join((int) (intptr_t) argument);
	if (!shim_server_start())
		_exit(1);
	shim_database_start();
	while (!turn(stop_fd))
		;
	drain();
	shim_database_stop();
	return NULL;
}

/* Lets clients in until one of SIGNALS comes. A second one ends the program at once. */
static void
run(const sigset_t *signals)
{
	struct signalfd_siginfo signal;
	int signal_fd = signalfd(-1, signals, SFD_CLOEXEC);

	if (signal_fd < 0)
		_exit(1);
	shim_listener_run(signal_fd);
	(void) !read(signal_fd, &signal, sizeof(signal));
	(void) pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

int
main(int argc, char **argv)
{
	pthread_t threads[SHIM_MAX_THREADS];
	sigset_t signals;
	int max_clients;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	(void) pthread_sigmask(SIG_BLOCK, &signals, NULL);

	shim_options_read(argc, argv, &options);
	if (!shim_budget_init(options.max_queue, options.threads))
		_exit(1);
	shim_framing_init();
	shim_batch_init(options.max_batch, options.connections);
	shim_database_init(options.dsn, options.connections, options.request_timeout);
	max_clients = shim_server_init(&options);
	stop_fd = eventfd(0, EFD_CLOEXEC);
	if (stop_fd < 0 || !shim_listener_open(options.listen, options.threads, max_clients))
		_exit(1);
	for (int i = 0; i < options.threads; i++)
		if (pthread_create(&threads[i], NULL, serve, (void *) (intptr_t) i) != 0)
			_exit(1);

	run(&signals);
	intake_log(INTAKE_INFO, "stopping");
	shim_listener_close();
	(void) eventfd_write(stop_fd, 1);
	for (int i = 0; i < options.threads; i++)
		(void) pthread_join(threads[i], NULL);
	intake_log(INTAKE_INFO, "stopped");
	_exit(0);
}
