/*
 * options.c
 *		What the daemon is told: command line and environment, by one table.
 */
#include "common/program/options.h"
#include "options.h"

#define FIELD(name) offsetof(ShimOptions, name)

static const IntakeOption table[] = {
	{"connections", "INTAKE_CONNECTIONS", "N", "2",
	 "connections to the database, at most, for each thread", INTAKE_OPTION_NUMBER,
	 FIELD(connections), 1, 64},
	{"dsn", "INTAKE_DSN", "CONNINFO", "", "libpq connection string; empty: libpq's environment",
	 INTAKE_OPTION_TEXT, FIELD(dsn), 0, 0},
	{"listen", "INTAKE_LISTEN", "ADDRESS:PORT", "127.0.0.1:8080",
	 "where to listen; [::1]:8080 for IPv6, port 0 for any free one, unix:/path for a Unix socket",
	 INTAKE_OPTION_TEXT, FIELD(listen), 0, 0},
	{"log-level", "INTAKE_LOG_LEVEL", "LEVEL", "info", "error, warning, info or debug",
	 INTAKE_OPTION_LEVEL, 0, 0, 0},
	{"max-batch", "INTAKE_MAX_BATCH", "N", "256", "requests in one call to the database",
	 INTAKE_OPTION_SIZE, FIELD(max_batch), 1, 10000},
	{"max-body", "INTAKE_MAX_BODY", "BYTES", "25M", "largest body of a request (k, M, G)",
	 INTAKE_OPTION_SIZE, FIELD(max_body), 1, 1e9},
	{"max-connections", "INTAKE_MAX_CONNECTIONS", "N", "1024", "clients connected at once",
	 INTAKE_OPTION_NUMBER, FIELD(max_connections), 1, 100000},
	{"max-queue", "INTAKE_MAX_QUEUE", "BYTES", "64M",
	 "bytes that are held at once: connections, what comes in, what waits", INTAKE_OPTION_SIZE,
	 FIELD(max_queue), 262144, 1e12},
	{"request-timeout", "INTAKE_REQUEST_TIMEOUT", "SECONDS", "30",
	 "time to send a request, and for the database to answer it", INTAKE_OPTION_SECONDS,
	 FIELD(request_timeout), 0.1, 3600},
	{"threads", "INTAKE_THREADS", "N", "2", "threads, each with its share of the clients",
	 INTAKE_OPTION_NUMBER, FIELD(threads), 1, SHIM_MAX_THREADS},
	{"trusted-proxy", "INTAKE_TRUSTED_PROXY", "CIDR,...", "",
	 "proxies whose X-Forwarded-For or Forwarded is believed: 10.0.0.0/8,2001:db8::1, or unix: for those "
	 "that come by a Unix socket; may be repeated",
	 INTAKE_OPTION_RANGES, FIELD(trusted_proxies), 0, 0},
};

static const IntakeOptions known = {
	"intake-shim forwards webhook requests to pg_intake, in batches.",
	"Routes: /webhooks/<source>, /healthz, /readyz, /metrics", table,
	sizeof(table) / sizeof(table[0])};

/* Reads the environment and then the command line. Ends the program on --help and on errors. */
void
shim_options_read(int argc, char **argv, ShimOptions *options)
{
	intake_options_read(argc, argv, &known, options);
}
