/*
 * options.c
 *		What the daemon is told: command line and environment, by one table.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "options.h"

typedef enum
{
	OPTION_TEXT,
	OPTION_NUMBER,
	OPTION_SIZE,
	OPTION_SECONDS,
	OPTION_LEVEL,
	OPTION_RANGES /* may be given again, and adds up */
} OptionKind;

typedef struct Option
{
	const char *name;
	const char *variable;
	const char *argument;
	const char *initial;
	const char *help;
	OptionKind kind;
	size_t offset;
	double low;
	double high;
} Option;

#define FIELD(name) offsetof(ShimOptions, name)

static const Option table[] = {
	{"connections", "INTAKE_CONNECTIONS", "N", "2",
	 "connections to the database, at most, for each thread", OPTION_NUMBER, FIELD(connections), 1,
	 64},
	{"dsn", "INTAKE_DSN", "CONNINFO", "", "libpq connection string; empty: libpq's environment",
	 OPTION_TEXT, FIELD(dsn), 0, 0},
	{"listen", "INTAKE_LISTEN", "ADDRESS:PORT", "127.0.0.1:8080",
	 "where to listen; [::1]:8080 for IPv6, port 0 for any free one, unix:/path for a Unix socket",
	 OPTION_TEXT, FIELD(listen), 0, 0},
	{"log-level", "INTAKE_LOG_LEVEL", "LEVEL", "info", "error, warning, info or debug",
	 OPTION_LEVEL, 0, 0, 0},
	{"max-batch", "INTAKE_MAX_BATCH", "N", "256", "requests in one call to the database",
	 OPTION_SIZE, FIELD(max_batch), 1, 10000},
	{"max-body", "INTAKE_MAX_BODY", "BYTES", "25M", "largest body of a request (k, M, G)",
	 OPTION_SIZE, FIELD(max_body), 1, 1e9},
	{"max-connections", "INTAKE_MAX_CONNECTIONS", "N", "1024", "clients connected at once",
	 OPTION_NUMBER, FIELD(max_connections), 1, 100000},
	{"max-queue", "INTAKE_MAX_QUEUE", "BYTES", "64M",
	 "bytes that are held at once: connections, what comes in, what waits", OPTION_SIZE,
	 FIELD(max_queue), 262144, 1e12},
	{"request-timeout", "INTAKE_REQUEST_TIMEOUT", "SECONDS", "30",
	 "time to send a request, and for the database to answer it", OPTION_SECONDS,
	 FIELD(request_timeout), 0.1, 3600},
	{"threads", "INTAKE_THREADS", "N", "2", "threads, each with its share of the clients",
	 OPTION_NUMBER, FIELD(threads), 1, SHIM_MAX_THREADS},
	{"trusted-proxy", "INTAKE_TRUSTED_PROXY", "CIDR,...", "",
	 "proxies whose X-Forwarded-For or Forwarded is believed: 10.0.0.0/8,2001:db8::1, or unix: for those "
	 "that come by a Unix socket; may be repeated",
	 OPTION_RANGES, FIELD(trusted_proxies), 0, 0},
};

#define COUNT (sizeof(table) / sizeof(table[0]))

static bool given[COUNT]; /* on the command line */

static void
print_help(void)
{
	printf("intake-shim forwards webhook requests to pg_intake, in batches.\n\n"
		   "Usage: intake-shim [OPTION]...\n\nOptions, and their environment variables:\n");
	for (size_t i = 0; i < COUNT; i++)
		printf("  --%s %s\n        %s [%s]\n        %s\n", table[i].name, table[i].argument,
			   table[i].help, table[i].initial, table[i].variable);
	printf("  --help\n  --version\n\n"
		   "Routes: /webhooks/<source>, /healthz, /readyz, /metrics\n");
}

static void
refuse(const Option *option, const char *value)
{
	fprintf(stderr, "intake-shim: --%s: \"%s\" is not valid (%s)\n", option->name, value,
			option->help);
	exit(2);
}

/* A number with an optional unit k, M or G. */
static bool
read_number(const char *text, bool units, double *number)
{
	char *end;

	errno = 0;
	*number = strtod(text, &end);
	if (end == text || errno != 0)
		return false;
	if (units && *end != '\0' && end[1] == '\0' && strchr("kMG", *end) != NULL)
	{
		*number *= *end == 'k' ? 1024.0 : *end == 'M' ? 1048576.0 : 1073741824.0;
		end++;
	}
	return *end == '\0';
}

static void
set(const Option *option, const char *value, ShimOptions *options)
{
	char *field = (char *) options + option->offset;
	double number = 0;

	if (option->kind == OPTION_TEXT)
	{
		*(const char **) field = value;
		return;
	}
	if (option->kind == OPTION_LEVEL)
	{
		if (!shim_log_level(value))
			refuse(option, value);
		return;
	}
	if (option->kind == OPTION_RANGES)
	{
		if (!shim_peer_trust((ShimTrust *) field, value))
			refuse(option, value);
		return;
	}
	if (!read_number(value, option->kind == OPTION_SIZE, &number) ||
		!(number >= option->low && number <= option->high) ||
		(option->kind != OPTION_SECONDS && number != (double) (long long) number))
		refuse(option, value);
	if (option->kind == OPTION_NUMBER)
		*(int *) field = (int) number;
	else if (option->kind == OPTION_SIZE)
		*(size_t *) field = (size_t) number;
	else
		*(double *) field = number;
}

static const Option *
find(const char *name, size_t length)
{
	for (size_t i = 0; i < COUNT; i++)
		if (strlen(table[i].name) == length && memcmp(table[i].name, name, length) == 0)
			return &table[i];
	return NULL;
}

/* The first value of the command line takes the place of the environment's. */
static void
set_from_command_line(const Option *option, const char *value, ShimOptions *options)
{
	if (option->kind == OPTION_RANGES && !given[option - table])
		*(ShimTrust *) ((char *) options + option->offset) = (ShimTrust){0};
	given[option - table] = true;
	set(option, value, options);
}

/* Reads --name value or --name=value at *INDEX. */
static void
read_argument(int argc, char **argv, int *index, ShimOptions *options)
{
	const char *word = argv[*index];
	const char *equals = strchr(word, '=');
	const char *value;
	const Option *option = NULL;

	if (strncmp(word, "--", 2) == 0)
		option = find(word + 2, equals ? (size_t) (equals - word - 2) : strlen(word + 2));
	if (option == NULL)
	{
		fprintf(stderr, "intake-shim: unknown option \"%s\"; see --help\n", word);
		exit(2);
	}
	value = equals ? equals + 1 : (*index + 1 < argc ? argv[++*index] : NULL);
	if (value == NULL)
	{
		fprintf(stderr, "intake-shim: --%s needs a value\n", option->name);
		exit(2);
	}
	set_from_command_line(option, value, options);
}

void
shim_options_read(int argc, char **argv, ShimOptions *options)
{
	for (size_t i = 0; i < COUNT; i++)
	{
		const char *value = getenv(table[i].variable);

		set(&table[i], value ? value : table[i].initial, options);
	}
	for (int i = 1; i < argc; i++)
	{
		if (strcmp(argv[i], "--help") == 0)
		{
			print_help();
			exit(0);
		}
		if (strcmp(argv[i], "--version") == 0)
		{
			printf("intake-shim %s\n", INTAKE_VERSION);
			exit(0);
		}
		read_argument(argc, argv, &i, options);
	}
}
