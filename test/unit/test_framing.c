/*
 * test_framing.c
 *		Where requests end. The readings of many more are in test/t/020_framing.pl.
 */
#include <stdlib.h>
#include <string.h>

#include "shim/framing.h"
#include "check.h"

#define HEAD "POST /webhooks/a HTTP/1.1\r\nHost: x\r\n"
#define GOOD HEAD "Content-Length: 2\r\n\r\nhi"

/*
 * Reads TEXT in pieces of so many bytes; returns how many bytes the library may see. SEEN, unless
 * it is NULL, receives them.
 */
static size_t
read_into(ShimFraming *framing, const char *text, size_t piece, char *seen)
{
	size_t length = strlen(text);
	char *copy = malloc(length + 1);
	size_t total = 0;

	memcpy(copy, text, length + 1);
	memset(framing, 0, sizeof(*framing));
	for (size_t at = 0; at < length && framing->status == 0; at += piece)
	{
		size_t n = shim_framing_read(framing, copy + at, at + piece < length ? piece : length - at);

		if (seen != NULL)
			memcpy(seen + total, copy + at, n);
		total += n;
	}
	free(copy);
	return total;
}

static size_t
read_pieces(ShimFraming *framing, const char *text, size_t piece)
{
	return read_into(framing, text, piece, NULL);
}

/* Whether the library sees SHOWN of TEXT, however it is cut. */
static bool
shows(const char *text, const char *shown)
{
	char *seen = malloc(strlen(text) + 1);
	bool same = true;

	for (size_t piece = 1; piece <= strlen(text); piece++)
	{
		ShimFraming framing;
		size_t n = read_into(&framing, text, piece, seen);

		same = same && n == strlen(shown) && memcmp(seen, shown, n) == 0;
	}
	free(seen);
	return same;
}

/* Whether TEXT is so many requests, and then what gets STATUS, however it is cut. */
static bool
reads(const char *text, uint64_t requests, int status)
{
	for (size_t piece = 1; piece <= strlen(text); piece++)
	{
		ShimFraming framing;

		(void) read_pieces(&framing, text, piece);
		if (framing.requests != requests || framing.status != status)
			return false;
	}
	return true;
}

void
test_framing(void)
{
	ShimFraming framing;
	char target[] = "GET /a?b=c?d HTTP/1.1\r\n";

	shim_framing_init();
	CHECK(reads(GOOD, 1, 0));
	CHECK(reads(GOOD GOOD "\r\n" GOOD, 3, 0));
	CHECK(reads(GOOD "\n" GOOD, 1, 400));
	CHECK(reads(GOOD HEAD "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", 1, 400));
	CHECK(reads(HEAD "Content-Length: 1000000000000000\r\n\r\n", 0, 413));
	CHECK(reads(HEAD "Content-Length: 0\r\n\r\n" GOOD, 2, 0));
	CHECK(reads(HEAD
				"Transfer-Encoding: chunked\r\n\r\n2;a=\"\\\"\"\r\nhi\r\n0\r\nA: b\r\n\r\n" GOOD,
				2, 0));
	CHECK(reads(HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nhi!\r\n0\r\n\r\n" GOOD, 0, 400));
	CHECK(reads(HEAD "Transfer-Encoding: chunked\r\n\r\n1000000000000\r\n", 0, 413));
	CHECK(reads("GET / HTTP/1.0\r\n\r\nGET / HTTP/1.1\r\n\r\n", 1, 400));
	CHECK(reads("GET / HTTP/3.0\r\n", 0, 505));

	/* What is right before what is wrong may be seen, and nothing of that. */
	CHECK(read_pieces(&framing, GOOD "GET / HTTP/1.1\r\nA : b\r\n\r\n", 1000) == strlen(GOOD));
	CHECK(read_pieces(&framing, GOOD GOOD, 1000) == 2 * strlen(GOOD));
	(void) read_pieces(&framing, "GET /a", 1000);
	CHECK(shim_framing_begun(&framing));
	(void) read_pieces(&framing, GOOD "\r\n", 1000);
	CHECK(!shim_framing_begun(&framing));

	/* Question marks are hidden. */
	memset(&framing, 0, sizeof(framing));
	CHECK(shim_framing_read(&framing, target, strlen(target)) == strlen(target));
	CHECK(strcmp(target, "GET /a\001b=c\001d HTTP/1.1\r\n") == 0);

	/* Extensions of chunks are, too. */
	CHECK(shows(HEAD "Transfer-Encoding: chunked\r\n\r\n2;a;b=c;d=\"e;\"\r\nhi\r\n1\r\n!\r\n0;z\r\n"
					 "A: b\r\n\r\n" GOOD,
				HEAD
				"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1\r\n!\r\n0\r\nA: b\r\n\r\n" GOOD));
}
