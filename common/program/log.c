/*
 * log.c
 *		Lines on standard error. No header, body or secret is ever given to these functions.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/program/log.h"

static const char *const names[] = {"error", "warning", "info", "debug"};
static IntakeLogLevel most = INTAKE_INFO;

/* Sets the most detailed level that is written. Returns false where there is no such level. */
bool
intake_log_level(const char *name)
{
	for (int i = 0; i < 4; i++)
		if (strcmp(name, names[i]) == 0)
		{
			most = (IntakeLogLevel) i;
			return true;
		}
	return false;
}

/* Writes one line, with the time in UTC. */
void
intake_log(IntakeLogLevel level, const char *format, ...)
{
	char message[1024];
	char when[32];
	time_t now = time(NULL);
	struct tm parts;
	va_list arguments;

	if (level > most)
		return;
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	for (char *c = message; *c; c++)
		if (*c == '\n')
			*c = ' ';
	gmtime_r(&now, &parts);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &parts);
	fprintf(stderr, "%s " INTAKE_PROGRAM " %s: %s\n", when, names[level], message);
}
