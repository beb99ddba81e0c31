/*
 * requirement.h
 *		What a request must have for a scheme, a variant of it or a handshake to apply. Pure.
 */
#ifndef INTAKE_REQUIREMENT_H
#define INTAKE_REQUIREMENT_H

#include <regex.h>

#include "read/location.h"
#include "verify/template.h"

/* As it is stored: a location, and a test of what stands there. */
typedef struct IntakePair
{
	const char *location;
	const char *value;
} IntakePair;

typedef enum
{
	INTAKE_PRESENT, /* *				there is something */
	INTAKE_MISSING, /* !				there is nothing */
	INTAKE_PATTERN, /* ~EXPRESSION		a POSIX extended regular expression finds something in it */
	INTAKE_EQUAL    /* TEMPLATE | ...	it is what one of the templates renders to */
} IntakeTest;

#define INTAKE_TEMPLATES_MAX 4

typedef struct IntakeRequirement
{
	IntakeLocation location;
	IntakeTest test;
	regex_t pattern;
	IntakeTemplate *templates[INTAKE_TEMPLATES_MAX];
	int n_templates;
} IntakeRequirement;

extern bool intake_requirement_compile(const IntakePair *pair, IntakeRequirement *requirement,
									   char **error);
extern bool intake_requirements_compile(const IntakePair *pairs, int count,
										IntakeRequirement **requirements, char **error);
extern void intake_requirements_release(IntakeRequirement *requirements, int count);
extern bool intake_requirement_meets(const IntakeRequirement *requirement,
									 const IntakeValues *values);
extern bool intake_requirements_meet(const IntakeRequirement *requirements, int count,
									 const IntakeValues *values);

#endif
