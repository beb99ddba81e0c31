/*
 * options.h
 *		What the daemon is told: command line and environment.
 */
#ifndef SHIM_OPTIONS_H
#define SHIM_OPTIONS_H

#include <stddef.h>

#include "listener.h"
#include "peer.h"

typedef struct ShimOptions
{
	const char *listen;     /* address:port or unix:path */
	const char *dsn;        /* of libpq */
	int connections;        /* to the database, of each thread */
	size_t max_batch;       /* requests in one call */
	size_t max_body;        /* bytes */
	int max_connections;    /* of clients */
	size_t max_queue;       /* bytes that are held at once */
	double request_timeout; /* seconds */
	int threads;
	IntakeRanges trusted_proxies;
} ShimOptions;

extern void shim_options_read(int argc, char **argv, ShimOptions *options);

#endif
