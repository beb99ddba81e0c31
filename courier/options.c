/*
 * options.c
 *		What the courier is told: command line and environment, by one table.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/program/options.h"
#include "options.h"

#define FIELD(name) offsetof(CourierOptions, name)

static const IntakeOption table[] = {
	{"allow", "INTAKE_COURIER_ALLOW", "CIDR,...", "",
	 "addresses that calls may go to though they are loopback, private or otherwise not public: "
	 "10.1.0.0/16,::1; may be repeated",
	 INTAKE_OPTION_RANGES, FIELD(allowed), 0, 0},
	{"ca-file", "INTAKE_COURIER_CA_FILE", "PATH", "",
	 "certificates of the authorities that are trusted; empty: the system's", INTAKE_OPTION_TEXT,
	 FIELD(ca_file), 0, 0},
	{"drain", "INTAKE_COURIER_DRAIN", "SECONDS", "30",
	 "time for calls under way to end when the courier is told to stop", INTAKE_OPTION_SECONDS,
	 FIELD(drain), 0, 86400},
	{"dsn", "INTAKE_COURIER_DSN", "CONNINFO", "",
	 "libpq connection string; empty: libpq's environment", INTAKE_OPTION_TEXT, FIELD(dsn), 0, 0},
	{"listen", "INTAKE_COURIER_LISTEN", "ADDRESS:PORT", "",
	 "where to serve /healthz and /metrics; unix:/path for a Unix socket; empty: nowhere",
	 INTAKE_OPTION_TEXT, FIELD(listen), 0, 0},
	{"log-level", "INTAKE_COURIER_LOG_LEVEL", "LEVEL", "info", "error, warning, info or debug",
	 INTAKE_OPTION_LEVEL, 0, 0, 0},
	{"max-held", "INTAKE_COURIER_MAX_HELD", "BYTES", "64M",
	 "bytes of requests and answers that are held at once (k, M, G)", INTAKE_OPTION_SIZE,
	 FIELD(max_held), 1048576, 1e12},
	{"max-transfers", "INTAKE_COURIER_MAX_TRANSFERS", "N", "1000",
	 "calls under way at once; a quarter of them at most to one host", INTAKE_OPTION_NUMBER,
	 FIELD(max_transfers), 1, 100000},
	{"name", "INTAKE_COURIER_NAME", "NAME", "",
	 "what this courier is called in intake.couriers; empty: the machine's name",
	 INTAKE_OPTION_TEXT, FIELD(name), 0, 0},
	{"proxy", "INTAKE_COURIER_PROXY", "URL", "",
	 "proxy that all calls go through, and that then guards where they go; empty: none, whatever "
	 "the environment says",
	 INTAKE_OPTION_TEXT, FIELD(proxy), 0, 0},
};

static const IntakeOptions known = {
	"intake-courier makes the calls that workflows of pg_intake return.",
	"Routes, with --listen: /healthz, /readyz, /metrics", table, sizeof(table) / sizeof(table[0])};

/* Whether a proxy is given by a URL of a kind that there is. */
static bool
is_proxy(const char *url)
{
	static const char *const kinds[] = {"http://",    "https://",  "socks4://",
										"socks4a://", "socks5://", "socks5h://"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strncmp(url, kinds[i], strlen(kinds[i])) == 0 && url[strlen(kinds[i])] != '\0')
			return true;
	return false;
}

/* What each call would fail by ends the program here. A proxy's URL may have a password, and is not shown. */
static void
check(const CourierOptions *options)
{
	if (options->ca_file[0] && access(options->ca_file, R_OK) != 0)
	{
		fprintf(stderr, INTAKE_PROGRAM ": --ca-file: cannot read \"%s\": %s\n", options->ca_file,
				strerror(errno));
		exit(2);
	}
	if (options->proxy[0] && !is_proxy(options->proxy))
	{
		fprintf(stderr, INTAKE_PROGRAM
				": --proxy: not a URL that begins with http://, https://, socks4://, "
				"socks4a://, socks5:// or socks5h://\n");
		exit(2);
	}
}

/* Reads the environment and then the command line. Ends the program on --help and on errors. */
void
courier_options_read(int argc, char **argv, CourierOptions *options)
{
	intake_options_read(argc, argv, &known, options);
	check(options);
}
