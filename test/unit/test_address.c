/*
 * test_address.c
 *		Addresses and ranges.
 */
#include <string.h>

#include "common/address.h"
#include "check.h"

/* Whether TEXT is read, and then printed as EXPECTED; NULL: not read. */
static bool
reads(const char *text, const char *expected)
{
	IntakeAddress address;
	char out[64];

	if (!intake_address_parse(intake_slice_cstr(text), &address))
		return expected == NULL;
	return expected != NULL && intake_address_print(&address, out, sizeof(out)) == strlen(out) &&
		   strcmp(out, expected) == 0;
}

static void
test_addresses(void)
{
	CHECK(reads("192.0.2.7", "192.0.2.7"));
	CHECK(reads("0.0.0.0", "0.0.0.0"));
	CHECK(reads("2001:DB8:0::7", "2001:db8::7"));
	CHECK(reads("::1", "::1"));
	CHECK(reads("::", "::"));
	CHECK(reads("::ffff:1.2.3.4", "1.2.3.4"));
	CHECK(reads("::ffff:102:304", "1.2.3.4"));
	CHECK(reads("::fffe:102:304", "::fffe:102:304"));
	CHECK(reads("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
				"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
	CHECK(reads("", NULL));
	CHECK(reads(NULL, NULL));
	CHECK(reads("1.2.3", NULL));
	CHECK(reads("1.2.3.4.5", NULL));
	CHECK(reads("1.2.3.256", NULL));
	CHECK(reads("1.2.3.04", NULL));
	CHECK(reads("0x1.2.3.4", NULL));
	CHECK(reads(" 1.2.3.4", NULL));
	CHECK(reads("1.2.3.4 ", NULL));
	CHECK(reads("1.2.3.4:80", NULL));
	CHECK(reads("1.2.3.4/32", NULL));
	CHECK(reads("[::1]", NULL));
	CHECK(reads("fe80::1%eth0", NULL));
	CHECK(reads("1::2::3", NULL));
	CHECK(reads("12345::", NULL));
	CHECK(reads("localhost", NULL));
	CHECK(reads("0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001", NULL));
}

static void
test_printing(void)
{
	IntakeAddress address;
	char out[9];

	CHECK(!intake_address_parse((IntakeSlice){"1.2.3.4\0", 8}, &address));
	CHECK(intake_address_parse((IntakeSlice){"1.2.3.45", 7}, &address)); /* not terminated */
	CHECK(intake_address_print(&address, out, 8) == 7 && strcmp(out, "1.2.3.4") == 0);
	CHECK(intake_address_print(&address, out, 7) == 0 && out[0] == '\0');
	CHECK(intake_address_print(&address, out, 0) == 0);
}

static bool
is_range(const char *text)
{
	IntakeRange range;

	return intake_range_parse(intake_slice_cstr(text), &range);
}

static bool
has(const char *text, const char *member)
{
	IntakeRange range;
	IntakeAddress address;

	return intake_range_parse(intake_slice_cstr(text), &range) &&
		   intake_address_parse(intake_slice_cstr(member), &address) &&
		   intake_range_has(&range, &address);
}

static void
test_bounds(void)
{
	CHECK(is_range("10.0.0.0/8"));
	CHECK(is_range("0.0.0.0/0"));
	CHECK(is_range("1.2.3.4/32"));
	CHECK(is_range("::/0"));
	CHECK(is_range("2001:db8::1/128"));
	CHECK(!is_range("10.0.0.0/33"));
	CHECK(!is_range("2001:db8::/129"));
	CHECK(!is_range("10.0.0.0/"));
	CHECK(!is_range("10.0.0.0/08"));
	CHECK(!is_range("10.0.0.0/-1"));
	CHECK(!is_range("10.0.0.0/ 8"));
	CHECK(!is_range("10.0.0.0/8/8"));
	CHECK(!is_range("10.0.0.0/4294967304"));
	CHECK(!is_range("10.0.0.1/8"));
	CHECK(!is_range("10.128.0.0/8"));
	CHECK(!is_range("2001:db8::1/32"));
	CHECK(!is_range("/8"));
	CHECK(!is_range(""));
	CHECK(!is_range("::ffff:0:0/95"));
	CHECK(!is_range("::ffff:10.0.0.1/104"));
}

static void
test_ranges(void)
{
	CHECK(has("10.0.0.0/8", "10.255.0.1"));
	CHECK(!has("10.0.0.0/8", "11.0.0.0"));
	CHECK(has("192.0.2.7", "192.0.2.7"));
	CHECK(!has("192.0.2.7", "192.0.2.6"));
	CHECK(has("172.16.0.0/12", "172.31.255.255"));
	CHECK(!has("172.16.0.0/12", "172.32.0.0"));
	CHECK(has("192.0.2.6/31", "192.0.2.7"));
	CHECK(has("0.0.0.0/0", "203.0.113.1"));
	CHECK(!has("0.0.0.0/0", "::1"));
	CHECK(has("2001:db8::/33", "2001:db8:7fff::1"));
	CHECK(!has("2001:db8::/33", "2001:db8:8000::1"));
	CHECK(has("::/0", "2001:db8::1"));
	CHECK(!has("::/0", "::ffff:1.2.3.4"));
	CHECK(has("10.0.0.0/8", "::ffff:10.1.1.1"));
	CHECK(has("::ffff:10.0.0.0/104", "10.1.1.1"));
	CHECK(has("::ffff:0:0/96", "1.2.3.4"));
	CHECK(!has("::ffff:10.0.0.0/104", "11.1.1.1"));
}

void
test_address(void)
{
	test_addresses();
	test_printing();
	test_bounds();
	test_ranges();
}
