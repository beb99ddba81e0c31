/*
 * test_egress.c
 *		Which addresses are refused: the first and the last of each family, and their neighbours.
 */
#include <arpa/inet.h>
#include <string.h>

#include "common/egress.h"
#include "check.h"

/* Whether an address is of FAMILY; NULL: it is public. */
static bool
is(const char *text, const char *family)
{
	IntakeAddress address;
	const char *problem;

	if (!intake_address_parse(intake_slice_cstr(text), &address))
		return false;
	problem = intake_egress_problem(&address);
	if (problem == NULL || family == NULL)
		return problem == family;
	return strcmp(problem, family) == 0;
}

/* Whether an IPv4 address is of FAMILY, and all its twins of IPv6, which printf makes. */
static bool
all_are(const char *text, const char *family)
{
	unsigned char b[4];
	char twin[64];
	const char *low = "::ffff:%02x%02x:%02x%02x";
	const char *forms[] = {low,
						   "64:ff9b::%02x%02x:%02x%02x",
						   "2002:%02x%02x:%02x%02x::1",
						   "2001:0:%02x%02x:%02x%02x::f7f7:f7f7",
						   "2a00:1450::5efe:%02x%02x:%02x%02x",
						   "2a00:1450::200:5efe:%02x%02x:%02x%02x"};

	if (!is(text, family) || inet_pton(AF_INET, text, b) != 1)
		return false;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
	{
		/* NOLINTNEXTLINE: the forms are constants */
		(void) snprintf(twin, sizeof(twin), forms[i], b[0], b[1], b[2], b[3]);
		if (!is(twin, family))
			return false;
	}
	(void) snprintf(twin, sizeof(twin), "2001:0:808:808::%02x%02x:%02x%02x", b[0] ^ 0xff,
					b[1] ^ 0xff, b[2] ^ 0xff, b[3] ^ 0xff);
	return is(twin, family);
}

static void
test_ipv4(void)
{
	static const struct
	{
		const char *family, *before, *first, *last,
			*after; /* neighbours: NULL: of another family */
	} ranges[] = {
		{"unspecified", NULL, "0.0.0.0", "0.255.255.255", "1.0.0.0"},
		{"private", "9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
		{"private", "172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
		{"private", "192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"},
		{"shared", "100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"},
		{"loopback", "126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"},
		{"link-local", "169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"},
		{"metadata", NULL, "169.254.169.254", "169.254.169.254", NULL},
		{"metadata", "168.63.129.15", "168.63.129.16", "168.63.129.16", "168.63.129.17"},
		{"reserved", "191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"},
		{"documentation", "192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"},
		{"documentation", "198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"},
		{"documentation", "203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"},
		{"reserved", "192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"},
		{"benchmarking", "198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"},
		{"multicast", "223.255.255.255", "224.0.0.0", "239.255.255.255", NULL},
		{"reserved", NULL, "240.0.0.0", "255.255.255.254", NULL},
		{"broadcast", NULL, "255.255.255.255", "255.255.255.255", NULL},
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
	{
		CHECK(ranges[i].before == NULL || all_are(ranges[i].before, NULL));
		CHECK(all_are(ranges[i].first, ranges[i].family));
		CHECK(all_are(ranges[i].last, ranges[i].family));
		CHECK(ranges[i].after == NULL || all_are(ranges[i].after, NULL));
	}
	CHECK(all_are("127.0.0.1", "loopback"));
	CHECK(all_are("100.100.100.200", "shared"));
	CHECK(all_are("8.8.8.8", NULL));
}

static void
test_ipv6(void)
{
	CHECK(is("::", "unspecified"));
	CHECK(is("::1", "loopback"));
	CHECK(is("::2", "reserved"));
	CHECK(is("::127.0.0.1", "reserved"));
	CHECK(is("::ffff:0:127.0.0.1", "reserved"));
	CHECK(is("::8.8.8.8", "reserved"));
	CHECK(is("64:ff9b::1:0:0", "reserved"));
	CHECK(is("64:ff9b:0:ffff:ffff:ffff:ffff:ffff", "reserved"));
	CHECK(is("64:ff9b:1::", "private"));
	CHECK(is("64:ff9b:1:ffff:ffff:ffff:808:808", "private"));
	CHECK(is("64:ff9b:2::", "reserved"));
	CHECK(is("100::1", "reserved"));
	CHECK(is("1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved"));
	CHECK(is("2000::", NULL));
	CHECK(is("2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL));
	CHECK(is("2001:1::", "reserved"));
	CHECK(is("2001:2::", "benchmarking"));
	CHECK(is("2001:2:0:ffff:ffff:ffff:ffff:ffff", "benchmarking"));
	CHECK(is("2001:2:1::", "reserved"));
	CHECK(is("2001:10::1", "reserved"));
	CHECK(is("2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved"));
	CHECK(is("2001:200::", NULL));
	CHECK(is("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", NULL));
	CHECK(is("2001:db8::", "documentation"));
	CHECK(is("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"));
	CHECK(is("2001:db9::", NULL));
	CHECK(is("2003::", NULL));
	CHECK(is("3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL));
	CHECK(is("3fff::", "documentation"));
	CHECK(is("3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"));
	CHECK(is("3fff:1000::", NULL));
	CHECK(is("3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL));
	CHECK(is("4000::", "reserved"));
	CHECK(is("5f00::1", "reserved"));
	CHECK(is("fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved"));
	CHECK(is("fc00::", "private"));
	CHECK(is("fd00:ec2::254", "metadata"));
	CHECK(is("fd00:ec2::253", "private"));
	CHECK(is("fd20:ce::254", "private"));
	CHECK(is("fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "private"));
	CHECK(is("fe00::", "reserved"));
	CHECK(is("fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved"));
	CHECK(is("fe80::", "link-local"));
	CHECK(is("febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local"));
	CHECK(is("fec0::", "private"));
	CHECK(is("feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "private"));
	CHECK(is("ff00::", "multicast"));
	CHECK(is("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"));
	CHECK(is("2a00:1450:4001::2004", NULL));
	/* Both ends of Teredo count; a public one of each is let through. */
	CHECK(is("2001:0:808:808::f7f7:f7f7", NULL));
	CHECK(is("2a00:1450::5eff:7f00:1", NULL));
}

void
test_egress(void)
{
	test_ipv4();
	test_ipv6();
}
