/*
 * test_borders.c
 *		Whether borders that are called firm are: patterns and templates at random, and every
 *		content of a few bytes; and that those of every preset are firm, or declared loose.
 */
#include <regex.h>
#include <stdlib.h>

#include "common/memory.h"

#include "check.h"
#include "presets.h"
#include "read/work.h"
#include "verify/borders.h"

static unsigned state = 1;

static unsigned
dice(unsigned sides)
{
	state = state * 1103515245u + 12345u;
	return (state >> 16) % sides;
}

/* ---- patterns ---- */

/* An expression of a few pieces; what the pieces are is what expressions consist of. */
static void
roll_expression(char *text)
{
	static const char *const sets[] = {"a", "b",   "[ab]", "[^a]",  "[a-c]",
									   ".", "\\.", "[]a]", "[^]b]", "-"};
	static const char *const times[] = {"", "", "*", "+", "?", "{2}", "{1,2}", "{0,1}", "{2,}"};

	strcpy(text, "^");
	for (unsigned n = dice(4); n > 0; n--)
	{
		strcat(text, sets[dice(sizeof(sets) / sizeof(sets[0]))]);
		strcat(text, times[dice(sizeof(times) / sizeof(times[0]))]);
	}
	strcat(text, "$");
}

static void
roll_text(char *text)
{
	unsigned n = dice(7);

	for (unsigned i = 0; i < n; i++)
		text[i] = "abc.]-"[dice(6)];
	text[n] = '\0';
}

/* What a pattern matches is what the regular expression does. */
static void
test_patterns(void)
{
	char expression[100];
	char text[10];
	int simple = 0;

	for (int i = 0; i < 20000; i++)
	{
		IntakePattern pattern;
		regex_t compiled;

		roll_expression(expression);
		if (!intake_pattern_parse(expression, &pattern))
			continue;
		simple++;
		if (regcomp(&compiled, expression, REG_EXTENDED | REG_NOSUB) != 0)
		{
			printf("%s is no expression\n", expression);
			CHECK(false);
			continue;
		}
		for (int j = 0; j < 5; j++)
		{
			bool wanted;

			roll_text(text);
			wanted = regexec(&compiled, text, 0, NULL, 0) == 0;
			if (intake_pattern_matches(&pattern, intake_slice_cstr(text)) != wanted)
				printf("%s and \"%s\"\n", expression, text);
			CHECK(intake_pattern_matches(&pattern, intake_slice_cstr(text)) == wanted);
		}
		regfree(&compiled);
		intake_memory_reset();
	}
	CHECK(simple > 5000);
}

static void
test_what_is_no_pattern(void)
{
	static const char *const not [] = {
		"a",       "^a",         "a$",           "^(a|b)$",    "^a|b$", "^[[:alpha:]]$",
		"^a**$",   "^a{2}{2}$",  "^[a$",         "^a{2$",      "^\\w$", "^a*a$",
		"^a?b?a$", "^\xC3\xA9$", "^[\xC3\xA9]$", "^a{200000}$"};
	IntakePattern pattern;

	for (size_t i = 0; i < sizeof(not ) / sizeof(not [0]); i++)
		CHECK(!intake_pattern_parse(not [i], &pattern));
}

/* ---- templates ---- */

static IntakeScheme *
compile(const char *message, const IntakePair *require, int n_require, const char *content)
{
	const char *place = "header:signature";
	IntakeSchemeRow row = {.kind = "hmac",
						   .algorithm = "sha256",
						   .signature_from = &place,
						   .n_signature_from = 1,
						   .encoding = "hex",
						   .message = message,
						   .tolerance = -1,
						   .timestamp_from = "header:time",
						   .timestamp_unit = "s",
						   .require = require,
						   .n_require = n_require,
						   .content = content};
	const char *error = NULL;
	IntakeScheme *scheme = intake_scheme_compile(&row, &error);

	if (scheme == NULL)
		printf("%s: %s\n", message, error);
	CHECK(scheme != NULL);
	return scheme;
}

static void
expect(bool firm, const char *message, const char *content, const IntakePair *require,
	   int n_require)
{
	IntakeScheme *scheme = compile(message, require, n_require, content);
	const char *problem = intake_borders_problem(scheme);

	if ((problem == NULL) != firm)
		printf("%s (%s): %s\n", message, content ? content : "unsaid", problem ? problem : "firm");
	CHECK((problem == NULL) == firm);
	intake_scheme_release(scheme);
	intake_memory_reset();
}

/* Of two patterns for one place, both must be met, in whatever order. */
static void
test_two_patterns(void)
{
	IntakePair digits = {"header:id", "~^[0-9]{1,3}$"};
	IntakePair word = {"header:id", "~^[^.]{1,20}$"};

	for (int first = 0; first < 2; first++)
	{
		IntakePair require[] = {first ? digits : word, first ? word : digits};
		IntakeScheme *scheme = compile("{header:id}.{body}", require, 2, NULL);

		CHECK(scheme->require[0].in_message && !scheme->require[1].in_message);
		intake_scheme_release(scheme);
	}
	intake_memory_reset();
}

static int breaths;

static void
breathe(void)
{
	breaths++;
}

/* Two schemes of seven parts of any length, which differ in the last byte alone. */
static void
test_long_search(void)
{
	static const char text[] = "{query:a}{query:b}{query:c}{query:d}{query:e}{query:f}{query:g}";
	IntakePair require[7];
	char names[7][8];
	char messages[2][80];
	IntakeScheme *schemes[2];

	for (int i = 0; i < 7; i++)
	{
		snprintf(names[i], sizeof(names[i]), "query:%c", 'a' + i);
		require[i] = (IntakePair){names[i], "~^[a-c]{0,128}$"};
	}
	for (int i = 0; i < 2; i++)
	{
		snprintf(messages[i], sizeof(messages[i]), "%s%c", text, 'x' + i);
		schemes[i] = compile(messages[i], require, 7, NULL);
	}
	intake_work.breathe = breathe;
	CHECK(
		!intake_borders_overlap(schemes[0], schemes[0]->message, schemes[1], schemes[1]->message));
	intake_work.breathe = NULL;
	CHECK(breaths > 0);
	for (int i = 0; i < 2; i++)
		intake_scheme_release(schemes[i]);
	intake_memory_reset();
}

/* Parts that may each be left out, of a hundred bytes each: found out at once. */
static void
test_long_parts(void)
{
	static const char *const patterns[] = {"~^[a]{0,128}$", "~^[b]{0,128}$", "~^[c]{0,128}$",
										   "~^[d]{0,128}$", "~^[e]{0,128}$", "~^[f]{0,128}$"};
	IntakePair require[6];
	char names[6][8];

	for (int i = 0; i < 6; i++)
	{
		snprintf(names[i], sizeof(names[i]), "query:%c", 'a' + i);
		require[i] = (IntakePair){names[i], patterns[i]};
	}
	expect(true, "{query:a}{query:b}{query:c}{query:d}{query:e}{query:f};{body}", NULL, require, 6);
}

static void
test_templates(void)
{
	IntakePair id = {"header:id", "~^[^.]{1,256}$"};
	IntakePair word = {"header:id", "~^[A-Za-z0-9-]{1,100}$"};
	IntakePair line = {"json:/b", "~^[^\n]*$"};

	expect(true, "{body}", NULL, NULL, 0);
	expect(true, "{timestamp}.{body}", NULL, NULL, 0);
	expect(true, "{timestamp}{body}", NULL, NULL, 0);
	expect(false, "{header:id}.{timestamp}.{body}", NULL, NULL, 0);
	expect(true, "{header:id}.{timestamp}.{body}", NULL, &id, 1);
	expect(false, "{body}{header:id}", NULL, NULL, 0);
	expect(true, "{body}{header:id}", "json", NULL, 0);
	expect(false, "{header:id}{timestamp}{body}", "json", NULL, 0);
	expect(true, "{header:id}{timestamp}{body}", "json", &word, 1);
	expect(true, "{body}.{header:id}.{timestamp}", NULL, &id, 1);
	expect(false, "a{json:/a}\\nb{json:/b}\\n", "json", NULL, 0);
	expect(true, "a{json:/a}\\nb{json:/b}\\n", "json", &line, 1);
	expect(false, "a{json:/a}\\n[b{json:/b}\\n]", "json", &line, 1);
	expect(true, "{method}{url}{body}{timestamp}", "json", NULL, 0);
	expect(false, "{url}{header:id}{body}", NULL, NULL, 0);
	expect(true, "{body}{url}", "json", NULL, 0);
	expect(false, "{token}{header:id}{token}{body}", NULL, NULL, 0);
	expect(true, "{sha256hex(body)}{header:id}", NULL, NULL, 0);
	expect(false, "{sha256hex(header:id+body)}", NULL, NULL, 0);
	expect(false, "{url}{form_sorted}", "form", NULL, 0);
	expect(true, "{url}{form_sorted}", "form:events", NULL, 0);
	expect(false, "{url}{form_sorted}", "form:a,b", NULL, 0);
	expect(false, "[{query:a},][{query:b},]{query:c}", NULL, NULL, 0);
	expect(false, "a[b{query:a}][c{query:b}]d", NULL, NULL, 0);
	expect(false, "[id:{query:i};][no:{query:n};]ts:{timestamp};", NULL, NULL, 0);
	expect(true, "[id:{query:i};]ts:{timestamp};", NULL, NULL, 0);
}

/* How many ways there are to cut TEXT into parts that have those patterns. */
static int
count_cuts(const IntakePattern *parts, int count, IntakeSlice text)
{
	int cuts = 0;

	if (count == 0)
		return text.len == 0;
	for (size_t n = 0; n <= text.len; n++)
		if (intake_pattern_matches(&parts[0], (IntakeSlice){text.data, n}))
			cuts += count_cuts(parts + 1, count - 1, intake_slice_after(text, n));
	return cuts;
}

/* Whether there is a text of at most six letters that can be cut in two ways. */
static bool
can_be_cut_twice(const IntakePattern *parts, int count)
{
	char text[6];

	for (int length = 0; length <= 6; length++)
		for (int number = 0; number < 1 << (2 * length); number++)
		{
			for (int i = 0; i < length; i++)
				text[i] = "abc."[number >> (2 * i) & 3];
			if (count_cuts(parts, count, (IntakeSlice){text, (size_t) length}) > 1)
				return true;
		}
	return false;
}

/* Templates at random: what is called firm is cut in one way only, and what is not, is cut in two. */
static void
test_every_cut(void)
{
	static const char *const names[] = {"query:a", "query:b", "query:c"};
	int firm = 0, loose = 0, missed = 0;

	for (int i = 0; i < 1000; i++)
	{
		char expressions[3][100];
		IntakePair require[3];
		IntakePattern parts[3];
		IntakeScheme *scheme;
		int count = 0;

		while (count < 3)
		{
			expressions[count][0] = '~';
			roll_expression(expressions[count] + 1);
			if (!intake_pattern_parse(expressions[count] + 1, &parts[count]))
				continue;
			require[count] = (IntakePair){names[count], expressions[count]};
			count++;
		}
		scheme = compile("{query:a}{query:b}{query:c}", require, 3, NULL);
		if (intake_borders_problem(scheme) == NULL)
		{
			bool twice = can_be_cut_twice(parts, 3);

			firm++;
			if (twice)
				printf("%s %s %s\n", expressions[0], expressions[1], expressions[2]);
			CHECK(!twice);
		}
		else if (can_be_cut_twice(parts, 3))
			loose++;
		else
			missed++; /* it takes more letters, or others */
		intake_scheme_release(scheme);
		intake_memory_reset();
	}
	CHECK(firm > 100 && loose > 100 && missed < loose);
}

/* ---- presets ---- */

/* Whether presets that sign, but not the body, say so, for people to read. */
static void
says_origin(const FuzzPreset *preset, const IntakeScheme *scheme)
{
	for (int row = 0; scheme != NULL; row++, scheme = scheme->next)
	{
		const char *verified = preset->rows[row].verified;
		bool holds = scheme->kind == INTAKE_TOKEN || scheme->kind == INTAKE_BASIC ||
					 scheme->verified != INTAKE_VERIFIED_ORIGIN ||
					 (verified != NULL && strcmp(verified, "origin") == 0);

		if (!holds)
			printf("%s: variant %d proves the origin only, and does not say so\n", preset->name,
				   row);
		CHECK(holds);
	}
}

static void
prove(const FuzzPreset *preset)
{
	IntakeScheme *scheme = fuzz_scheme(preset);
	const char *problem = intake_borders_problem(scheme);
	const char *error = NULL;

	if (problem != NULL)
		printf("%s: %s\n", preset->name, problem);
	CHECK(problem == NULL);
	says_origin(preset, scheme);
	for (int i = 0; i < preset->n_handshakes; i++)
	{
		IntakeHandshake *rule = intake_handshake_compile(&preset->handshakes[i], &error);

		problem = intake_borders_handshake_problem(scheme, rule);
		if (problem != NULL)
			printf("%s: handshake %d: %s\n", preset->name, i + 1, problem);
		CHECK(problem == NULL);
		intake_handshake_release(rule);
	}
	fuzz_scheme_release(scheme);
	intake_memory_reset();
}

void
test_borders(void)
{
	test_patterns();
	test_what_is_no_pattern();
	test_two_patterns();
	test_long_parts();
	test_long_search();
	test_templates();
	test_every_cut();
	for (int i = 0; i < fuzz_n_presets; i++)
		prove(&fuzz_presets[i]);
}
