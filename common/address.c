/*
 * address.c
 *		IP addresses and ranges. Pure.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "common/address.h"

static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static int
width(int family)
{
	return family == AF_INET ? 32 : 128;
}

static bool
is_mapped(const IntakeAddress *address)
{
	return address->family == AF_INET6 && memcmp(address->bytes, mapped, sizeof(mapped)) == 0;
}

/* The address of FAMILY, AF_INET or AF_INET6, whose bytes are in network order. */
IntakeAddress
intake_address_of(int family, const void *bytes)
{
	IntakeAddress address = {.family = family};

	memcpy(address.bytes, bytes, (size_t) width(family) / 8);
	if (is_mapped(&address))
		return intake_address_of(AF_INET, address.bytes + sizeof(mapped));
	return address;
}

/* Reads an address as it is written, a mapped one as IPv6. */
static bool
parse_as_written(IntakeSlice text, IntakeAddress *out)
{
	char copy[INET6_ADDRSTRLEN];

	if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.data, '\0', text.len) != NULL)
		return false;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	memset(out, 0, sizeof(*out));
	out->family = strchr(copy, ':') != NULL ? AF_INET6 : AF_INET;
	return inet_pton(out->family, copy, out->bytes) == 1;
}

/* Reads 192.0.2.7 or 2001:db8::7, and nothing around it: no port, zone, bracket or space. */
bool
intake_address_parse(IntakeSlice text, IntakeAddress *out)
{
	IntakeAddress address;

	if (!parse_as_written(text, &address))
		return false;
	*out = intake_address_of(address.family, address.bytes);
	return true;
}

/* Writes an address, terminated, and returns its length; 0 and "" when there is no room. */
size_t
intake_address_print(const IntakeAddress *address, char *out, size_t size)
{
	if (size == 0)
		return 0;
	if (inet_ntop(address->family, address->bytes, out, (socklen_t) size) == NULL)
		out[0] = '\0';
	return strlen(out);
}

bool
intake_address_equal(const IntakeAddress *a, const IntakeAddress *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* Whether the first BITS bits are the same. */
static bool
starts_alike(const unsigned char *a, const unsigned char *b, int bits)
{
	size_t whole = (size_t) bits / 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return bits % 8 == 0 || (a[whole] ^ b[whole]) >> (8 - bits % 8) == 0;
}

/* Whether all bits behind the first BITS are 0. */
static bool
ends_in_zeros(const IntakeAddress *address, int bits)
{
	for (int i = bits; i < width(address->family); i++)
		if (address->bytes[i / 8] >> (7 - i % 8) & 1)
			return false;
	return true;
}

static bool
parse_bits(IntakeSlice text, int most, int *bits)
{
	if (text.len == 0 || text.len > 3 || (text.len > 1 && text.data[0] == '0'))
		return false;
	*bits = 0;
	for (size_t i = 0; i < text.len; i++)
	{
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		*bits = *bits * 10 + (text.data[i] - '0');
	}
	return *bits <= most;
}

/* Reads 10.0.0.0/8, 2001:db8::/32 or one address. Bits behind the prefix must be 0. */
bool
intake_range_parse(IntakeSlice text, IntakeRange *out)
{
	IntakeSlice prefix;
	IntakeAddress first;
	int bits;

	if (!parse_as_written(intake_slice_cut(text, "/", &prefix), &first))
		return false;
	bits = width(first.family);
	if (prefix.data != NULL && !parse_bits(prefix, bits, &bits))
		return false;
	if (!ends_in_zeros(&first, bits))
		return false;
	/* A mapped address has ones up to bit 96, so its prefix is not shorter than that. */
	out->bits = is_mapped(&first) ? bits - 96 : bits;
	out->first = intake_address_of(first.family, first.bytes);
	return true;
}

/* IPv4 addresses are in IPv4 ranges only, so ::/0 has none of them. */
bool
intake_range_has(const IntakeRange *range, const IntakeAddress *address)
{
	return range->first.family == address->family &&
		   starts_alike(range->first.bytes, address->bytes, range->bits);
}
