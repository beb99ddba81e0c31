/*
 * requirement.c
 *		What a request must have for a scheme, a variant of it or a handshake to apply. Pure;
 *		what is compiled is palloc'ed, but for expressions, which must be released.
 */
#include <stdlib.h>

#include "common/memory.h"

#include "verify/digest.h"
#include "verify/requirement.h"

#define MOST_PATTERN 500     /* bytes of an expression */
#define MOST_REPEATED 100000 /* the upper bounds in it, multiplied */

static bool
fail(const char **why, const char *what)
{
	*why = what;
	return false;
}

static bool
compile_templates(const char *text, IntakeRequirement *requirement, const char **why)
{
	IntakeSlice rest = intake_slice_cstr(pstrdup(text));

	while (rest.data != NULL)
	{
		IntakeSlice part = intake_slice_cut(rest, " | ", &rest);
		char *copy = palloc(part.len + 1);

		if (requirement->n_templates == INTAKE_TEMPLATES_MAX)
			return fail(why, "a requirement has more than 4 alternatives");
		memcpy(copy, part.data, part.len);
		copy[part.len] = '\0';
		requirement->templates[requirement->n_templates] = intake_template_compile(copy, why);
		if (requirement->templates[requirement->n_templates++] == NULL)
			return false;
	}
	return true;
}

/* The larger bound of a repetition such as {2,30} whose brace TEXT begins with; 1: it is none. */
static long
repetition(const char *text)
{
	char *end;
	long least;
	long most;

	if (text[0] != '{')
		return 1;
	least = most = strtol(text + 1, &end, 10);
	if (*end == ',')
		most = strtol(end + 1, &end, 10);
	most = most > least ? most : least;
	return most < 1 ? 1 : most;
}

/*
 * Whether an expression takes time and memory in proportion to what it looks at: one that refers
 * back to what it has found may take for ever, and repetitions of repetitions all of the memory.
 */
static bool
is_tame(const char *pattern)
{
	long repeated = 1;

	for (const char *c = pattern; *c != '\0' && repeated <= MOST_REPEATED; c++)
	{
		long times = repetition(c);

		if (c[0] == '\\' && c[1] >= '0' && c[1] <= '9')
			return false;
		repeated = times > MOST_REPEATED ? times : repeated * times;
	}
	return repeated <= MOST_REPEATED && strlen(pattern) <= MOST_PATTERN;
}

/* Compiles a requirement. Returns false, with what is wrong in *WHY, where it is not one. */
bool
intake_requirement_compile(const IntakePair *pair, IntakeRequirement *requirement, const char **why)
{
	memset(requirement, 0, sizeof(*requirement));
	if (pair->value == NULL)
		return fail(why, "a requirement has a location and no test");
	if (!intake_location_parse(pair->location, &requirement->location, why))
		return fail(why, "a requirement names something that is not a location");
	if (strcmp(pair->value, "*") == 0)
		requirement->test = INTAKE_PRESENT;
	else if (strcmp(pair->value, "!") == 0)
		requirement->test = INTAKE_MISSING;
	else if (pair->value[0] != '~')
	{
		requirement->test = INTAKE_EQUAL;
		return compile_templates(pair->value, requirement, why);
	}
	else if (intake_pattern_parse(pair->value + 1, &requirement->pattern))
		requirement->test = INTAKE_PATTERN;
	else if (!is_tame(pair->value + 1))
		return fail(why, "a requirement has an expression that is too long, refers back, or"
						 " repeats too much");
	else if (regcomp(&requirement->expression, pair->value + 1, REG_EXTENDED | REG_NOSUB) != 0)
		return fail(why, "a requirement has something that is not a regular expression");
	else
		requirement->test = INTAKE_EXPRESSION;
	return true;
}

/* Compiles COUNT of them. */
bool
intake_requirements_compile(const IntakePair *pairs, int count, IntakeRequirement **requirements,
							const char **why)
{
	*requirements = palloc0((count + 1) * sizeof(IntakeRequirement));
	for (int i = 0; i < count; i++)
		if (!intake_requirement_compile(&pairs[i], &(*requirements)[i], why))
		{
			intake_requirements_release(*requirements, i);
			return false;
		}
	return true;
}

void
intake_requirements_release(IntakeRequirement *requirements, int count)
{
	for (int i = 0; i < count; i++)
		if (requirements[i].test == INTAKE_EXPRESSION)
			regfree(&requirements[i].expression);
}

/* Lets patterns say what may stand where a template reads the same places. */
void
intake_requirements_expect(IntakeRequirement *requirements, int count, IntakeTemplate *message)
{
	for (int i = 0; i < count && message != NULL; i++)
	{
		IntakeRequirement *requirement = &requirements[i];

		if (requirement->test != INTAKE_PATTERN || requirement->location.count != 1)
			continue;
		requirement->in_message = intake_template_expect(message, &requirement->location.places[0],
														 &requirement->pattern);
	}
}

/* Whether a value that is there is longer than what the expression looks at. */
bool
intake_requirement_overlooks(const IntakeRequirement *requirement, const IntakeValues *values)
{
	return requirement->test == INTAKE_EXPRESSION &&
		   intake_location_read_item(&requirement->location, values->request, values->item).len >
			   INTAKE_EXPRESSION_MOST;
}

static bool
is_present(const IntakeLocation *location, const IntakeValues *values)
{
	IntakeSlice value;

	for (int i = 0; i < location->count; i++)
		if (intake_location_all(&location->places[i], values->request, values->item, &value, 1) > 0)
			return true;
	return false;
}

static bool
expression_finds(const IntakeRequirement *requirement, IntakeSlice found)
{
	char *text;

	if (found.data == NULL || found.len > INTAKE_EXPRESSION_MOST ||
		memchr(found.data, 0, found.len) != NULL)
		return false;
	text = palloc(found.len + 1);
	memcpy(text, found.data, found.len);
	text[found.len] = '\0';
	return regexec(&requirement->expression, text, 0, NULL, 0) == 0;
}

/* Whether a request has what is required. Compares in constant time. */
bool
intake_requirement_meets(const IntakeRequirement *requirement, const IntakeValues *values)
{
	IntakeSlice found;

	if (requirement->test == INTAKE_PRESENT || requirement->test == INTAKE_MISSING)
		return is_present(&requirement->location, values) == (requirement->test == INTAKE_PRESENT);
	found = intake_location_read_item(&requirement->location, values->request, values->item);
	if (requirement->test == INTAKE_PATTERN)
		return intake_pattern_matches(&requirement->pattern, found);
	if (requirement->test == INTAKE_EXPRESSION)
		return expression_finds(requirement, found);
	for (int i = 0; found.data != NULL && i < requirement->n_templates; i++)
	{
		IntakeSlice wanted = intake_template_text(requirement->templates[i], values);

		if (wanted.data != NULL && intake_digest_equal(found, wanted))
			return true;
	}
	return false;
}

bool
intake_requirements_meet(const IntakeRequirement *requirements, int count,
						 const IntakeValues *values)
{
	for (int i = 0; i < count; i++)
		if (!intake_requirement_meets(&requirements[i], values))
			return false;
	return true;
}
