/*
 * main.c
 *		intake-shim: forwards webhook requests to pg_intake, in batches.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "batch.h"
#include "database.h"
#include "log.h"
#include "options.h"
#include "server.h"

static ShimOptions options;

/* Waits for SIGTERM or SIGINT, which every thread has blocked. */
static void
wait_for_signal(const sigset_t *signals)
{
	int number;

	while (sigwait(signals, &number) != 0)
		;
}

/* A second signal ends the program at once. */
static void *
wait_for_second(void *signals)
{
	wait_for_signal(signals);
	_exit(1);
}

int
main(int argc, char **argv)
{
	sigset_t signals;
	pthread_t impatient;

	shim_options_read(argc, argv, &options);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);

	shim_batch_init(options.max_batch, options.max_queue);
	shim_database_start(options.dsn, options.connections, options.request_timeout);
	if (!shim_server_start(&options))
		_exit(1);

	wait_for_signal(&signals);
	shim_log(SHIM_INFO, "stopping");
	pthread_create(&impatient, NULL, wait_for_second, &signals);
	shim_server_drain(options.request_timeout);
	shim_batch_stop();
	shim_database_join();
	shim_server_stop();
	shim_log(SHIM_INFO, "stopped");
	_exit(0);
}
