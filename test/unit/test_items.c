/*
 * test_items.c
 *		The items of a delivery: exact bytes, nothing lost between them, and one reading.
 */
#include <stdlib.h>
#include <string.h>

#include "read/items.h"
#include "read/json.h"
#include "read/work.h"
#include "verify/volatile.h"
#include "check.h"

static IntakeItemsFound
find(const char *paths, IntakeSlice text, IntakePieces *pieces)
{
	IntakeLocation location;
	const char *error;

	if (!intake_items_parse(paths, &location, &error))
		return (IntakeItemsFound) -1;
	intake_work_begin(text.len, 1);
	return intake_items_find(&location, text, pieces);
}

/* The pieces of a text with ; between them, the rest in parentheses; or why there are none. */
static const char *
items(const char *paths, const char *text)
{
	static const char *const reasons[] = {"", "none", "many", "ambiguous", "costly"};
	static char out[512];
	IntakePieces pieces = {NULL, 0};
	IntakeItemsFound found = find(paths, intake_slice_cstr(text), &pieces);
	char *end = out;

	*out = '\0';
	if (found != INTAKE_ITEMS_FOUND)
		return (int) found == -1 ? "bad" : reasons[found];
	for (int i = 0; i < pieces.count; i++)
		end += sprintf(end, pieces.list[i].rest ? "%s(%.*s)" : "%s%.*s", i > 0 ? ";" : "",
					   (int) pieces.list[i].bytes.len, pieces.list[i].bytes.data);
	return out;
}

#define ITEMS(paths, text, expected) CHECK(strcmp(items(paths, text), expected) == 0)

static void
test_bytes(void)
{
	ITEMS("$.e[*]", "{\"e\": [ {\"a\" : 1}\t,\n\"x,]\\\"}\" , 12 ,null,[1, [2]],true ]}",
		  "{\"a\" : 1};\"x,]\\\"}\";12;null;[1, [2]];true");
	ITEMS("$.e", "{\"e\":[1,2]}", "1;2");
	ITEMS("json:/e/*", "{\"e\":[1,2]}", "1;2");
	ITEMS("$[*]", "[{},{}]", "{};{}");
	ITEMS("$[*]", "\xef\xbb\xbf[1]", "1");
	ITEMS("$.e[*]", "{\"\\u0065\":[1]}", "1");
	ITEMS("$.e[*]", "{\"x\":{\"e\":[9]},\"e\":[1]}", "1");
	ITEMS("$.e[*]", "{\"e\":[]}", "none");
	ITEMS("$.e[*]", "{\"e\":{\"a\":1}}", "none");
	ITEMS("$.e[*]", "{\"f\":[1]}", "none");
	ITEMS("$.e[*]", "[1]", "none");
	ITEMS("$.e[*]", "", "none");
}

static void
test_alternatives(void)
{
	ITEMS("$.a[*] | $.b[*]", "{\"b\":[1,2],\"a\":[3]}", "1;2;3");
	ITEMS("$.a[*] | $.b[*]", "{\"b\":[1,2]}", "1;2");
	ITEMS("$.a[*] | $.a", "{\"a\":[1,1]}", "1;1");
	ITEMS("$.a[*] | $.a[*].b", "{\"a\":[{\"b\":[1]}]}", "{\"b\":[1]};1");
}

/* What stands beside items, and has none. */
static void
test_rest(void)
{
	const char *whatsapp = "$.entry[*].changes[*].value.messages[*]"
						   " | $.entry[*].changes[*].value.statuses[*]";

	ITEMS(whatsapp,
		  "{\"entry\":[{\"changes\":[{\"value\":{\"messages\":[1,2]}},{\"field\":\"t\"},"
		  "{\"value\":{\"statuses\":[3]}}]}]}",
		  "1;2;({\"field\":\"t\"});3");
	ITEMS(whatsapp,
		  "{\"entry\":[{\"changes\":[{\"f\":1},{\"f\":2}]},{},null,"
		  "{\"changes\":[{\"value\":{\"messages\":[1]}}]}]}",
		  "({\"changes\":[{\"f\":1},{\"f\":2}]});({});(null);1");
	ITEMS(whatsapp, "{\"entry\":[{\"changes\":[{\"value\":{\"messages\":[]}}]}]}", "none");
	ITEMS(
		whatsapp,
		"{\"entry\":[{\"changes\":[{\"value\":{\"messages\":{}}},{\"value\":{\"messages\":[1]}}]}]}",
		"({\"value\":{\"messages\":{}}});1");
	ITEMS("$.a[*].b[*] | $.c[*]", "{\"a\":[{\"x\":1}],\"c\":[2]}", "({\"x\":1});2");
}

/* Readers take the one or the other. */
static void
test_ambiguous(void)
{
	ITEMS("$.e[*]", "{\"e\":[1],\"e\":[2]}", "ambiguous");
	ITEMS("$.e[*]", "{\"e\":[1],\"\\u0065\":[]}", "ambiguous");
	ITEMS("$.e[*]", "{\"e\":null,\"e\":[2]}", "ambiguous");
	ITEMS("$.a[*].b[*]", "{\"a\":[{\"b\":[1]},{\"b\":[2],\"b\":[3]}]}", "ambiguous");
	ITEMS("$.a[*] | $.b[*]", "{\"a\":[1],\"b\":[2],\"b\":[]}", "ambiguous");
	ITEMS("$.a[*].b[*].c[*]", "{\"a\":[{\"b\":[{\"c\":[1]}]},{\"b\":[],\"b\":[]}]}", "ambiguous");
	ITEMS("$.e[*]", "{\"e\":[{\"i\":1,\"i\":2}],\"f\":1,\"f\":2}", "{\"i\":1,\"i\":2}");
}

static void
test_paths(void)
{
	ITEMS("$", "[1]", "bad");
	ITEMS("", "[1]", "bad");
	ITEMS("header:x", "[1]", "bad");
	ITEMS("form:x", "[1]", "bad");
	ITEMS("json:e/*", "[1]", "bad");
	ITEMS("$.e[0]", "{\"e\":[[1]]}", "bad");
	ITEMS("$[0].e[*]", "[{\"e\":[1]}]", "bad");
	ITEMS("$.a[*] | ", "[1]", "bad");
	ITEMS("$.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a", "{}", "bad");
	ITEMS("$.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a", "{}", "none");
	ITEMS("$.a[*] | $.a[*] | $.a[*] | $.a[*] | $.a[*] | $.a[*] | $.a[*]", "{}", "bad");
}

/* A text with COUNT times ITEM in an array. */
static IntakeSlice
many(int count, const char *before, const char *item, const char *after)
{
	size_t room = strlen(before) + strlen(after) + (size_t) count * (strlen(item) + 1) + 1;
	char *text = malloc(room);
	char *end = text + sprintf(text, "%s", before);

	for (int i = 0; i < count; i++)
		end += sprintf(end, "%s%s", i > 0 ? "," : "", item);
	end += sprintf(end, "%s", after);
	return (IntakeSlice){text, (size_t) (end - text)};
}

static void
check_many(int count, const char *paths, const char *item, IntakeItemsFound expected, int pieces)
{
	IntakeSlice text = many(count, "{\"e\":[", item, "]}");
	IntakePieces found = {NULL, 0};

	CHECK(find(paths, text, &found) == expected);
	CHECK(found.count == pieces);
	for (int i = 1; i < found.count; i++)
		if (found.list[i].bytes.data <= found.list[i - 1].bytes.data)
			CHECK(!"pieces stand in the order of the text");
	free((char *) text.data);
}

static void
test_bounds(void)
{
	int most = INTAKE_ITEMS_MOST;

	check_many(most, "$.e", "1", INTAKE_ITEMS_FOUND, most);
	check_many(most + 1, "$.e", "1", INTAKE_ITEMS_TOO_MANY, 0);
	check_many(most, "$.e[*].a", "{\"a\":[1]}", INTAKE_ITEMS_FOUND, most);
	check_many(most / 2, "$.e[*].a", "{\"a\":[1]},{}", INTAKE_ITEMS_FOUND, most);
	check_many(most / 2 + 1, "$.e[*].a", "{\"a\":[1]},{}", INTAKE_ITEMS_TOO_MANY, 0);
	check_many(most + 1, "$.e[*].a", "{}", INTAKE_ITEMS_NONE, 0);
	check_many(most, "$.e[*].a[*].b", "{\"a\":[{\"b\":[1]}]}", INTAKE_ITEMS_FOUND, most);
	check_many(most / 2, "$.e[*].a[*].b | $.e[*].c[*].d", "{\"a\":[{\"b\":[1]},{}]}",
			   INTAKE_ITEMS_FOUND, most);
	check_many(most / 2 + 1, "$.e[*].a[*].b | $.e[*].c[*].d", "{\"a\":[{\"b\":[1]},{}]}",
			   INTAKE_ITEMS_TOO_MANY, 0);
	check_many(1000, "$.e[*].a | $.e[*].b", "{\"a\":[1],\"b\":[2,3]}", INTAKE_ITEMS_FOUND, 3000);
}

/* Of the places of a delivery, those that are of its items. */
static void
test_volatile_places(void)
{
	const char *texts[] = {"$.e[*].try", "$.e[*].a.b", "$.e[*]", "$.e",
						   "$.f[*].x",   "$.id",       "form:e"};
	IntakeVolatile all;
	IntakeVolatile within;
	IntakeLocation paths;
	IntakeRequest request = {.body =
								 intake_slice_cstr("{\"try\":1,\"a\":{\"b\":2,\"c\":3},\"x\":4}")};
	const char *error;

	CHECK(intake_volatile_parse(texts, 7, &all) == NULL);
	CHECK(intake_items_parse("$.e", &paths, &error));
	intake_volatile_within(&all, &paths, &within);
	CHECK(within.count == 2);
	intake_work_begin(1000, 1);
	CHECK(
		intake_slice_equal(intake_volatile_cut(&within, &request),
						   intake_slice_cstr("{\"try\":null,\"a\":{\"b\":null,\"c\":3},\"x\":4}")));
	CHECK(intake_items_parse("$.e | $.f", &paths, &error));
	intake_volatile_within(&all, &paths, &within);
	CHECK(within.count == 3);
	CHECK(intake_items_parse("$.g", &paths, &error));
	intake_volatile_within(&all, &paths, &within);
	CHECK(within.count == 0);
}

void
test_items(void)
{
	test_volatile_places();
	test_bytes();
	test_alternatives();
	test_rest();
	test_ambiguous();
	test_paths();
	test_bounds();
}
