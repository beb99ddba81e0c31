/*
 * address.h
 *		IP addresses and ranges. Pure.
 */
#ifndef INTAKE_ADDRESS_H
#define INTAKE_ADDRESS_H

#include "common/slice.h"

/* An IPv4 address that came as IPv6 (::ffff:1.2.3.4) is an IPv4 address. */
typedef struct IntakeAddress
{
	int family;              /* AF_INET or AF_INET6 */
	unsigned char bytes[16]; /* network order; IPv4: the first four, the others 0 */
} IntakeAddress;

typedef struct IntakeRange
{
	IntakeAddress first;
	int bits; /* that all its addresses share */
} IntakeRange;

extern IntakeAddress intake_address_of(int family, const void *bytes);
extern bool intake_address_parse(IntakeSlice text, IntakeAddress *out);
extern size_t intake_address_print(const IntakeAddress *address, char *out, size_t size);
extern bool intake_address_equal(const IntakeAddress *a, const IntakeAddress *b);
extern bool intake_range_parse(IntakeSlice text, IntakeRange *out);
extern bool intake_range_has(const IntakeRange *range, const IntakeAddress *address);

#endif
