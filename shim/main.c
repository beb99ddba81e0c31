/*
 * main.c
 *		intake-shim: forwards webhook requests to pg_intake, in batches.
 *
 * One thread does everything, in the loop below; others only connect to the database.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "batch.h"
#include "database.h"
#include "log.h"
#include "metrics.h"
#include "options.h"
#include "server.h"

static ShimOptions options;

/* A descriptor that is readable when SIGTERM or SIGINT has come. */
static int
catch_signals(void)
{
	sigset_t signals;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Waits until there is something to do, and does it. Returns whether a signal has come. */
static bool
turn(int signal_fd)
{
	struct pollfd pollers[SHIM_MAX_CONNECTIONS + 3] = {{shim_server_fd(), POLLIN, 0},
													   {signal_fd, POLLIN, 0}};
	int count = 2 + shim_database_poll(&pollers[2]);
	double seconds = shim_server_timeout();
	struct signalfd_siginfo signal;

	if (shim_database_timeout() < seconds)
		seconds = shim_database_timeout();
	(void) poll(pollers, (nfds_t) count, seconds > 0 ? (int) (seconds * 1000) + 1 : 0);
	shim_database_run(&pollers[2]);
	/* What waits goes to the database first, which works while the server does. */
	shim_database_send();
	shim_server_run();
	shim_database_send();
	return pollers[1].revents != 0 && read(signal_fd, &signal, sizeof(signal)) > 0;
}

/* Lets what has begun end, for a while. A second signal ends that at once. */
static void
drain(int signal_fd)
{
	double end = shim_metrics_clock() + options.request_timeout;

	shim_log(SHIM_INFO, "stopping");
	shim_server_drain();
	while (shim_server_busy() && shim_metrics_clock() < end)
		if (turn(signal_fd))
			_exit(1);
}

int
main(int argc, char **argv)
{
	int signal_fd;

	shim_options_read(argc, argv, &options);
	signal_fd = catch_signals();
	shim_batch_init(options.max_batch, options.max_queue, shim_database_send);
	if (signal_fd < 0 || !shim_server_start(&options))
		_exit(1);
	shim_database_start(options.dsn, options.connections, options.request_timeout);
	while (!turn(signal_fd))
		;
	drain(signal_fd);
	shim_database_stop();
	shim_log(SHIM_INFO, "stopped");
	_exit(0);
}
