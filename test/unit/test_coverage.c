/*
 * test_coverage.c
 *		What a signature is said to bind, and where what was signed must be remembered.
 */
#include "common/memory.h"

#include "check.h"
#include "verify/coverage.h"

/* A scheme, and places where its key may be, each with whether that needs a guard. */
typedef struct Case
{
	const char *kind;
	const char *message;
	IntakePair require;
	bool loose;
	bool has_body;
	const char *covered[4];
	const char *uncovered[4];
} Case;

static const Case cases[] = {
	{"hmac",
	 "{body}",
	 {0},
	 false,
	 true,
	 {"$.id", "form:a", "$.a | body:"},
	 {"header:x-id", "query:a", "$.id | header:x-id"}},
	{"hmac", "{body}", {0}, true, false, {0}, {"$.id"}},
	{"hmac",
	 "{header:x-id}.{timestamp}.{body}",
	 {0},
	 false,
	 true,
	 {"header:x-id", "header:X-ID", "header:x-time", "$.id"},
	 {"header:x-other"}},
	{"hmac", "{body}.{header:x-time}", {0}, false, true, {"header:x-time"}, {"header:x-id"}},
	{"hmac", "{header:x-id|lower}.{body|lower}", {0}, false, false, {0}, {"header:x-id", "$.id"}},
	{"hmac", "{header:x-id}|{crc32(body)}", {0}, false, false, {"header:x-id"}, {"$.id"}},
	{"hmac", "{header:x-id}|{sha256hex(body)}", {0}, false, true, {"header:x-id", "$.id"}, {0}},
	{"hmac", "{sha256hex(header:x-id+body)}", {0}, false, false, {0}, {"header:x-id", "$.id"}},
	{"hmac", "{sha256hex(token+body)}", {0}, false, true, {"$.id"}, {0}},
	{"hmac", "{url}", {0}, false, false, {"query:a"}, {"$.id", "header:x-id"}},
	{"hmac", "{endpoint}", {0}, false, false, {0}, {"query:a"}},
	{"hmac",
	 "{url}",
	 {"query:hash", "{sha256hex(body)}"},
	 false,
	 true,
	 {"query:hash", "$.id"},
	 {"header:x-id"}},
	/* What is compared must be signed, all that it may be, */
	{"hmac", "{url}", {"header:x-hash", "{sha256hex(body)}"}, false, false, {0}, {"$.id"}},
	{"hmac",
	 "{header:x-hash}.{timestamp}",
	 {"header:x-hash", "{sha256hex(body)}"},
	 false,
	 true,
	 {"$.id"},
	 {0}},
	{"hmac",
	 "{url}",
	 {"query:hash | header:x-hash", "{sha256hex(body)}"},
	 false,
	 false,
	 {0},
	 {"$.id"}},
	/* and so must the body be in all that it may be equal to. */
	{"hmac", "{url}", {"query:hash", "{sha256hex(body)} | none"}, false, false, {0}, {"$.id"}},
	{"hmac", "{url}", {"query:hash", "{crc32(body)}"}, false, false, {0}, {"$.id"}},
	{"jwt",
	 NULL,
	 {"jwt:/hash", "{sha256hex(body)}"},
	 false,
	 true,
	 {"jwt:/jti", "$.id"},
	 {"header:x-id", "query:a"}},
	{"jwt", NULL, {"jwt:/sub", "{url}"}, false, false, {"jwt:/jti", "$.id", "header:x-id"}, {0}},
};

static IntakeScheme *
compile(const Case *c)
{
	static const char *const places[] = {"header:x-signature"};
	IntakeSchemeRow row = {.kind = c->kind,
						   .algorithm = c->message != NULL ? "sha256" : "HS256",
						   .signature_from = places,
						   .n_signature_from = 1,
						   .encoding = "hex",
						   .message = c->message,
						   .timestamp_from = c->message != NULL ? "header:x-time" : NULL,
						   .timestamp_unit = "s",
						   .tolerance = -1,
						   .require = &c->require,
						   .n_require = c->require.location != NULL,
						   .borders = c->loose ? "loose" : "firm"};
	const char *error = NULL;

	return intake_scheme_compile(&row, &error);
}

static bool
needs_guard(const IntakeScheme *scheme, const char *key)
{
	IntakeLocation location;
	const char *why = "";

	CHECK(intake_location_parse(key, &location, &why));
	return intake_coverage_needs_guard(scheme, &location, false);
}

static void
check_case(const Case *c)
{
	IntakeScheme *scheme = compile(c);
	int before = check_failed;

	CHECK(scheme != NULL);
	if (scheme == NULL)
		return;
	CHECK((scheme->verified == INTAKE_VERIFIED_SIGNATURE) == c->has_body);
	CHECK(!intake_coverage_needs_guard(scheme, NULL, false));
	/* A digest has all of the body: what is not signed of it could make another one. */
	CHECK(intake_coverage_needs_guard(scheme, NULL, true) ==
		  (c->message != NULL && !c->has_body && !c->loose));
	for (int i = 0; i < 4 && c->covered[i] != NULL; i++)
		CHECK(!needs_guard(scheme, c->covered[i]));
	for (int i = 0; i < 4 && c->uncovered[i] != NULL; i++)
		CHECK(needs_guard(scheme, c->uncovered[i]));
	if (check_failed > before)
		printf("    of the scheme %s %s\n", c->kind, c->message ? c->message : "");
	intake_scheme_release(scheme);
}

void
test_coverage(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_case(&cases[i]);
	intake_memory_reset();
}
