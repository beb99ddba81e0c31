/*
 * options.h
 *		What a program is told: command line and environment, by one table.
 */
#ifndef INTAKE_PROGRAM_OPTIONS_H
#define INTAKE_PROGRAM_OPTIONS_H

#include <stddef.h>

typedef enum
{
	INTAKE_OPTION_TEXT,    /* const char * */
	INTAKE_OPTION_NUMBER,  /* int */
	INTAKE_OPTION_SIZE,    /* size_t, with k, M or G */
	INTAKE_OPTION_SECONDS, /* double */
	INTAKE_OPTION_LEVEL,   /* of log lines; has no field */
	INTAKE_OPTION_RANGES   /* IntakeRanges; may be given again, and adds up */
} IntakeOptionKind;

typedef struct IntakeOption
{
	const char *name;
	const char *variable; /* of the environment */
	const char *argument;
	const char *initial;
	const char *help;
	IntakeOptionKind kind;
	size_t offset; /* of the field in the program's options */
	double low;    /* of a number */
	double high;
} IntakeOption;

typedef struct IntakeOptions
{
	const char *purpose; /* the first line of --help */
	const char *more;    /* its last one */
	const IntakeOption *table;
	size_t count;
} IntakeOptions;

extern void intake_options_read(int argc, char **argv, const IntakeOptions *options, void *fields);

#endif
