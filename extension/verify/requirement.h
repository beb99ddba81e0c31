/*
 * requirement.h
 *		What a request must have for a scheme, a variant of it or a handshake to apply. Pure.
 */
#ifndef INTAKE_REQUIREMENT_H
#define INTAKE_REQUIREMENT_H

#include <regex.h>

#include "read/location.h"
#include "verify/pattern.h"
#include "verify/template.h"

/* As it is stored: a location, and a test of what stands there. */
typedef struct IntakePair
{
	const char *location;
	const char *value;
} IntakePair;

typedef enum
{
	INTAKE_PRESENT,    /* *				there is something */
	INTAKE_MISSING,    /* !				there is nothing */
	INTAKE_PATTERN,    /* ~^...$			the whole of it is what a pattern says (pattern.h) */
	INTAKE_EXPRESSION, /* ~EXPRESSION	a POSIX extended regular expression finds something in it */
	INTAKE_EQUAL       /* TEMPLATE | ...	it is what one of the templates renders to */
} IntakeTest;

#define INTAKE_TEMPLATES_MAX 4
#define INTAKE_EXPRESSION_MOST 4096 /* bytes that an expression looks at; of more, none */

typedef struct IntakeRequirement
{
	IntakeLocation location;
	IntakeTest test;
	regex_t expression;    /* unless it is a pattern */
	IntakePattern pattern; /* if it has runs */
	bool in_message;       /* the parts of the message there are looked at when it is rendered */
	IntakeTemplate *templates[INTAKE_TEMPLATES_MAX];
	int n_templates;
} IntakeRequirement;

extern bool intake_requirement_compile(const IntakePair *pair, IntakeRequirement *requirement,
									   const char **why);
extern bool intake_requirements_compile(const IntakePair *pairs, int count,
										IntakeRequirement **requirements, const char **why);
extern void intake_requirements_release(IntakeRequirement *requirements, int count);
extern void intake_requirements_expect(IntakeRequirement *requirements, int count,
									   IntakeTemplate *message);
extern bool intake_requirement_overlooks(const IntakeRequirement *requirement,
										 const IntakeValues *values);
extern bool intake_requirement_meets(const IntakeRequirement *requirement,
									 const IntakeValues *values);
extern bool intake_requirements_meet(const IntakeRequirement *requirements, int count,
									 const IntakeValues *values);

#endif
