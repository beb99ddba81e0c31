/*
 * test_path.c
 *		Which sources, and which tokens, paths name.
 */
#include <string.h>

#include "shim/path.h"
#include "check.h"

/* Whether a path names a source; NULL: none. */
static bool
names(const char *path, const char *wanted)
{
	char copy[64];
	const char *source;
	size_t length;

	memset(copy, 'x', sizeof(copy));
	memcpy(copy, path, strlen(path));
	if (!shim_path_source(copy, strlen(path), &source, &length))
		return wanted == NULL;
	return wanted != NULL && length == strlen(wanted) && memcmp(source, wanted, length) == 0;
}

/* Whether a path names the token of a callback; NULL: none. */
static bool
has_token(const char *path, const char *wanted)
{
	char copy[64];
	const char *token;
	size_t length;

	memset(copy, 'x', sizeof(copy));
	memcpy(copy, path, strlen(path));
	if (!shim_path_token(copy, strlen(path), &token, &length))
		return wanted == NULL;
	return wanted != NULL && length == strlen(wanted) && memcmp(token, wanted, length) == 0;
}

static void
test_tokens(void)
{
	CHECK(has_token("/callbacks/aZ09-_", "aZ09-_"));
	CHECK(has_token("/callbacks/aZ09-_/", "aZ09-_"));
	CHECK(has_token("/%63allbacks/%61%2D%5f", "a-_"));
	CHECK(has_token("/callbacks/a%2Fb", "a%2Fb"));
	CHECK(has_token("/callbacks/a%00", "a%00"));
	CHECK(has_token("/callbacks/", NULL));
	CHECK(has_token("/callbacks", NULL));
	CHECK(has_token("/callbacks//", NULL));
	CHECK(has_token("/callbacks/a/b", NULL));
	CHECK(has_token("/callbacks/a//", NULL));
	CHECK(has_token("//callbacks/a", NULL));
	CHECK(has_token("/Callbacks/a", NULL));
	CHECK(has_token("/webhooks/a", NULL));
	CHECK(has_token("/webhooks/callbacks/a", NULL));
	CHECK(names("/callbacks/a", NULL));
	CHECK(has_token("", NULL));
}

void
test_path(void)
{
	test_tokens();
	CHECK(names("/webhooks/orders", "orders"));
	CHECK(names("/webhooks/orders/", "orders"));
	CHECK(names("/webhooks/or%64ers/", "orders"));
	CHECK(names("/%77ebhooks/%6frders", "orders"));
	CHECK(names("/webhooks/%4F%2e%5F%2D%30%7A", "O._-0z"));
	/* Once, not twice; and nothing that no name has. */
	CHECK(names("/webhooks/or%2564ers", "or%2564ers"));
	CHECK(names("/webhooks/or%%364ers", "or%64ers"));
	CHECK(names("/webhooks/a%2Fb", "a%2Fb"));
	CHECK(names("/webhooks/a%2f", "a%2f"));
	CHECK(names("/webhooks/a%00", "a%00"));
	CHECK(names("/webhooks/a%C3%A4", "a%C3%A4"));
	CHECK(names("/webhooks/a%3Fb", "a%3Fb"));
	CHECK(names("/webhooks/a%", "a%"));
	CHECK(names("/webhooks/a%6", "a%6"));
	CHECK(names("/webhooks/a%6g", "a%6g"));
	CHECK(names("/webhooks/a+b", "a+b"));
	CHECK(names("/webhooks/%2e%2e", ".."));
	/* What else stands in a path. */
	CHECK(names("/webhooks/", NULL));
	CHECK(names("/webhooks", NULL));
	CHECK(names("/webhooks%2Forders", NULL));
	CHECK(names("%2Fwebhooks/orders", NULL));
	CHECK(names("//webhooks/orders", NULL));
	CHECK(names("/webhooks//orders", NULL));
	CHECK(names("/webhooks/orders//", NULL));
	CHECK(names("/webhooks/orders/x", NULL));
	CHECK(names("/webhooks/./orders", NULL));
	CHECK(names("/x/../webhooks/orders", NULL));
	CHECK(names("/Webhooks/orders", NULL));
	CHECK(names("", NULL));
}
