/*
 * test_volatile.c
 *		What changes between the tries of a delivery is cut out, and nothing besides.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

#include "read/work.h"
#include "verify/volatile.h"
#include "check.h"

/* Reads places with spaces between them. */
static bool
parse(const char *places, IntakeVolatile *list)
{
	const char *texts[32];
	char *copy = pstrdup(places);
	int count = 0;

	for (char *text = strtok(copy, " "); text != NULL; text = strtok(NULL, " "))
		texts[count++] = text;
	return intake_volatile_parse(texts, count, list) == NULL;
}

static IntakeRequest
request_of(IntakeSlice body)
{
	IntakeRequest request = {0};

	request.body = body;
	return request;
}

static IntakeSlice
cut(const char *places, IntakeSlice body)
{
	IntakeVolatile list;
	IntakeRequest request = request_of(body);

	CHECK(parse(places, &list));
	intake_work_begin(body.len, 1);
	return intake_volatile_cut(&list, &request);
}

static bool
cuts(const char *places, const char *body, const char *expected)
{
	IntakeSlice out = cut(places, intake_slice_cstr(body));
	bool same = intake_slice_equal(out, intake_slice_cstr(expected));

	if (!same)
		printf("    %s of %s: %.*s\n", places, body, (int) out.len, out.data);
	return same && (strcmp(body, expected) != 0 || out.data == body);
}

#define CUTS(places, body, expected) CHECK(cuts(places, body, expected))
#define KEEPS(places, body) CHECK(cuts(places, body, body))

static void
test_json_places(void)
{
	CUTS("$.a", "{\"a\":1}", "{\"a\":null}");
	CUTS("$.a", " { \"a\" : 1.50e3 , \"b\" : 2 } ", " { \"a\" : null , \"b\" : 2 } ");
	CUTS("$.a", "{\"a\":\"x\\\"}\"}", "{\"a\":null}");
	CUTS("$.a", "{\"a\":{\"b\":[1,{}]},\"c\":{\"a\":2}}", "{\"a\":null,\"c\":{\"a\":2}}");
	CUTS("$.a", "{\"a\":[]}", "{\"a\":null}");
	CUTS("$.a", "{\"\\u0061\":1}", "{\"\\u0061\":null}");
	CUTS("$.a", "\xEF\xBB\xBF{\"a\":1}", "\xEF\xBB\xBF{\"a\":null}");
	CUTS("$.a $.b.c", "{\"b\":{\"c\":7,\"d\":8},\"a\":9}",
		 "{\"b\":{\"c\":null,\"d\":8},\"a\":null}");
	CUTS("$.a.b $.a", "{\"a\":{\"b\":1}}", "{\"a\":null}");
	CUTS("$.a $.a json:/a", "{\"a\":1}", "{\"a\":null}");
	CUTS("$[\"a.b\"]", "{\"a.b\":1}", "{\"a.b\":null}");
	CUTS("$.e[*].x", "{\"e\":[{\"x\":1},{\"y\":2},{\"x\":[3]}]}",
		 "{\"e\":[{\"x\":null},{\"y\":2},{\"x\":null}]}");
	CUTS("$[*].x", "[{\"x\":1},{\"x\":2}]", "[{\"x\":null},{\"x\":null}]");
	CUTS("$[*]", "[1,[2],{}]", "[null,null,null]");
	CUTS("$.e[1]", "{\"e\":[1,2,3]}", "{\"e\":[1,null,3]}");
	/* jsonb cannot hold it, but it is JSON. */
	CUTS("$.a", "{\"a\":\"\\u0000\",\"b\":\"\\u0000\"}", "{\"a\":null,\"b\":\"\\u0000\"}");
}

/* What is not there, what is no place of that kind, and what is no JSON at all. */
static void
test_absent(void)
{
	KEEPS("", "{\"a\":1}");
	KEEPS("$.a", "{\"b\":1}");
	KEEPS("$.a", "{}");
	KEEPS("$.a", "");
	KEEPS("$.a", "7");
	KEEPS("$[*].x", "{\"x\":1}");
	KEEPS("$.e[*]", "{\"e\":{\"a\":1}}");
	KEEPS("form:a", "{\"a\":1}");
	KEEPS("$.a", "a=1");
	KEEPS("$.a", "{\"a\":1");
	KEEPS("$.a", "{\"a\":1}}");
	KEEPS("$.a", "{\"a\":01}");
	KEEPS("$.a", "{\"a\":1,}");
	KEEPS("$.a", "{\"a\":\"\xFF\"}");
}

/* Of two members of one name readers take the one or the other; neither is cut. */
static void
test_repeated(void)
{
	KEEPS("$.a", "{\"a\":1,\"a\":2}");
	KEEPS("$.a", "{\"a\":1,\"\\u0061\":2}");
	KEEPS("$.a.b", "{\"a\":{\"b\":1},\"a\":{\"b\":2}}");
	KEEPS("$.a.b", "{\"a\":{\"b\":1},\"a\":3}");
	KEEPS("$.e[*].x", "{\"e\":[{\"x\":1},{\"x\":2,\"x\":3}]}");
	CUTS("$.a $.b", "{\"a\":1,\"a\":2,\"b\":3}", "{\"a\":1,\"a\":2,\"b\":null}");
	CUTS("$.a", "{\"a\":1,\"b\":2,\"b\":3}", "{\"a\":null,\"b\":2,\"b\":3}");
	CUTS("$.a", "{\"a\":{\"x\":1,\"x\":2}}", "{\"a\":null}");
}

static void
test_forms(void)
{
	CUTS("form:a", "a=1&b=2", "a=&b=2");
	CUTS("form:a", "b=2&a=1%202+3", "b=2&a=");
	CUTS("form:a form:b", "b=2&a=1", "b=&a=");
	CUTS("form:a", "%61=1&b", "%61=&b");
	CUTS("form:a", "a=x=y&&b=1", "a=&&b=1");
	CUTS("form:a $.a", "a=1", "a=");
	KEEPS("form:a", "a=");
	KEEPS("form:a", "a&b=1");
	KEEPS("form:a", "b=1");
	KEEPS("form:a", "a=1&a=2");
	KEEPS("form:a", "a=1&%61=2");
	KEEPS("form:a", "A=1");
}

/* JSON in a field: what is cut out of it goes where it stands, encoded. */
static void
test_fields(void)
{
	static const struct
	{
		const char *body;
		const char *expected;
	} cases[] = {
		{"j={\"a\":1,\"b\":2}&t=3", "j={\"a\":null,\"b\":2}&t="},
		{"t=3&j=%7B%22a%22:%22x%20+y%22,+%22b%22:[%31]%7d",
		 "t=&j=%7B%22a%22:null,+%22b%22:[%31]%7d"},
		{"j=%5b%5D&t=", NULL},
		{"j={\"a\":1&t=3", "j={\"a\":1&t="},
		{"j={\"a\":1}&j={\"a\":1}", NULL},
		{"%6A={\"e\":[{\"x\":%31},{\"x\":[1,2]}]}", "%6A={\"e\":[{\"x\":null},{\"x\":null}]}"},
		{"k={\"a\":1}", NULL},
		{"{\"a\":1,\"j\":{\"a\":2}}", "{\"a\":null,\"j\":{\"a\":2}}"},
		{"j={\"a\":1}&t=3&t=4", "j={\"a\":null}&t=3&t=4"},
		{"j=\xEF\xBB\xBF{\"a\":\"%\",\"b\":\"%\"}", "j=\xEF\xBB\xBF{\"a\":null,\"b\":\"%\"}"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		IntakeVolatile list;
		IntakeRequest request = request_of(intake_slice_cstr(cases[i].body));
		const char *expected = cases[i].expected ? cases[i].expected : cases[i].body;
		IntakeSlice out;

		CHECK(parse("$.a $.e[*].x form:t", &list));
		list.json_from = intake_slice_cstr("j");
		intake_work_begin(request.body.len, 1);
		out = intake_volatile_cut(&list, &request);
		CHECK(intake_slice_equal(out, intake_slice_cstr(expected)));
		if (!intake_slice_equal(out, intake_slice_cstr(expected)))
			printf("    %s: %.*s\n", cases[i].body, (int) out.len, out.data);
	}
}

static bool
cuts_headers(const char *places, const char *block, const char *expected)
{
	IntakeVolatile list;
	IntakeSlice out;

	CHECK(parse(places, &list));
	out = intake_volatile_cut_headers(&list, intake_slice_cstr(block));
	return intake_slice_equal(out, intake_slice_cstr(expected)) &&
		   (strstr(places, "header:") != NULL || out.data == block);
}

static void
test_headers(void)
{
	CHECK(cuts_headers("header:a", "a: 1\r\nB: 2\r\n", "B: 2\r\n"));
	CHECK(cuts_headers("header:b $.x", "a: 1\r\nB: 2\r\nb: 3\r\nc: 4\r\n", "a: 1\r\nc: 4\r\n"));
	CHECK(cuts_headers("header:a header:c", "a: 1\r\nB: 2\r\nc: 3\r\n", "B: 2\r\n"));
	CHECK(cuts_headers("header:a", "", ""));
	CHECK(cuts_headers("header:a", "ab: 1\r\n", "ab: 1\r\n"));
	CHECK(cuts_headers("$.a form:b", "a: 1\r\nb: 2\r\n", "a: 1\r\nb: 2\r\n"));
	KEEPS("header:a", "{\"a\":1}");
}

static void
test_lists(void)
{
	IntakeVolatile list;

	CHECK(parse("", &list) && list.count == 0);
	CHECK(parse("$.a $.b[*].c $[*].x json:/a/b form:x", &list) && list.count == 5);
	CHECK(parse("$.a $.a $.a $.a $.a $.a $.a $.a $.a $.a $.a $.a $.a $.a $.a $.a", &list));
	CHECK(!parse("$.a $.a $.a $.a $.a $.a $.a $.a $.a $.a $.a $.a $.a $.a $.a $.a $.a", &list));
	CHECK(!parse("$", &list));
	CHECK(!parse("a", &list));
	CHECK(parse("header:x", &list) && list.count == 1);
	CHECK(!parse("headers:x-*", &list));
	CHECK(!parse("query:x", &list));
	CHECK(!parse("jwt:/x", &list));
	CHECK(!parse("json:x", &list));
	CHECK(!parse("body:", &list));
	CHECK(!parse("form:", &list));
	CHECK(!parse("$.a|$.b", &list));
}

static bool
same(const char *places, const char *one, const char *other)
{
	IntakeVolatile list;
	IntakeRequest left = request_of(intake_slice_cstr(one));
	IntakeRequest right = request_of(intake_slice_cstr(other));

	CHECK(parse(places, &list));
	return intake_volatile_same(&list, &left, &right);
}

static void
test_same(void)
{
	CHECK(same("", "{\"a\":1}", "{\"a\":1}"));
	CHECK(!same("", "{\"a\":1}", "{\"a\":2}"));
	CHECK(same("$.a", "{\"a\":1}", "{\"a\":2}"));
	CHECK(same("$.a", "{\"a\":1}", "{\"a\":null}"));
	CHECK(same("$.a", "{\"a\":[1,2]}", "{\"a\":{}}"));
	CHECK(!same("$.a", "{\"a\":1}", "{\"a\": 2}"));
	CHECK(!same("$.a", "{\"a\":1}", "{}"));
	CHECK(!same("$.a", "{\"a\":1,\"b\":1}", "{\"a\":2,\"b\":2}"));
	CHECK(!same("$.a", "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}"));
	CHECK(!same("$.a", "{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":3}"));
	CHECK(!same("$.a", "{\"a\":1,\"a\":2}", "{\"a\":2}"));
	CHECK(!same("$.a", "{\"a\":1", "{\"a\":2"));
	CHECK(same("form:a", "a=1&b=1", "a=2&b=1"));
	CHECK(!same("form:a", "a=1&b=1", "a=1&b=2"));
	CHECK(!same("form:a", "a=1", "a"));
	CHECK(!same("$.a form:a", "a=1", "{\"a\":1}"));
}

/* An array of COUNT objects with a member x, whose value is VALUE. */
static IntakeSlice
many(int count, const char *value)
{
	size_t room = (size_t) count * (strlen(value) + 8) + 3;
	char *text = palloc(room);
	char *end = text;

	*end++ = '[';
	for (int i = 0; i < count; i++)
		end += sprintf(end, "%s{\"x\":%s}", i > 0 ? "," : "", value);
	*end++ = ']';
	return (IntakeSlice){text, (size_t) (end - text)};
}

static void
test_bounds(void)
{
	static const int counts[] = {0, 1, 63, 64, 65, 1000, INTAKE_VOLATILE_FOUND};
	IntakeSlice body;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		CHECK(intake_slice_equal(cut("$[*].x", many(counts[i], "17")), many(counts[i], "null")));
	body = many(INTAKE_VOLATILE_FOUND + 1, "17");
	CHECK(cut("$[*].x", body).data == body.data);
	/* What costs too much is not cut: each place is looked for by itself. */
	body = many(300000, "17");
	CHECK(cut("$[*].a $[*].b $[*].c $[*].d $[*].e $[*].f $[*].g $[*].h $[*].i $[*].j $[*].k $[*].l"
			  " $[*].m $[*].n $[*].o $[0].x",
			  body)
			  .data == body.data);
}

void
test_volatile(void)
{
	test_json_places();
	test_absent();
	test_repeated();
	test_forms();
	test_fields();
	test_headers();
	test_lists();
	test_same();
	test_bounds();
}
