/*
 * test_json.c
 *		What is JSON, and finding values in it.
 */
#include <stdlib.h>
#include <string.h>

#include "read/json.h"
#include "read/location.h"
#include "read/outline.h"
#include "check.h"

static bool
valid(const char *text)
{
	return intake_json_valid(intake_slice_cstr(text));
}

static bool
nested_valid(int depth)
{
	char *text = malloc((size_t) depth * 2);
	bool result;

	memset(text, '[', (size_t) depth);
	memset(text + depth, ']', (size_t) depth);
	result = intake_json_valid((IntakeSlice){text, (size_t) depth * 2});
	free(text);
	return result;
}

static void
test_validity(void)
{
	CHECK(valid("{}"));
	CHECK(valid(" [1, -0.5e10, true, false, null, \"x\"]\n"));
	CHECK(valid("\"\\ud83d\\ude00\""));
	CHECK(valid("\"\xc3\xa9\""));
	CHECK(valid("{\"a\":{\"b\":[{},[]]}}"));
	CHECK(!valid(""));
	CHECK(!valid("  "));
	CHECK(!valid("{"));
	CHECK(!valid("{\"a\"}"));
	CHECK(!valid("{\"a\":1,}"));
	CHECK(!valid("[1,]"));
	CHECK(!valid("[1 2]"));
	CHECK(!valid("{} x"));
	CHECK(!valid("01"));
	CHECK(!valid("1."));
	CHECK(!valid(".5"));
	CHECK(!valid("+1"));
	CHECK(!valid("1e"));
	CHECK(!valid("NaN"));
	CHECK(!valid("truex"));
	CHECK(!valid("\"\\u0000\""));
	CHECK(!valid("\"\\ud800\""));
	CHECK(!valid("\"\\ud800\\u0041\""));
	CHECK(!valid("\"\\udc00\""));
	CHECK(!valid("\"\\x\""));
	CHECK(!valid("\"\t\""));
	CHECK(!valid("\"\xff\""));
	CHECK(!valid("\"\xc0\xaf\""));
	CHECK(!valid("\"\xed\xa0\x80\""));
	CHECK(!valid("\"\xf4\x90\x80\x80\""));
	CHECK(!valid("\xef\xbb\xbf{}"));
	CHECK(!intake_json_valid((IntakeSlice){"{}\0", 3}));
	CHECK(valid("1e131071"));
	CHECK(!valid("1e131072"));
	CHECK(valid("1e-16383"));
	CHECK(!valid("1e-16384"));
	CHECK(!valid("1e99999999999"));
	CHECK(nested_valid(INTAKE_JSON_DEPTH));
	CHECK(!nested_valid(INTAKE_JSON_DEPTH + 1));
	CHECK(!nested_valid(1000000));
}

static const char *
at(const char *path, const char *body)
{
	static char text[256];
	IntakeLocation location;
	IntakeRequest request = {0};
	IntakeSlice value;
	const char *error;

	if (!intake_location_parse(path, &location, &error))
		return "bad";
	request.body = intake_slice_cstr(body);
	request.query = intake_slice_cstr("q=1");
	request.headers = intake_slice_cstr("X-Id: 7\r\n");
	value = intake_location_read(&location, &request);
	if (value.data == NULL)
		return "absent";
	snprintf(text, sizeof(text), "%.*s", (int) value.len, value.data);
	return text;
}

#define AT(path, body, expected) CHECK(strcmp(at(path, body), expected) == 0)

static void
test_paths(void)
{
	const char *body =
		"{\"a\": {\"b\": [10, {\"c d\": \"x\\\"y\\u00e9\"}]}, \"n\": null, \"k\": 1, \"k\": 2,"
		" \"t\": true, \"s/l\": \"~\"}";

	AT("$.a.b[0]", body, "10");
	AT("$.a.b[1][\"c d\"]", body, "x\"y\xc3\xa9");
	AT("json:/a/b/0", body, "10");
	AT("json:/s~1l", body, "~");
	AT("$.k", body, "2");
	AT("$.t", body, "true");
	AT("$.n", body, "absent");
	AT("$.a", body, "absent");
	AT("$.missing", body, "absent");
	AT("$.a.b[9]", body, "absent");
	AT("$.missing | header:x-id", body, "7");
	AT("header:none | $.k", body, "2");
	AT("query:q", body, "1");
	AT("$", body, "bad");
	AT("$.a[", body, "bad");
	AT("nothing:x", body, "bad");
	AT("header:", body, "bad");
	AT("", body, "bad");
}

static void
test_broken(void)
{
	static const char *const broken[] = {
		"",  "{",   "{\"a\"",         "{\"a\":",  "{\"a\":\"", "{\"a\":\"\\",
		"[", "[1,", "{\"a\":[[[[",    "\"",       "}",         "]",
		",", "{,}", "{\"a\":\"\\u12", "{\"a\" 1}"};

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
	{
		const char *found = at("$.a | $.a[0] | json:/a/*/b", broken[i]);

		CHECK(strcmp(found, "bad") != 0);
	}
}

/* What an outline says of the container at a place: "length commas". */
static const char *
outlined(IntakeOutline *outline, size_t place)
{
	static char said[64];
	IntakeNote note = intake_outline_look(outline, outline->text + place);

	snprintf(said, sizeof(said), "%u %u", note.end - note.start, note.commas);
	return said;
}

static void
test_outline(void)
{
	char text[] = "{\"small\":[1,2],\"text\":\"[,]\\\"{,\",\"large\":[{},{\"a\":[],\"b\":1},"
				  "\"01234567890123456789012345678901234567890123456789\"],\"last\":{}}";
	IntakeOutline outline;
	size_t large = strstr(text, "[{}") - text;

	intake_outline_make(&outline, intake_slice_cstr(text));
	/* Of the document, less than 64 bytes are not those of a noted container. */
	CHECK(outline.count == 1);
	/* In the order of the text, against it, and what is noted as well as what is read again. */
	CHECK(strcmp(outlined(&outline, 0), "123 3") == 0);
	CHECK(strcmp(outlined(&outline, strstr(text, "[1") - text), "5 1") == 0);
	CHECK(strcmp(outlined(&outline, large), "72 2") == 0);
	CHECK(strcmp(outlined(&outline, large + 1), "2 0") == 0);
	CHECK(strcmp(outlined(&outline, large + 4), "14 1") == 0);
	CHECK(strcmp(outlined(&outline, strlen(text) - 3), "2 0") == 0);
	CHECK(strcmp(outlined(&outline, large), "72 2") == 0);
	CHECK(strcmp(outlined(&outline, 0), "123 3") == 0);
}

void
test_json(void)
{
	test_validity();
	test_paths();
	test_broken();
	test_outline();
}
