/*
 * test_reading.c
 *		Encodings, forms, headers, globs, retry delays.
 */
#include <string.h>

#include "queue/retry.h"
#include "read/encoding.h"
#include "read/form.h"
#include "read/glob.h"
#include "read/headers.h"
#include "read/location.h"
#include "check.h"

static bool
decodes(IntakeEncoding encoding, const char *text, const char *expected)
{
	unsigned char out[64];
	size_t length;

	if (!intake_encoding_decode(encoding, intake_slice_cstr(text), out, sizeof(out), &length))
		return expected == NULL;
	return expected != NULL && length == strlen(expected) && memcmp(out, expected, length) == 0;
}

static void
test_encodings(void)
{
	CHECK(decodes(INTAKE_HEX, "6869", "hi"));
	CHECK(decodes(INTAKE_HEX, "6A", "j"));
	CHECK(decodes(INTAKE_HEX, "6a", "j"));
	CHECK(decodes(INTAKE_HEX, "686", NULL));
	CHECK(decodes(INTAKE_HEX, "6g", NULL));
	CHECK(decodes(INTAKE_BASE64, "aGk=", "hi"));
	CHECK(decodes(INTAKE_BASE64, "aGk", NULL));
	CHECK(decodes(INTAKE_BASE64, "aGk==", NULL));
	CHECK(decodes(INTAKE_BASE64, "aGl=", NULL)); /* stray bits */
	CHECK(decodes(INTAKE_BASE64, "aG k=", NULL));
	CHECK(decodes(INTAKE_BASE64, "aGk=\n", NULL));
	CHECK(decodes(INTAKE_BASE64, "", ""));
	CHECK(decodes(INTAKE_BASE64, "=", NULL));
	CHECK(decodes(INTAKE_BASE64URL, "_-8", "\xff\xef"));
	CHECK(decodes(INTAKE_BASE64URL, "_-8=", "\xff\xef"));
	CHECK(decodes(INTAKE_BASE64, "_-8=", NULL));
}

static bool
is(IntakeSlice slice, const char *text)
{
	if (text == NULL)
		return slice.data == NULL;
	return slice.data != NULL && intake_slice_equal(slice, intake_slice_cstr(text));
}

/* A header's value as CloudEvents writes it. */
static void
test_encoded_headers(void)
{
	static const char *const values[][2] = {
		{"plain", "plain"},
		{"Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro \xe2\x82\xac \xf0\x9f\x98\x80"},
		{"percent%25encoded", "percent%encoded"},
		{"once%2525", "once%25"},
		{"%e2%82%ac", "\xe2\x82\xac"},
		{"a%", "a%"},
		{"a%2", "a%2"},
		{"a%zz%20", "a%zz "},
		{"%%20", "% "},
		{"a+b", "a+b"},
		{"\"quoted value\"", "quoted value"},
		{"\"a\\\"b\\\\c\"", "a\"b\\c"},
		{"\"a%20b\"", "a b"},
		{"\"a\\%20b\"", "a b"},
		{"\"\"", ""},
		{"\"", "\""},
		{"a\"b\"", "a\"b\""},
		{"\"a\\\"", "a\\"},
		{"%22a%22", "\"a\""},
		{"", ""},
	};
	IntakeLocation location;
	IntakeRequest request = {.headers = intake_slice_cstr(
								 "X-Ce-Id: no\r\nCe-ID: a%20b\r\nce-id: second\r\nce-empty:\r\n")};
	const char *why;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		CHECK(is(intake_headers_decode(intake_slice_cstr(values[i][0])), values[i][1]));
	CHECK(intake_location_parse("ce:id", &location, &why));
	CHECK(is(intake_location_read(&location, &request), "a b"));
	CHECK(intake_location_parse("ce:empty", &location, &why));
	CHECK(is(intake_location_read(&location, &request), NULL));
	CHECK(!intake_location_parse("ce:", &location, &why));
}

static void
test_forms(void)
{
	IntakeSlice form = intake_slice_cstr("b=2&a=x%20y+z&b=1&empty=&flag&%zz=%4");

	CHECK(is(intake_form_find(form, intake_slice_cstr("a"), 0), "x y z"));
	CHECK(is(intake_form_find(form, intake_slice_cstr("b"), 0), "2"));
	CHECK(is(intake_form_find(form, intake_slice_cstr("b"), 1), "1"));
	CHECK(is(intake_form_find(form, intake_slice_cstr("b"), 2), NULL));
	CHECK(is(intake_form_find(form, intake_slice_cstr("empty"), 0), ""));
	CHECK(is(intake_form_find(form, intake_slice_cstr("flag"), 0), ""));
	CHECK(is(intake_form_find(form, intake_slice_cstr("%zz"), 0), "%4"));
	CHECK(is(intake_form_sorted(intake_slice_cstr("b=2&a=1&b=1&b=2")), "a1b1b2"));
	CHECK(is(intake_form_sorted(intake_slice_cstr("")), ""));
}

static void
test_headers(void)
{
	IntakeHeaderIterator i = intake_headers_begin(
		intake_slice_cstr("A: 1 \r\nnothing\r\nB:\r\nC: x: y\n: no name\r\nA:2"));
	IntakeSlice name;
	IntakeSlice value;

	CHECK(intake_headers_next(&i, &name, &value) && is(name, "A") && is(value, "1"));
	CHECK(intake_headers_next(&i, &name, &value) && is(name, "B") && is(value, ""));
	CHECK(intake_headers_next(&i, &name, &value) && is(name, "C") && is(value, "x: y"));
	CHECK(intake_headers_next(&i, &name, &value) && is(name, "A") && is(value, "2"));
	CHECK(!intake_headers_next(&i, &name, &value));
}

static bool
glob(const char *pattern, const char *text)
{
	return intake_glob_match(pattern, strlen(pattern), text, strlen(text));
}

static void
test_globs(void)
{
	CHECK(glob("*", ""));
	CHECK(glob("payment_intent.*", "payment_intent.succeeded"));
	CHECK(!glob("payment_intent.*", "payment_intent"));
	CHECK(glob("*.created", "a.b.created"));
	CHECK(glob("a?c", "abc"));
	CHECK(!glob("a?c", "ac"));
	CHECK(glob("a*b*c", "aXbYbZc"));
	CHECK(!glob("a*b*c", "aXbYbZ"));
	CHECK(!glob("", "a"));
	CHECK(glob("", ""));
	CHECK(!glob("*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

/* A pattern that was looked at once says the same, and its head never says no to what matches. */
static void
test_globs_read_once(void)
{
	static const char *const patterns[] = {"",
										   "*",
										   "**",
										   "?",
										   "a",
										   "order",
										   "order.*",
										   "*.a",
										   "order.c?",
										   "order.created",
										   "order.created*",
										   "order.create?",
										   "or*er.created"};
	static const char *const texts[] = {"",        "a",        "order",         "order.",
										"order.a", "order.cc", "order.created", "order.created.x",
										"orders",  "x.a"};

	for (size_t p = 0; p < sizeof(patterns) / sizeof(*patterns); p++)
	{
		IntakeGlob read = intake_glob_read(patterns[p]);

		CHECK(read.wild == (strpbrk(patterns[p], "*?") != NULL));
		CHECK(intake_glob_matches(&read, INTAKE_ABSENT) == (strcmp(patterns[p], "*") == 0));
		for (size_t t = 0; t < sizeof(texts) / sizeof(*texts); t++)
		{
			IntakeSlice text = intake_slice_cstr(texts[t]);
			bool matches = glob(patterns[p], texts[t]);

			CHECK(intake_glob_matches(&read, text) == matches);
			CHECK(!matches || (intake_glob_head(text) & read.mask) == read.head);
		}
	}
	CHECK((intake_glob_head(intake_slice_cstr("orders.x")) & intake_glob_read("order.*").mask) !=
		  intake_glob_read("order.*").head);
}

/* A ? is a character, however many bytes that has, and a * ends between two of them. */
static void
test_globs_of_characters(void)
{
	CHECK(glob("?", "\xc3\xa4"));         /* 2 bytes */
	CHECK(glob("?", "\xe2\x82\xac"));     /* 3 */
	CHECK(glob("?", "\xf0\x9f\x90\x98")); /* 4 */
	CHECK(!glob("??", "\xc3\xa4"));
	CHECK(!glob("????", "\xf0\x9f\x90\x98"));
	CHECK(glob("gr??e", "gr\xc3\xb6\xc3\x9f"
						"e"));
	CHECK(glob("*?", "\xe2\x82\xac"));
	CHECK(glob("?*", "\xe2\x82\xac"));
	CHECK(!glob("*??", "\xe2\x82\xac"));
	CHECK(!glob("?*?", "\xe2\x82\xac"));
	CHECK(glob("*\xa4?", "\xc3\xa4x") == false); /* half a character */
	CHECK(glob("*\xc3\xa4*", "a\xc3\xa4z"));
	CHECK(glob("*\xc3\xa4", "\xc3\xa4\xc3\xa4"));
	CHECK(!glob("*?\xc3\xa4", "\xc3\xa4"));
	CHECK(glob("?", "\x80"));     /* no UTF-8: a byte by itself */
	CHECK(glob("?", "\xf0\x9f")); /* cut off */
}

/* No pattern costs more than its length times that of the text. */
static void
test_globs_cost(void)
{
	static char pattern[20001];
	static char text[20001];

	for (int i = 0; i < 20000; i++)
	{
		pattern[i] = i % 2 == 0 ? '*' : '?';
		text[i] = 'a';
	}
	CHECK(glob(pattern, text));
	pattern[19999] = 'b';
	CHECK(!glob(pattern, text));
	memset(pattern, 'a', 10000);
	pattern[0] = '*';
	pattern[10000] = 'b';
	pattern[10001] = '\0';
	CHECK(!glob(pattern, text));
}

static void
test_delays(void)
{
	CHECK(intake_retry_delay(1, 1000, 60000, 0.5) == 500);
	CHECK(intake_retry_delay(2, 1000, 60000, 0.5) == 1000);
	CHECK(intake_retry_delay(5, 1000, 60000, 0.5) == 8000);
	CHECK(intake_retry_delay(20, 1000, 60000, 0.5) == 30000);
	CHECK(intake_retry_delay(1000, 1000, INT64_MAX / 4, 0.0) == 0);
	CHECK(intake_retry_delay(3, 0, 60000, 0.9) == 0);
	CHECK(intake_retry_delay(1, 90000, 60000, 0.5) == 30000);
}

void
test_reading(void)
{
	test_encodings();
	test_encoded_headers();
	test_forms();
	test_headers();
	test_globs();
	test_globs_read_once();
	test_globs_of_characters();
	test_globs_cost();
	test_delays();
}
