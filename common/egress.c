/*
 * egress.c
 *		Addresses that are not out there: what nobody may make the courier connect to. Pure.
 *
 * A URL comes from a handler, which may have made it of what a stranger sent. So a connection is
 * looked at once it is known where it goes, and what only machines nearby can reach, or nobody, is
 * refused, unless whoever runs the courier allows it. Of IPv6 only what is given out as public is
 * let through. An IPv6 address that stands for an IPv4 address (6to4, Teredo, NAT64, ISATAP; a mapped
 * one is IPv4 already) is as good as that. A network with a NAT64 prefix of its own has to filter it
 * by itself: nothing in such an address tells.
 */
#include <arpa/inet.h>
#include <sys/socket.h>

#include "common/egress.h"

typedef struct Refused
{
	const char *family;
	IntakeRange range;
} Refused;

/* clang-format off */
#define V4(bits, ...) {{AF_INET, {__VA_ARGS__}}, bits}
#define V6(bits, ...) {{AF_INET6, {__VA_ARGS__}}, bits}

/* The first that has an address says why. */
static const Refused refused[] = {
	{"unspecified", V4(8, 0)},
	{"private", V4(8, 10)},
	{"private", V4(12, 172, 16)},
	{"private", V4(16, 192, 168)},
	{"shared", V4(10, 100, 64)},
	{"loopback", V4(8, 127)},
	{"metadata", V4(32, 169, 254, 169, 254)},
	{"metadata", V4(32, 168, 63, 129, 16)},
	{"link-local", V4(16, 169, 254)},
	{"documentation", V4(24, 192, 0, 2)},
	{"documentation", V4(24, 198, 51, 100)},
	{"documentation", V4(24, 203, 0, 113)},
	{"benchmarking", V4(15, 198, 18)},
	{"reserved", V4(24, 192, 0, 0)},
	{"reserved", V4(24, 192, 88, 99)},
	{"multicast", V4(4, 224)},
	{"broadcast", V4(32, 255, 255, 255, 255)},
	{"reserved", V4(4, 240)},
	{"unspecified", V6(128, 0)},
	{"loopback", V6(128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)},
	{"metadata", V6(128, 0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54)},
	{"private", V6(7, 0xfc)},
	{"link-local", V6(10, 0xfe, 0x80)},
	{"private", V6(10, 0xfe, 0xc0)},
	{"multicast", V6(8, 0xff)},
	{"private", V6(48, 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01)},
	{"documentation", V6(32, 0x20, 0x01, 0x0d, 0xb8)},
	{"documentation", V6(20, 0x3f, 0xff)},
	{"benchmarking", V6(48, 0x20, 0x01, 0x00, 0x02)},
	{"reserved", V6(23, 0x20, 0x01)},
};
/* What is given out to the public. */
static const IntakeRange public_ipv6 = V6(3, 0x20);

static const IntakeRange teredo = V6(32, 0x20, 0x01);
static const IntakeRange six_to_four = V6(16, 0x20, 0x02);
static const IntakeRange nat64 = V6(96, 0x00, 0x64, 0xff, 0x9b);
/* clang-format on */

static const char *
find_family(const IntakeAddress *address)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (intake_range_has(&refused[i].range, address))
			return refused[i].family;
	return NULL;
}

/* The family of the IPv4 address in these bytes. */
static const char *
find_embedded(const unsigned char *bytes)
{
	IntakeAddress address = intake_address_of(AF_INET, bytes);

	return find_family(&address);
}

/* Teredo has the address of its server, and with all bits turned that of its client. */
static const char *
find_teredo(const unsigned char *bytes)
{
	unsigned char client[4];
	const char *family = find_embedded(bytes + 4);

	for (int i = 0; i < 4; i++)
		client[i] = (unsigned char) ~bytes[12 + i];
	return family ? family : find_embedded(client);
}

/* An interface of ISATAP is named 0:5efe or 200:5efe, and an IPv4 address. */
static bool
is_isatap(const unsigned char *bytes)
{
	return (bytes[8] & ~0x02) == 0 && memcmp(bytes + 9, (unsigned char[]){0, 0x5e, 0xfe}, 3) == 0;
}

/* The family of addresses that are refused that this one is of, in a word; NULL: it is public. */
const char *
intake_egress_problem(const IntakeAddress *address)
{
	const char *family;

	if (address->family == AF_INET)
		return find_family(address);
	if (intake_range_has(&nat64, address))
		return find_embedded(address->bytes + 12);
	if (intake_range_has(&six_to_four, address))
		return find_embedded(address->bytes + 2);
	if (intake_range_has(&teredo, address))
		return find_teredo(address->bytes);
	family = find_family(address);
	if (family == NULL && !intake_range_has(&public_ipv6, address))
		family = "reserved";
	return family == NULL && is_isatap(address->bytes) ? find_embedded(address->bytes + 12)
													   : family;
}
