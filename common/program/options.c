/*
 * options.c
 *		What a program is told: command line and environment, by one table.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/program/log.h"
#include "common/program/options.h"
#include "common/program/ranges.h"

static const IntakeOptions *known;
static char *target;         /* the program's options */
static unsigned char *given; /* for each option: whether the command line has had it */

static void
print_help(void)
{
	printf("%s\n\nUsage: " INTAKE_PROGRAM
		   " [OPTION]...\n\nOptions, and their environment variables:\n",
		   known->purpose);
	for (const IntakeOption *o = known->table; o < known->table + known->count; o++)
		printf("  --%s %s\n        %s [%s]\n        %s\n", o->name, o->argument, o->help,
			   o->initial, o->variable);
	printf("  --help\n  --version\n\n%s\n", known->more);
}

static void
refuse(const IntakeOption *option, const char *value)
{
	fprintf(stderr, INTAKE_PROGRAM ": --%s: \"%s\" is not valid (%s)\n", option->name, value,
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

static bool
set_number(const IntakeOption *option, const char *value, char *field)
{
	double number;

	if (!read_number(value, option->kind == INTAKE_OPTION_SIZE, &number) ||
		!(number >= option->low && number <= option->high) ||
		(option->kind != INTAKE_OPTION_SECONDS && number != (double) (long long) number))
		return false;
	if (option->kind == INTAKE_OPTION_NUMBER)
		*(int *) field = (int) number;
	else if (option->kind == INTAKE_OPTION_SIZE)
		*(size_t *) field = (size_t) number;
	else
		*(double *) field = number;
	return true;
}

static void
set(const IntakeOption *option, const char *value)
{
	char *field = target + option->offset;
	bool valid = true;

	switch (option->kind)
	{
		case INTAKE_OPTION_TEXT:
			*(const char **) field = value;
			break;
		case INTAKE_OPTION_LEVEL:
			valid = intake_log_level(value);
			break;
		case INTAKE_OPTION_RANGES:
			valid = intake_ranges_add((IntakeRanges *) field, value);
			break;
		default:
			valid = set_number(option, value, field);
	}
	if (!valid)
		refuse(option, value);
}

static const IntakeOption *
find(const char *name, size_t length)
{
	for (size_t i = 0; i < known->count; i++)
		if (strlen(known->table[i].name) == length &&
			memcmp(known->table[i].name, name, length) == 0)
			return &known->table[i];
	return NULL;
}

/* The first value of the command line takes the place of the environment's. */
static void
set_from_command_line(const IntakeOption *option, const char *value)
{
	unsigned char *before = &given[option - known->table];

	if (option->kind == INTAKE_OPTION_RANGES && !*before)
		*(IntakeRanges *) (target + option->offset) = (IntakeRanges){0};
	*before = 1;
	set(option, value);
}

/* Reads --name value or --name=value at *INDEX. */
static void
read_argument(int argc, char **argv, int *index)
{
	const char *word = argv[*index];
	const char *equals = strchr(word, '=');
	const char *value;
	const IntakeOption *option = NULL;

	if (strncmp(word, "--", 2) == 0)
		option = find(word + 2, equals ? (size_t) (equals - word - 2) : strlen(word + 2));
	if (option == NULL)
	{
		fprintf(stderr, INTAKE_PROGRAM ": unknown option \"%s\"; see --help\n", word);
		exit(2);
	}
	value = equals ? equals + 1 : (*index + 1 < argc ? argv[++*index] : NULL);
	if (value == NULL)
	{
		fprintf(stderr, INTAKE_PROGRAM ": --%s needs a value\n", option->name);
		exit(2);
	}
	set_from_command_line(option, value);
}

static void
read_command_line(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
	{
		if (strcmp(argv[i], "--help") == 0)
		{
			print_help();
			exit(0);
		}
		if (strcmp(argv[i], "--version") == 0)
		{
			printf(INTAKE_PROGRAM " %s\n", INTAKE_VERSION);
			exit(0);
		}
		read_argument(argc, argv, &i);
	}
}

/*
 * Reads the environment and then the command line into FIELDS, which starts as zeros. Ends the
 * program on --help and on errors.
 */
void
intake_options_read(int argc, char **argv, const IntakeOptions *options, void *fields)
{
	known = options;
	target = fields;
	given = calloc(options->count, 1);
	if (given == NULL)
		abort();
	for (size_t i = 0; i < options->count; i++)
	{
		const char *value = getenv(options->table[i].variable);

		set(&options->table[i], value ? value : options->table[i].initial);
	}
	read_command_line(argc, argv);
	free(given);
}
