/*
 * test_peer.c
 *		Senders behind proxies.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "shim/peer.h"
#include "check.h"

#define XFF "X-Forwarded-For: "
#define FWD "Forwarded: "
#define END "\r\n"

static IntakeRanges trust;

static void
set_socket(const char *from, struct sockaddr_storage *socket)
{
	IntakeAddress address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *) socket;

	memset(socket, 0, sizeof(*socket));
	if (!intake_address_parse(intake_slice_cstr(from), &address))
		abort();
	socket->ss_family = (sa_family_t) address.family;
	if (address.family == AF_INET6)
		memcpy(&v6->sin6_addr, address.bytes, 16);
	else
		memcpy(&((struct sockaddr_in *) socket)->sin_addr, address.bytes, 4);
}

/* Whether a request that came from FROM with HEADERS was sent by EXPECTED. */
static bool
finds_from(const char *from, const char *headers, const char *expected)
{
	struct sockaddr_storage socket;
	char out[64];

	set_socket(from, &socket);
	shim_peer_find(&trust, (struct sockaddr *) &socket, intake_slice_cstr(headers), out,
				   sizeof(out));
	return strcmp(out, expected) == 0;
}

static bool
finds(const char *headers, const char *expected)
{
	return finds_from("10.0.0.1", headers, expected);
}

static bool
trusts(const char *list, size_t count)
{
	IntakeRanges other = {0};
	bool result = intake_ranges_add(&other, list);

	free(other.ranges);
	return count == 0 ? !result : result && other.count == count;
}

static void
test_trust(void)
{
	struct sockaddr local = {.sa_family = AF_UNIX};
	IntakeRanges none = {0};
	IntakeRanges by_path = {0};
	char out[64] = "x";

	CHECK(trusts("10.0.0.0/8", 1));
	CHECK(trusts(" 10.0.0.0/8 ,\t2001:db8::/32,192.0.2.7 ", 3));
	CHECK(trusts("10.0.0.0/8,", 0));
	CHECK(trusts(",", 0));
	CHECK(trusts("10.0.0.0/8 192.0.2.7", 0));
	CHECK(trusts("10.0.0.1/8", 0));
	CHECK(trusts("proxy.example", 0));
	CHECK(intake_ranges_add(&none, "") && none.count == 0);
	CHECK(intake_ranges_add(&none, " ") && none.count == 0);
	shim_peer_find(&trust, &local, INTAKE_ABSENT, out, sizeof(out));
	CHECK(out[0] == '\0');
	shim_peer_find(&trust, &local, intake_slice_cstr(XFF "192.0.2.7" END), out, sizeof(out));
	CHECK(out[0] == '\0');
	CHECK(intake_ranges_add(&by_path, "unix:, 10.0.0.0/8") && by_path.count == 1);
	shim_peer_find(&by_path, &local, intake_slice_cstr(XFF "192.0.2.7, 10.0.0.1" END), out,
				   sizeof(out));
	CHECK(strcmp(out, "192.0.2.7") == 0);
	shim_peer_find(&by_path, &local, intake_slice_cstr(XFF "192.0.2.7, unix:" END), out,
				   sizeof(out));
	CHECK(out[0] == '\0');
	free(by_path.ranges);
}

static void
test_x_forwarded_for(void)
{
	CHECK(finds(NULL, "10.0.0.1"));
	CHECK(finds("", "10.0.0.1"));
	CHECK(finds("Host: x" END XFF "192.0.2.7" END "A: b" END, "192.0.2.7"));
	CHECK(finds_from("11.0.0.1", XFF "192.0.2.7" END, "11.0.0.1"));
	CHECK(finds_from("2001:db8::1", XFF "192.0.2.7" END, "192.0.2.7"));
	CHECK(finds_from("2001:db9::1", XFF "192.0.2.7" END, "2001:db9::1"));
	CHECK(finds("x-forwarded-FOR:192.0.2.7" END, "192.0.2.7"));
	CHECK(finds("X-Forwarded-For : 192.0.2.7" END, "10.0.0.1"));
	CHECK(finds("X-Forwarded-For-Not: 192.0.2.7" END, "10.0.0.1"));
	CHECK(finds(XFF "6.6.6.6, 192.0.2.7" END, "192.0.2.7"));
	CHECK(finds(XFF "6.6.6.6, 192.0.2.7, 10.0.0.2,10.0.0.3" END, "192.0.2.7"));
	CHECK(finds(XFF "6.6.6.6" END "A: b" END XFF "192.0.2.7" END, "192.0.2.7"));
	CHECK(finds(XFF "6.6.6.6, 192.0.2.7" END XFF "10.0.0.2" END, "192.0.2.7"));
	CHECK(finds(XFF "10.0.0.4, 10.0.0.3" END, "10.0.0.4"));
	CHECK(finds(XFF "6.6.6.6, junk, 10.0.0.3" END, "10.0.0.3"));
	CHECK(finds(XFF "6.6.6.6, junk" END, "10.0.0.1"));
	CHECK(finds(XFF "junk, 192.0.2.7" END, "192.0.2.7"));
	CHECK(finds(XFF "6.6.6.6," END, "10.0.0.1"));
	CHECK(finds(XFF END, "10.0.0.1"));
	CHECK(finds(XFF "\"6.6.6.6\"" END, "10.0.0.1"));
	CHECK(finds(XFF "6.6.6.6 7.7.7.7" END, "10.0.0.1"));
	CHECK(finds(XFF "::ffff:192.0.2.7" END, "192.0.2.7"));
	CHECK(finds(XFF "192.0.2.7, ::ffff:10.0.0.2" END, "192.0.2.7"));
}

static void
test_ports(void)
{
	CHECK(finds(XFF "192.0.2.7:567" END, "192.0.2.7"));
	CHECK(finds(XFF "2001:db9::7" END, "2001:db9::7"));
	CHECK(finds(XFF "[2001:db9::7]" END, "2001:db9::7"));
	CHECK(finds(XFF "[2001:db9::7]:567" END, "2001:db9::7"));
	CHECK(finds(XFF "[2001:db9::7]:567, [2001:db8::2]:1" END, "2001:db9::7"));
	CHECK(finds(XFF "192.0.2.7:" END, "10.0.0.1"));
	CHECK(finds(XFF "192.0.2.7:65536" END, "10.0.0.1"));
	CHECK(finds(XFF "192.0.2.7:567:8" END, "10.0.0.1"));
	CHECK(finds(XFF "[192.0.2.7]" END, "10.0.0.1"));
	CHECK(finds(XFF "[2001:db9::7" END, "10.0.0.1"));
	CHECK(finds(XFF "[2001:db9::7]567" END, "10.0.0.1"));
	CHECK(finds(XFF "[2001:db9::7]:" END, "10.0.0.1"));
	CHECK(finds(XFF "[]" END, "10.0.0.1"));
	CHECK(finds(XFF "[" END, "10.0.0.1"));
}

static void
test_forwarded(void)
{
	CHECK(finds(FWD "for=192.0.2.7" END, "192.0.2.7"));
	CHECK(finds(FWD "proto=https;FOR=192.0.2.7; by=10.0.0.1" END, "192.0.2.7"));
	CHECK(finds(FWD "for=\"192.0.2.7:567\"" END, "192.0.2.7"));
	CHECK(finds(FWD "for=\"[2001:db9::7]:567\"" END, "2001:db9::7"));
	CHECK(finds(FWD "for=\"[2001:db9::7]\"" END, "2001:db9::7"));
	CHECK(finds(FWD "for=\"2001:db9::7\"" END, "10.0.0.1"));
	CHECK(finds(FWD "for=6.6.6.6, for=192.0.2.7, for=10.0.0.2" END, "192.0.2.7"));
	CHECK(finds(FWD "for=6.6.6.6" END FWD "for=192.0.2.7" END, "192.0.2.7"));
	CHECK(finds(FWD "for=6.6.6.6, for=unknown, for=10.0.0.2" END, "10.0.0.2"));
	CHECK(finds(FWD "for=_hidden" END, "10.0.0.1"));
	CHECK(finds(FWD "for=6.6.6.6, proto=https" END, "10.0.0.1"));
	CHECK(finds(FWD "for=6.6.6.6;for=7.7.7.7" END, "10.0.0.1"));
	CHECK(finds(FWD "192.0.2.7" END, "10.0.0.1"));
	CHECK(finds(FWD END, "10.0.0.1"));
	CHECK(finds(FWD "for=192.0.2.7;host=\"a,for=6.6.6.6;b\"" END, "192.0.2.7"));
	CHECK(finds(FWD "for=192.0.2.7;host=\"a\\\",for=6.6.6.6\"" END, "192.0.2.7"));
}

/* The sender tries to move what the proxy says into quotes, and its own out of them. */
static void
test_quotes(void)
{
	CHECK(finds(FWD "for=\"6.6.6.6, for=192.0.2.7" END, "10.0.0.1"));
	CHECK(finds(FWD "for=\"6.6.6.6\", for=192.0.2.7" END, "192.0.2.7"));
	CHECK(finds(FWD "a=\", for=192.0.2.7;host=\",for=6.6.6.6,\"" END, "10.0.0.1"));
	CHECK(finds(FWD "a=\", for=192.0.2.7;host=\",for=6.6.6.6;b=\\\"\"" END, "10.0.0.1"));
	CHECK(finds(FWD "for=\"6.6.6.6\" x=\"y\"" END, "10.0.0.1"));
	CHECK(finds(FWD "for=\"6.6.6.6\\" END, "10.0.0.1"));
	CHECK(finds(FWD "for=\"" END, "10.0.0.1"));
	CHECK(finds(FWD "for=\"" END FWD "for=192.0.2.7" END, "192.0.2.7"));
}

static void
test_both(void)
{
	CHECK(finds(XFF "192.0.2.7" END FWD "for=192.0.2.7" END, "192.0.2.7"));
	CHECK(finds(FWD "for=6.6.6.6, for=192.0.2.7" END XFF "7.7.7.7, 192.0.2.7:1" END, "192.0.2.7"));
	CHECK(finds(FWD "for=6.6.6.6" END XFF "192.0.2.7" END, "10.0.0.1"));
	CHECK(finds(FWD "for=6.6.6.6" END XFF "junk" END, "10.0.0.1"));
	CHECK(finds(FWD "junk" END XFF "192.0.2.7" END, "10.0.0.1"));
	CHECK(finds(FWD END XFF "192.0.2.7" END, "10.0.0.1"));
}

/* A list of N trusted proxies behind one that is not. */
static bool
finds_behind(int n, const char *expected)
{
	char headers[4096] = XFF "192.0.2.7";

	for (int i = 0; i < n; i++)
		strcat(headers, ", 10.0.0.2");
	strcat(headers, END);
	return finds(headers, expected);
}

/* Every piece of some headers, so that the sanitizers see what is read behind its end. */
static bool
survives_pieces(const char *headers)
{
	struct sockaddr_storage socket;
	size_t length = strlen(headers);
	char out[64];

	set_socket("10.0.0.1", &socket);
	for (size_t n = 0; n <= length; n++)
	{
		char *copy = malloc(n > 0 ? n : 1);

		memcpy(copy, headers, n);
		shim_peer_find(&trust, (struct sockaddr *) &socket, (IntakeSlice){copy, n}, out,
					   sizeof(out));
		free(copy);
	}
	return true;
}

static void
test_bounded(void)
{
	CHECK(finds_behind(99, "192.0.2.7"));
	CHECK(finds_behind(100, "10.0.0.2"));
	CHECK(finds_behind(300, "10.0.0.2"));
	CHECK(survives_pieces(XFF "[2001:db9::7]:567, 10.0.0.2:1" END FWD
							  "for=\"[2001:db8::7]:5\\\"\";a=\"b\\\\\", FOR=10.0.0.2;" END));
}

void
test_peer(void)
{
	CHECK(intake_ranges_add(&trust, "10.0.0.0/8, 2001:db8::/32"));
	test_trust();
	test_x_forwarded_for();
	test_ports();
	test_forwarded();
	test_quotes();
	test_both();
	test_bounded();
	free(trust.ranges);
}
