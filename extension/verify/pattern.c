/*
 * pattern.c
 *		Expressions whose language is simple enough to compare with others. Pure; what is
 *		parsed is palloc'ed.
 */
#include <stdlib.h>

#include "common/memory.h"

#include "read/work.h"
#include "verify/pattern.h"

#define MOST_RUNS 500     /* as long as an expression may be */
#define MOST_TIMES 100000 /* that an expression may name */

/* ---- parsing ---- */

/* All bytes that are not in a set. NUL, which an expression cannot look at, is in none. */
static void
complement(IntakeBytes *set)
{
	for (int i = 0; i < 4; i++)
		set->bits[i] = ~set->bits[i];
	set->bits[0] &= ~UINT64_C(1);
}

/* Whether a byte begins something in brackets that is no character or range. */
static bool
is_class(const char *text)
{
	return text[0] == '[' && text[1] != '\0' && strchr(".:=", text[1]) != NULL;
}

/* Takes [...] off *TEXT. */
static bool
take_brackets(const char **text, IntakeBytes *set)
{
	const char *c = *text + 1;
	bool negated = *c == '^';
	bool first = true;

	for (c += negated; *c != '\0' && (*c != ']' || first); c++)
	{
		unsigned char from = (unsigned char) *c;
		unsigned char to = from;

		first = false;
		if (is_class(c) || from >= 0x80)
			return false;
		if (c[1] == '-' && c[2] != ']' && c[2] != '\0')
		{
			c += 2;
			to = (unsigned char) *c;
		}
		if (is_class(c) || to < from || to >= 0x80)
			return false;
		intake_bytes_add(set, from, to);
	}
	if (*c != ']')
		return false;
	*text = c + 1;
	if (negated)
		complement(set);
	return true;
}

/* Takes a character, \ with a special one, a dot or [...] off *TEXT. */
static bool
take_set(const char **text, IntakeBytes *set)
{
	static const char special[] = "()[]{}*+?|^$.\\";
	const char *c = *text;
	bool escaped = *c == '\\';

	memset(set, 0, sizeof(*set));
	if (*c == '[')
		return take_brackets(text, set);
	c += escaped;
	*text = c + 1;
	if (*c == '.' && !escaped)
		complement(set);
	else if (*c == '\0' || (unsigned char) *c >= 0x80 || (strchr(special, *c) != NULL) != escaped)
		return false;
	else
		intake_bytes_add(set, (unsigned char) *c, (unsigned char) *c);
	return true;
}

/* Takes {m}, {m,} or {m,n} off *TEXT. */
static bool
take_bounds(const char **text, IntakeRun *run)
{
	char *end;

	if ((*text)[1] < '0' || (*text)[1] > '9')
		return false;
	run->least = run->most = (int) strtol(*text + 1, &end, 10);
	if (*end == ',')
	{
		const char *second = end + 1;

		run->most = (int) strtol(second, &end, 10);
		if (end == second)
			run->most = INTAKE_UNBOUNDED;
	}
	*text = end + 1;
	return *end == '}' && run->least <= MOST_TIMES && run->most <= MOST_TIMES &&
		   (run->most == INTAKE_UNBOUNDED || run->most >= run->least);
}

/* Takes how often a set comes off *TEXT. */
static bool
take_times(const char **text, IntakeRun *run)
{
	run->least = **text == '*' || **text == '?' ? 0 : 1;
	run->most = **text == '*' || **text == '+' ? INTAKE_UNBOUNDED : 1;
	if (**text == '{')
		return take_bounds(text, run);
	if (**text == '*' || **text == '+' || **text == '?')
		(*text)++;
	return true;
}

/* Whether each byte of a text can belong to one run only, so that matching never looks back. */
static bool
is_deterministic(const IntakePattern *pattern)
{
	for (int i = 0; i < pattern->count; i++)
	{
		if (pattern->runs[i].least == pattern->runs[i].most)
			continue;
		for (int j = i + 1; j < pattern->count; j++)
		{
			if (intake_bytes_meet(&pattern->runs[i].set, &pattern->runs[j].set))
				return false;
			if (pattern->runs[j].least > 0)
				break;
		}
	}
	return true;
}

/* Reads an expression. Returns false where it is not one of this kind. */
bool
intake_pattern_parse(const char *expression, IntakePattern *pattern)
{
	const char *text = expression + 1;

	pattern->count = 0;
	if (expression[0] != '^' || strlen(expression) > MOST_RUNS)
		return false;
	pattern->runs = palloc(strlen(expression) * sizeof(IntakeRun));
	while (*text != '\0' && strcmp(text, "$") != 0)
	{
		IntakeRun *run = &pattern->runs[pattern->count++];

		if (!take_set(&text, &run->set) || !take_times(&text, run) ||
			(*text != '\0' && strchr("*+?{", *text) != NULL))
			return false;
	}
	return *text == '$' && is_deterministic(pattern);
}

/* ---- matching ---- */

/* Whether the whole of a text is what a pattern says. */
bool
intake_pattern_matches(const IntakePattern *pattern, IntakeSlice text)
{
	size_t at = 0;

	if (text.data == NULL)
		return false;
	intake_work_charge(text.len);
	for (int i = 0; i < pattern->count; i++)
	{
		const IntakeRun *run = &pattern->runs[i];
		size_t least = at + (size_t) run->least;
		size_t most = run->most == INTAKE_UNBOUNDED ? text.len : at + (size_t) run->most;

		while (at < text.len && at < most &&
			   intake_bytes_have(&run->set, (unsigned char) text.data[at]))
			at++;
		if (at < least)
			return false;
	}
	return at == text.len;
}
