/*
 * test_content.c
 *		What a body must be: JSON against a slow reading of RFC 8259, whole and cut off and changed
 *		in one byte, on thousands of documents made at random; forms; and what is the default.
 */
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "read/json.h"
#include "verify/content.h"
#include "check.h"

/* ---- random numbers, the same ones each time ---- */

static uint64_t state = 20;

static unsigned
below(unsigned limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned) (state >> 33) % limit;
}

/* ---- documents ---- */

static char document[65536];
static size_t length;

static void
put(const char *text)
{
	size_t n = strlen(text);

	if (length + n < sizeof(document))
	{
		memcpy(document + length, text, n);
		length += n;
	}
}

static void
put_one_of(const char *const *choices, unsigned count)
{
	put(choices[below(count)]);
}

#define PUT_ONE_OF(choices) put_one_of(choices, sizeof(choices) / sizeof(choices[0]))

static void
put_space(void)
{
	static const char *const spaces[] = {"", "", "", " ", "\n", "\t \r\n"};

	PUT_ONE_OF(spaces);
}

static void
put_string(void)
{
	static const char *const pieces[] = {"a",
										 "some words, and more of them",
										 "\xC3\xA9",
										 "\xE6\x97\xA5\xE6\x9C\xAC",
										 "\\n",
										 "\xF0\x9F\x98\x80",
										 "\\ud83d\\ude00",
										 "\\u00e9",
										 "\\\"",
										 "\\\\",
										 "12345678",
										 "{}[],:",
										 "1234567",
										 "\x7F",
										 "\xF4\x8F\xBF\xBF",
										 "\xED\x9F\xBF",
										 "\\/"};
	static const char *const unheld[] = {"\\u0000", "\\ud800", "\\udc00x", "\\ud800\\u0041",
										 "\\uD83D\\uD83D\\uDE00"};

	put("\"");
	for (unsigned i = below(6); i > 0; i--)
		PUT_ONE_OF(pieces);
	if (below(40) == 0)
		PUT_ONE_OF(unheld);
	put("\"");
}

static void
put_value(int depth)
{
	static const char *const scalars[] = {"true", "false", "null", "0", "-0",  "17",
										  "-1.5", "1e5",   "1E-7", "2", "0.25"};
	static const char *const unheld[] = {"1e131072", "1e-16384", "1e0000007", "1e99999999999999"};
	unsigned kind = below(depth > 5 ? 6 : 10);
	unsigned count = below(5);

	put_space();
	if (kind < 3)
		put_string();
	else if (kind < 6 && below(60) == 0)
		PUT_ONE_OF(unheld);
	else if (kind < 6)
		PUT_ONE_OF(scalars);
	else
	{
		bool object = kind < 8;

		put(object ? "{" : "[");
		put_space();
		for (unsigned i = 0; i < count; i++)
		{
			if (i > 0)
				put(",");
			put_space();
			if (object)
			{
				put_string();
				put_space();
				put(":");
			}
			put_value(depth + 1);
		}
		put(object ? "}" : "]");
	}
	put_space();
}

static IntakeSlice
make_document(void)
{
	length = 0;
	put_space();
	put("[");
	put_value(0);
	put("]");
	put_space();
	return (IntakeSlice){document, length};
}

/* ---- a slow reading, by the letter ---- */

typedef struct Slow
{
	const unsigned char *at;
	const unsigned char *end;
	bool held;
} Slow;

static int
peek(const Slow *s)
{
	return s->at < s->end ? *s->at : -1;
}

static bool
take(Slow *s, int byte)
{
	if (peek(s) != byte)
		return false;
	s->at++;
	return true;
}

static void
slow_space(Slow *s)
{
	while (take(s, ' ') || take(s, '\t') || take(s, '\n') || take(s, '\r'))
		continue;
}

static int
slow_digits(Slow *s, long *value)
{
	int count = 0;

	for (*value = 0; peek(s) >= '0' && peek(s) <= '9'; s->at++, count++)
		if (count < 6)
			*value = *value * 10 + peek(s) - '0';
	return count;
}

static bool
slow_number(Slow *s)
{
	long value;
	long exponent = 0;
	int fractions = 0;
	int integers;
	int count = 0;
	bool negative;

	(void) take(s, '-');
	integers = take(s, '0') ? 1 : slow_digits(s, &value);
	if (integers == 0 || (take(s, '.') && (fractions = slow_digits(s, &value)) == 0))
		return false;
	if (take(s, 'e') || take(s, 'E'))
	{
		negative = take(s, '-');
		if (!negative)
			(void) take(s, '+');
		if ((count = slow_digits(s, &exponent)) == 0)
			return false;
		exponent = negative ? -exponent : exponent;
	}
	if (count > 6 || integers + exponent > 131072 || fractions - exponent > 16383)
		s->held = false;
	return true;
}

static int
slow_hex(Slow *s)
{
	int code = 0;

	for (int i = 0; i < 4; i++, s->at++)
	{
		const char *digits = "0123456789abcdef";
		int c = peek(s);
		const char *place = c > 0 ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;

		if (place == NULL)
			return -1;
		code = code * 16 + (int) (place - digits);
	}
	return code;
}

/* What an escape behind its backslash stands for, or -1. */
static int
slow_escape(Slow *s)
{
	int c = peek(s);

	s->at += c >= 0;
	if (c == 'u')
		return slow_hex(s);
	return c > 0 && strchr("\"\\/bfnrt", c) != NULL ? c : -1;
}

/* One character by the table of Unicode's well-formed sequences. */
static bool
slow_utf8(Slow *s)
{
	static const unsigned char table[][8] = {
		{0xC2, 0xDF, 0x80, 0xBF, 1}, {0xE0, 0xE0, 0xA0, 0xBF, 2}, {0xE1, 0xEC, 0x80, 0xBF, 2},
		{0xED, 0xED, 0x80, 0x9F, 2}, {0xEE, 0xEF, 0x80, 0xBF, 2}, {0xF0, 0xF0, 0x90, 0xBF, 3},
		{0xF1, 0xF3, 0x80, 0xBF, 3}, {0xF4, 0xF4, 0x80, 0x8F, 3}};
	int first = peek(s);

	for (int i = 0; i < 8; i++)
	{
		if (first < table[i][0] || first > table[i][1])
			continue;
		s->at++;
		if (peek(s) < table[i][2] || peek(s) > table[i][3])
			return false;
		for (int more = table[i][4]; more > 0; more--, s->at++)
			if (peek(s) < 0x80 || peek(s) > 0xBF)
				return false;
		return true;
	}
	return false;
}

static bool
slow_string(Slow *s)
{
	bool high = false; /* the first half of a pair of surrogates came last */

	if (!take(s, '"'))
		return false;
	while (!take(s, '"'))
	{
		bool escaped = take(s, '\\');
		int code = escaped ? slow_escape(s) : peek(s);
		bool low = escaped && code >= 0xDC00 && code <= 0xDFFF;

		if (code < 0 || (!escaped && (code < 0x20 || (code >= 0x80 && !slow_utf8(s)))))
			return false;
		s->at += !escaped && code < 0x80;
		if (low != high || code == 0)
			s->held = false;
		high = escaped && code >= 0xD800 && code <= 0xDBFF;
	}
	if (high)
		s->held = false;
	return true;
}

static bool slow_value(Slow *s);

static bool
slow_members(Slow *s, bool object)
{
	int close = object ? '}' : ']';

	slow_space(s);
	if (take(s, close))
		return true;
	do
	{
		slow_space(s);
		if (object)
		{
			if (!slow_string(s))
				return false;
			slow_space(s);
			if (!take(s, ':'))
				return false;
		}
		if (!slow_value(s))
			return false;
	} while (take(s, ','));
	return take(s, close);
}

static bool
slow_value(Slow *s)
{
	static const char *const words[] = {"true", "false", "null"};
	bool right = false;

	slow_space(s);
	if (take(s, '{'))
		right = slow_members(s, true);
	else if (take(s, '['))
		right = slow_members(s, false);
	else if (peek(s) == '"')
		right = slow_string(s);
	else if (peek(s) == '-' || (peek(s) >= '0' && peek(s) <= '9'))
		right = slow_number(s);
	else
		for (int i = 0; i < 3 && !right; i++)
			if ((size_t) (s->end - s->at) >= strlen(words[i]) &&
				memcmp(s->at, words[i], strlen(words[i])) == 0)
			{
				s->at += strlen(words[i]);
				right = true;
			}
	slow_space(s);
	return right;
}

static IntakeJson
slow_look(IntakeSlice text)
{
	Slow s = {(const unsigned char *) text.data, (const unsigned char *) text.data + text.len,
			  true};

	if (!slow_value(&s) || s.at != s.end)
		return INTAKE_JSON_NOT;
	return s.held ? INTAKE_JSON_HELD : INTAKE_JSON_TEXT;
}

/* ---- one against the other ---- */

/* What a text of its own length is, so that a sanitizer sees whoever reads past its end. */
static IntakeJson
look_alone(IntakeSlice text, IntakeJsonFault *fault)
{
	char *copy = malloc(text.len > 0 ? text.len : 1);
	IntakeJson json;

	memcpy(copy, text.data, text.len);
	json = intake_json_look((IntakeSlice){copy, text.len}, fault);
	free(copy);
	return json;
}

static bool
is_cut_well(IntakeSlice text)
{
	IntakeJsonFault fault;
	bool right = true;

	for (size_t n = 0; n < text.len; n++)
	{
		IntakeJson json = look_alone((IntakeSlice){text.data, n}, &fault);

		right = right && json == slow_look((IntakeSlice){text.data, n}) &&
				(json != INTAKE_JSON_NOT || fault.at <= n);
	}
	return right;
}

static bool
is_changed_well(IntakeSlice text)
{
	static const char bytes[] = "\0\"\\{}[],: x0e\x80\xC3\xFF\t\x01";
	IntakeJsonFault fault;

	for (int i = 0; i < 20; i++)
	{
		size_t place = below((unsigned) text.len);
		char old = document[place];

		document[place] = bytes[below(sizeof(bytes) - 1)];
		if (look_alone(text, &fault) != slow_look(text))
			return false;
		document[place] = old;
	}
	return true;
}

static void
test_documents(void)
{
	int seen[4] = {0};
	int cut = 0;
	int changed = 0;

	for (int i = 0; i < 4000; i++)
	{
		IntakeSlice text = make_document();
		IntakeJson json = look_alone(text, NULL);

		CHECK(json == slow_look(text));
		seen[json]++;
		cut += text.len > 300 || i % 2 != 0 || is_cut_well(text);
		changed += is_changed_well(text);
	}
	CHECK(cut == 4000);
	CHECK(changed == 4000);
	CHECK(seen[INTAKE_JSON_NOT] == 0);
	CHECK(seen[INTAKE_JSON_TEXT] > 100);
	CHECK(seen[INTAKE_JSON_HELD] > 2000);
}

/* Each byte at each place around the eight that are looked at together. */
static void
test_strings(void)
{
	char text[40];

	for (int n = 1; n < 30; n++)
		for (int place = 1; place <= n; place++)
			for (int byte = 0; byte < 256; byte++)
			{
				IntakeSlice whole = {text, (size_t) n + 2};

				memset(text, 'x', sizeof(text));
				text[0] = text[n + 1] = '"';
				text[place] = (char) byte;
				if (intake_json_look(whole, NULL) != slow_look(whole))
					CHECK(!"a string is read as it should be");
			}
}

/* ---- what a body must be ---- */

static const char *
problem_of(IntakeContent content, const char *fields, const char *body, size_t size)
{
	static const char *names[] = {"a", "b"};
	IntakeScheme scheme = {0};
	IntakeRequest request = {0};

	if (fields != NULL)
	{
		scheme.fields = names;
		scheme.n_fields = 2;
	}
	request.body = (IntakeSlice){body, size};
	return intake_content_problem(&scheme, content, &request);
}

static bool
says(const char *problem, const char *what)
{
	if (what == NULL ? problem == NULL : problem != NULL && strstr(problem, what) != NULL)
		return true;
	printf("it says: %s\n", problem ? problem : "nothing");
	return false;
}

#define JSON_SAYS(body, what)                                                                      \
	CHECK(says(problem_of(INTAKE_CONTENT_JSON, NULL, body, sizeof(body) - 1), what))
#define FORM_SAYS(body, what)                                                                      \
	CHECK(says(problem_of(INTAKE_CONTENT_FORM, NULL, body, sizeof(body) - 1), what))
#define FIELDS_SAYS(body, what)                                                                    \
	CHECK(says(problem_of(INTAKE_CONTENT_FORM, "a,b", body, sizeof(body) - 1), what))

static void
test_json_bodies(void)
{
	JSON_SAYS("{}", NULL);
	JSON_SAYS(" \r\n\t[ ]\n", NULL);
	JSON_SAYS("\xEF\xBB\xBF{\"a\":1}", NULL);
	JSON_SAYS("\xEF\xBB\xBF\xEF\xBB\xBF{}", "no JSON object or array");
	JSON_SAYS("{\"a\":\"\\u0000\\ud800\",\"b\":1e999999}", NULL);
	JSON_SAYS("{\"a\":1,\"a\":2}", NULL);
	JSON_SAYS("", "the body is empty");
	JSON_SAYS("\xEF\xBB\xBF", "the body is empty");
	JSON_SAYS(" ", "no JSON object or array");
	JSON_SAYS("true", "no JSON object or array");
	JSON_SAYS("\"a\"", "no JSON object or array");
	JSON_SAYS("a=1&b=2", "no JSON object or array");
	JSON_SAYS("\0{}", "no JSON object or array");
	JSON_SAYS("{}x", "byte 3 of the body: something behind the document");
	JSON_SAYS("{}\0", "byte 3 of the body: something behind the document");
	JSON_SAYS("[]{}", "byte 3 of the body: something behind the document");
	JSON_SAYS("\xEF\xBB\xBF[] []", "byte 7 of the body: something behind the document");
	JSON_SAYS("{\"a\":\"\xFF\"}", "byte 7 of the body: not UTF-8");
	JSON_SAYS("{\"a\":\"\xED\xA0\x80\"}", "byte 7 of the body: not UTF-8");
	JSON_SAYS("{\"a\":\"b\nc\"}", "byte 8 of the body: a control character in a string");
	JSON_SAYS("{\"a\":\"\\x\"}", "byte 8 of the body: an escape that JSON does not know");
	JSON_SAYS("{\"a\":\"\\u12g4\"}", "byte 11 of the body: an escape that JSON does not know");
	JSON_SAYS("{\"a\" 1}", "byte 6 of the body: a colon is missing");
	JSON_SAYS("[1 2]", "byte 4 of the body: a comma is missing");
	JSON_SAYS("{a:1}", "byte 2 of the body: a name in quotes is missing");
	JSON_SAYS("[nul]", "byte 5 of the body: no value that JSON knows");
	JSON_SAYS("[1.]", "byte 4 of the body: not a number as JSON writes it");
	JSON_SAYS("[01]", "byte 3 of the body: a comma is missing");
	JSON_SAYS("{\"a\":\"b", "byte 8 of the body: it ends too early");
	JSON_SAYS("[", "byte 2 of the body: it ends too early");
}

static void
test_forms(void)
{
	FORM_SAYS("a=1&b=2", NULL);
	FORM_SAYS("payload={\"a\":1}", NULL);
	FORM_SAYS("a=\xC3\xA9%20+", NULL);
	FORM_SAYS("true", NULL);
	FORM_SAYS("", NULL);
	FORM_SAYS("{\"a\":1}", "begins as JSON does");
	FORM_SAYS(" \n[1]", "begins as JSON does");
	FORM_SAYS("\xEF\xBB\xBF{}", "begins as JSON does");
	FORM_SAYS("a=1 2", "byte 4 of the body: a space or a control character");
	FORM_SAYS("a=1\n", "byte 4 of the body: a space or a control character");
	FORM_SAYS("a=1\0", "byte 4 of the body: a space or a control character");
	FORM_SAYS("a=\x7F", "byte 3 of the body: a space or a control character");
	FIELDS_SAYS("b=2&a=1", NULL);
	FIELDS_SAYS("&&a", NULL);
	FIELDS_SAYS("%61=1", NULL);
	FIELDS_SAYS("a=1&c=2", "field 2 of the form: none of those");
	FIELDS_SAYS("a=1&b=2&%61=1", "field 3 of the form: it is there already");
	FIELDS_SAYS("a%00=1", "field 1 of the form: none of those");
	FIELDS_SAYS("A=1", "field 1 of the form: none of those");
	CHECK(problem_of(INTAKE_CONTENT_ANY, NULL, "\0 x", 3) == NULL);
}

/* More levels than jsonb holds are JSON, but there is a last one. */
static void
test_levels(void)
{
	static const int depths[] = {INTAKE_JSON_DEPTH, INTAKE_JSON_DEPTH + 1, 65536, 65537, 10000000};

	for (int i = 0; i < 5; i++)
	{
		size_t depth = (size_t) depths[i];
		char *text = malloc(2 * depth);
		IntakeJsonFault fault = {0, ""};
		IntakeJson json;

		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		json = intake_json_look((IntakeSlice){text, 2 * depth}, &fault);
		CHECK(json == (i == 0 ? INTAKE_JSON_HELD : i < 3 ? INTAKE_JSON_TEXT : INTAKE_JSON_NOT));
		CHECK(i < 3 || strstr(fault.problem, "nested deeper") != NULL);
		free(text);
	}
}

static IntakeContent
default_of(const char *key, const char *type, IntakeContent said)
{
	IntakeScheme scheme = {0};
	IntakeLocation locations[2];
	const char *why;

	scheme.content = said;
	CHECK(key == NULL || intake_location_parse(key, &locations[0], &why));
	CHECK(type == NULL || intake_location_parse(type, &locations[1], &why));
	return intake_content_default(&scheme, key ? &locations[0] : NULL, type ? &locations[1] : NULL);
}

static void
test_defaults(void)
{
	CHECK(default_of("$.id", NULL, INTAKE_CONTENT_UNSAID) == INTAKE_CONTENT_JSON);
	CHECK(default_of("header:x", "header:y | json:/a", INTAKE_CONTENT_UNSAID) ==
		  INTAKE_CONTENT_JSON);
	CHECK(default_of("form:id", "header:y", INTAKE_CONTENT_UNSAID) == INTAKE_CONTENT_FORM);
	CHECK(default_of("$.id", "$.type | form:type", INTAKE_CONTENT_UNSAID) == INTAKE_CONTENT_ANY);
	CHECK(default_of("header:x", "jwt:/a", INTAKE_CONTENT_UNSAID) == INTAKE_CONTENT_ANY);
	CHECK(default_of(NULL, NULL, INTAKE_CONTENT_UNSAID) == INTAKE_CONTENT_ANY);
	CHECK(default_of("$.id", NULL, INTAKE_CONTENT_ANY) == INTAKE_CONTENT_ANY);
	CHECK(default_of(NULL, NULL, INTAKE_CONTENT_JSON) == INTAKE_CONTENT_JSON);
}

/* What a place finds in a body that is known to be JSON, or to be none. */
static const char *
found_in(const char *place, const char *body)
{
	IntakeRequest request = {0};
	IntakeLocation location;
	IntakeSlice value;
	const char *why;
	static char text[64];

	request.body = intake_slice_cstr(body);
	intake_content_look(&request);
	if (!intake_location_parse(place, &location, &why))
		return "bad";
	value = intake_location_read(&location, &request);
	snprintf(text, sizeof(text), "%.*s", (int) value.len, value.data ? value.data : "");
	return value.data ? text : "absent";
}

static void
test_places(void)
{
	CHECK(strcmp(found_in("$.a | form:a", "{\"a\":\"1\"}"), "1") == 0);
	CHECK(strcmp(found_in("$.a | form:a", "\xEF\xBB\xBF{\"a\":\"1\"}"), "1") == 0);
	CHECK(strcmp(found_in("$.a | form:a", "a=2"), "2") == 0);
	CHECK(strcmp(found_in("$.a", "{\"a\":\"1\"} x"), "absent") == 0);
	CHECK(strcmp(found_in("$.a", "{\"a\":\"1\""), "absent") == 0);
	CHECK(strcmp(found_in("form:a", "{\"b\":\"&a=3&\"}"), "absent") == 0);
	CHECK(strcmp(found_in("form:a", "{\"b\":\"&a=3&\"} x"), "3") == 0);
}

void
test_content(void)
{
	test_documents();
	test_strings();
	test_json_bodies();
	test_forms();
	test_levels();
	test_defaults();
	test_places();
	intake_memory_reset();
}
