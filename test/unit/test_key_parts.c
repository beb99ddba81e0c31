/*
 * test_key_parts.c
 *		Keys of several places: how they are written, read, shown, and told apart.
 */
#include <stdio.h>
#include <string.h>

#include "verify/coverage.h"
#include "verify/key_parts.h"
#include "check.h"

/* ---- writing ---- */

/* The number of parts of each alternative, such as "21"; or what is wrong. */
static const char *
shape_of(const char *text)
{
	static char shape[INTAKE_LOCATION_MAX + 1];
	IntakeLocation key;
	const char *why = "no cause is given";
	int i;

	if (!intake_location_parse_key(text, &key, &why))
		return why;
	for (i = 0; i < key.count; i++)
	{
		shape[i] = '0';
		for (const IntakePlace *place = &key.places[i]; place != NULL; place = place->also)
			shape[i]++;
	}
	shape[i] = '\0';
	return shape;
}

static void
test_grammar(void)
{
	CHECK(strcmp(shape_of("$.id"), "1") == 0);
	CHECK(strcmp(shape_of("digest"), "1") == 0);
	CHECK(strcmp(shape_of("$.a + $.b | header:x"), "21") == 0);
	CHECK(strcmp(shape_of("$.a+$.b+digest|form:x"), "31") == 0);
	CHECK(strcmp(shape_of("$[\"a+b\"] + $['c+d']"), "2") == 0);
	CHECK(strcmp(shape_of("$.a + $.b + $.c + $.d + $.e + digest"), "6") == 0);
	CHECK(strstr(shape_of("$.a + $.b + $.c + $.d + $.e + $.f + $.g"), "6 parts") != NULL);
	CHECK(strstr(shape_of("$.a | $.b | $.c | $.d | $.e | $.f | $.g"), "6 alternatives") != NULL);
	CHECK(strstr(shape_of("$.a +"), "must begin") != NULL);
	CHECK(strstr(shape_of("+ $.a"), "must begin") != NULL);
	CHECK(strstr(shape_of("$.a + + $.b"), "must begin") != NULL);
	CHECK(strstr(shape_of("digest:x"), "must begin") != NULL);
	CHECK(strstr(shape_of(""), "must begin") != NULL);
}

/* ---- reading ---- */

static const IntakeSlice digest = {"<digest>", 8};

/* The key of a request as it is shown, or "none". */
static const char *
key_of(const char *text, const char *headers, const char *body)
{
	static char shown[100];
	IntakeRequest request = {.headers = intake_slice_cstr(headers),
							 .body = intake_slice_cstr(body)};
	IntakeLocation key;
	IntakeKeyParts parts;
	IntakeSlice joined;
	const char *why = "";

	CHECK(intake_location_parse_key(text, &key, &why));
	if (!intake_key_parts_read(&key, &request, INTAKE_ABSENT, &parts))
	{
		CHECK(parts.count == 0);
		return "none";
	}
	CHECK(intake_key_parts_have_digest(&parts) == (strstr(text, "digest") != NULL));
	intake_key_parts_put_digest(&parts, digest);
	joined = intake_key_parts_join(parts.values, parts.count);
	snprintf(shown, sizeof(shown), "%.*s", (int) joined.len, joined.data);
	return shown;
}

static void
test_values(void)
{
	CHECK(strcmp(key_of("$.a + $.b", "", "{\"a\":1,\"b\":\"x\"}"), "1/x") == 0);
	CHECK(strcmp(key_of("$.a + $.b + $.c", "", "{\"a\":1,\"c\":\"x\"}"), "1//x") == 0);
	CHECK(strcmp(key_of("$.a + $.b", "", "{\"a\":1,\"b\":null}"), "1/") == 0);
	CHECK(strcmp(key_of("$.a + header:x", "X: y\r\n", "{\"a\":1}"), "1/y") == 0);
	CHECK(strcmp(key_of("$.a + digest", "", "{\"a\":1}"), "1/<digest>") == 0);
	CHECK(strcmp(key_of("digest", "", "[]"), "<digest>") == 0);
	/* The first part decides which alternative it is. */
	CHECK(strcmp(key_of("$.a + $.b | $.b + $.c", "", "{\"b\":2,\"c\":3}"), "2/3") == 0);
	CHECK(strcmp(key_of("$.a + $.b | $.b + $.c", "", "{\"a\":1,\"c\":3}"), "1/") == 0);
	CHECK(strcmp(key_of("header:x + $.b | $.b", "X:\r\n", "{\"b\":2}"), "2") == 0);
	CHECK(strcmp(key_of("$.a + $.b", "", "{\"b\":2}"), "none") == 0);
	CHECK(strcmp(key_of("$.a + $.b | $.b", "", "{\"a\":\"\",\"b\":2}"), "none") == 0);
	/* What is more than nothing is not taken for nothing. */
	CHECK(strcmp(key_of("$.a + $.b", "", "{\"a\":1,\"b\":{\"c\":2}}"), "none") == 0);
	CHECK(strcmp(key_of("$.a + $.b", "", "{\"a\":1,\"b\":[]}"), "none") == 0);
}

/* ---- telling apart ---- */

static bool
same(const IntakeSlice *a, int n_a, const IntakeSlice *b, int n_b)
{
	IntakeDigest left;
	IntakeDigest right;

	CHECK(intake_key_parts_identify(7, a, n_a, &left));
	CHECK(intake_key_parts_identify(7, b, n_b, &right));
	return memcmp(left.bytes, right.bytes, left.len) == 0;
}

/* All keys of up to three parts out of these are different ones, however they look when joined. */
static void
test_identity(void)
{
	const IntakeSlice words[] = {INTAKE_ABSENT,
								 intake_slice_cstr(""),
								 intake_slice_cstr("a"),
								 intake_slice_cstr("b"),
								 intake_slice_cstr("ab"),
								 intake_slice_cstr("bc"),
								 intake_slice_cstr("a/b"),
								 intake_slice_cstr("/")};
	const int n = sizeof(words) / sizeof(words[0]);
	IntakeSlice keys[8 * 9 * 9][3];
	int counts[8 * 9 * 9];
	int count = 0;

	for (int i = 2; i < n; i++)
		for (int j = -1; j < n; j++)
			for (int k = -1; k < (j < 0 ? 0 : n); k++)
			{
				keys[count][0] = words[i];
				keys[count][1] = j < 0 ? INTAKE_ABSENT : words[j];
				keys[count][2] = k < 0 ? INTAKE_ABSENT : words[k];
				counts[count++] = 1 + (j >= 0) + (k >= 0);
			}
	for (int i = 0; i < count; i++)
		for (int j = 0; j <= i; j++)
			CHECK(same(keys[i], counts[i], keys[j], counts[j]) == (i == j));
}

/* A guard, whose bytes may be anything, has another source. One part is known by itself. */
static void
test_sources(void)
{
	const IntakeSlice parts[] = {intake_slice_cstr("k"), intake_slice_cstr("l")};
	const IntakeSlice whole = {"\0\0\0\7k", 5};
	IntakeDigest ours;
	IntakeDigest other;

	CHECK(intake_key_parts_identify(7, parts, 2, &ours) &&
		  intake_key_parts_identify(8, parts, 2, &other));
	CHECK(memcmp(ours.bytes, other.bytes, ours.len) != 0);
	CHECK(intake_key_parts_identify(-7, parts, 2, &other));
	CHECK(memcmp(ours.bytes, other.bytes, ours.len) != 0);
	CHECK(intake_key_parts_identify(7, parts, 1, &ours) &&
		  intake_digest_plain(INTAKE_SHA256, &whole, 1, &other));
	CHECK(memcmp(ours.bytes, other.bytes, ours.len) == 0);
}

/* ---- what is signed of it ---- */

static bool
is_covered(const char *text)
{
	static const char *const places[] = {"header:x-signature"};
	IntakeSchemeRow row = {.kind = "hmac",
						   .algorithm = "sha256",
						   .key = "raw",
						   .signature_from = places,
						   .n_signature_from = 1,
						   .encoding = "hex",
						   .message = "{body}",
						   .tolerance = -1};
	const char *error = NULL;
	const char *why = "";
	IntakeLocation key;

	CHECK(intake_location_parse_key(text, &key, &why));
	return intake_coverage_has(intake_scheme_compile(&row, &error), &key);
}

static void
test_coverage_of_parts(void)
{
	CHECK(is_covered("$.a + $.b | digest"));
	CHECK(is_covered("$.a + digest"));
	CHECK(!is_covered("$.a + header:x-topic"));
	CHECK(!is_covered("$.a | $.b + header:x-topic"));
}

void
test_key_parts(void)
{
	test_grammar();
	test_values();
	test_identity();
	test_sources();
	test_coverage_of_parts();
}
