/*
 * test_call_url.c
 *		URLs of calls: what is read, as what, and what is refused.
 */
#include <string.h>

#include "common/memory.h"
#include "read/call_url.h"
#include "check.h"

/* Whether a URL is read as these parts. */
static bool
reads(const char *text, bool https, const char *host, int port, const char *target)
{
	IntakeCallUrl url;

	return intake_call_url_parse(intake_slice_cstr(text), &url) == NULL && url.https == https &&
		   intake_slice_equal(url.host, intake_slice_cstr(host)) && url.port == port &&
		   intake_slice_equal(url.target, intake_slice_cstr(target));
}

/* Whether a URL is refused for something that has this in it. */
static bool
refuses(const char *text, const char *why)
{
	IntakeCallUrl url;
	const char *problem = intake_call_url_parse(intake_slice_cstr(text), &url);

	return problem != NULL && strstr(problem, why) != NULL;
}

static void
test_parts(void)
{
	CHECK(reads("https://api.example.com/v1/x?a=b&c=%20d", true, "api.example.com", 443,
				"/v1/x?a=b&c=%20d"));
	CHECK(reads("http://api.example.com", false, "api.example.com", 80, "/"));
	CHECK(reads("https://API.Example.COM:8443/A", true, "api.example.com", 8443, "/A"));
	CHECK(reads("https://x:1/", true, "x", 1, "/"));
	CHECK(reads("https://x:65535/", true, "x", 65535, "/"));
	CHECK(reads("https://x/?", true, "x", 443, "/?"));
	CHECK(reads("https://x/a//b/../c", true, "x", 443, "/a//b/../c"));
	CHECK(reads("https://x/-._~!$&'()*+,;=:@[]?/", true, "x", 443, "/-._~!$&'()*+,;=:@[]?/"));
	CHECK(reads("https://x/a@b:c", true, "x", 443, "/a@b:c"));
	CHECK(reads("http://my_service:8080/", false, "my_service", 8080, "/"));
	CHECK(reads("https://xn--bcher-kva.example/", true, "xn--bcher-kva.example", 443, "/"));
	CHECK(reads("https://192.0.2.7/", true, "192.0.2.7", 443, "/"));
	CHECK(reads("https://1.example/", true, "1.example", 443, "/"));
	CHECK(reads("https://0x7g/", true, "0x7g", 443, "/"));
	CHECK(reads("https://[2001:DB8:0::7]:8443/", true, "[2001:db8::7]", 8443, "/"));
	CHECK(reads("https://[::1]", true, "[::1]", 443, "/"));
}

static void
test_refused(void)
{
	CHECK(refuses("", "begin with"));
	CHECK(refuses("api.example.com/x", "begin with"));
	CHECK(refuses("//api.example.com/x", "begin with"));
	CHECK(refuses("ftp://x/", "begin with"));
	CHECK(refuses("file:///etc/passwd", "begin with"));
	CHECK(refuses("gopher://x/", "begin with"));
	CHECK(refuses(" https://x/", "begin with"));
	CHECK(refuses("HTTPS://x/", "begin with"));
	CHECK(refuses("https:/x/", "begin with"));
	CHECK(refuses("https:\\\\x/", "begin with"));
	CHECK(refuses("https://", "no host"));
	CHECK(refuses("https:///x", "no host"));
	CHECK(refuses("https://:80/", "no host"));
	CHECK(refuses("https://u@x/", "user name"));
	CHECK(refuses("https://u:p@x/", "user name"));
	CHECK(refuses("https://x:80@y/", "user name"));
	CHECK(refuses("https://x\\@y/", "backslash"));
	CHECK(refuses("https://x\\.y/", "backslash"));
	CHECK(refuses("https://x%2ey/", "its host has a character"));
	CHECK(refuses("https://b\xc3\xbc"
				  "cher.example/",
				  "its host has a character"));
	CHECK(refuses("https://x y/", "its host has a character"));
	CHECK(refuses("https://x\ty/", "its host has a character"));
	CHECK(refuses("https://x,y/", "its host has a character"));
	CHECK(refuses("https://x]/", "its host has a character"));
	CHECK(refuses("https://x./", "empty"));
	CHECK(refuses("https://x..y/", "empty"));
	CHECK(refuses("https://./", "empty"));
	CHECK(refuses("https://-x/", "hyphen"));
	CHECK(refuses("https://x-.y/", "hyphen"));
	CHECK(refuses("https://x?a=b", "must be a /"));
	CHECK(refuses("https://x#a", "fragment"));
	CHECK(refuses("https://x/a#b", "fragment"));
	CHECK(refuses("https://x/a?b#", "fragment"));
	CHECK(refuses("https://x/a b", "percent-encoded"));
	CHECK(refuses("https://x/a\\b", "percent-encoded"));
	CHECK(refuses("https://x/\xc3\xa4", "percent-encoded"));
	CHECK(refuses("https://x/a\r\nX: y", "percent-encoded"));
	CHECK(refuses("https://x/{a}", "percent-encoded"));
	CHECK(refuses("https://x/\x7f", "percent-encoded"));
	CHECK(refuses("https://x/%", "two hexadecimal"));
	CHECK(refuses("https://x/%4", "two hexadecimal"));
	CHECK(refuses("https://x/%4g", "two hexadecimal"));
}

static void
test_ports(void)
{
	CHECK(refuses("https://x:/", "port"));
	CHECK(refuses("https://x:0/", "port"));
	CHECK(refuses("https://x:080/", "port"));
	CHECK(refuses("https://x:65536/", "port"));
	CHECK(refuses("https://x:100000/", "port"));
	CHECK(refuses("https://x:4294967376/", "port"));
	CHECK(refuses("https://x:-1/", "port"));
	CHECK(refuses("https://x:+1/", "port"));
	CHECK(refuses("https://x:8 0/", "port"));
	CHECK(refuses("https://x:80:80/", "port"));
	CHECK(refuses("https://[::1]80/", "port"));
	CHECK(refuses("https://[::1].x/", "port"));
}

static void
test_numbers(void)
{
	CHECK(refuses("https://2130706433/", "number"));
	CHECK(refuses("https://127.1/", "number"));
	CHECK(refuses("https://127.0.1/", "number"));
	CHECK(refuses("https://0x7f000001/", "number"));
	CHECK(refuses("https://0X7F.1/", "number"));
	CHECK(refuses("https://127.0.0.0x1/", "number"));
	CHECK(refuses("https://0x/", "number"));
	CHECK(refuses("https://017700000001/", "number"));
	CHECK(refuses("https://0177.0.0.1/", "number"));
	CHECK(refuses("https://127.0.0.01/", "number"));
	CHECK(refuses("https://127.0.0.256/", "number"));
	CHECK(refuses("https://1.2.3.4.5/", "number"));
	CHECK(refuses("https://example.1/", "number"));
	CHECK(refuses("https://127.0.0.1./", "empty"));
	CHECK(refuses("https://[::ffff:127.0.0.1]/", "written as one of IPv6"));
	CHECK(refuses("https://[::ffff:7f00:1]/", "written as one of IPv6"));
	CHECK(refuses("https://[127.0.0.1]/", "written as one of IPv6"));
	CHECK(refuses("https://[fe80::1%25eth0]/", "no IPv6"));
	CHECK(refuses("https://[fe80::1%eth0]/", "no IPv6"));
	CHECK(refuses("https://[v1.x]/", "no IPv6"));
	CHECK(refuses("https://[]/", "no IPv6"));
	CHECK(refuses("https://[::1/", "not closed"));
	CHECK(refuses("https://::1/", "no host"));
	CHECK(refuses("https://2001:db8::1/", "number"));
	CHECK(refuses("https://a:db8::1/", "port"));
}

/* A URL of N bytes, whose host is one label after the other. */
static bool
is_long(size_t label, size_t labels, size_t target, const char *why)
{
	char text[9000] = "https://";
	size_t n = 8;

	for (size_t i = 0; i < labels; i++)
	{
		memset(text + n, 'a', label);
		n += label;
		text[n++] = i + 1 < labels ? '.' : '/';
	}
	memset(text + n, 'b', target - 1);
	text[n + target - 1] = '\0';
	return why == NULL ? !refuses(text, "") : refuses(text, why);
}

static void
test_lengths(void)
{
	IntakeCallUrl url;

	CHECK(is_long(63, 3, 1, NULL));
	CHECK(is_long(64, 1, 1, "63"));
	CHECK(is_long(49, 5, 1, NULL));
	CHECK(is_long(50, 5, 1, "253"));
	CHECK(is_long(1, 1, 8000 - 9, NULL));
	CHECK(is_long(1, 1, 8000 - 8, "8000"));
	/* A NUL, and a text that does not end. */
	CHECK(intake_call_url_parse((IntakeSlice){"https://x\0y/", 12}, &url) != NULL);
	CHECK(intake_call_url_parse((IntakeSlice){"https://x/\0", 11}, &url) != NULL);
	CHECK(intake_call_url_parse((IntakeSlice){"https://x/%41", 12}, &url) != NULL);
	CHECK(intake_call_url_parse(INTAKE_ABSENT, &url) != NULL);
}

/* Whether a host of a secret is read as these parts; HOST NULL: it is refused. */
static bool
reads_host(const char *text, const char *host, int port)
{
	IntakeCallUrl url;

	if (intake_call_url_parse_host(intake_slice_cstr(text), &url) != NULL)
		return host == NULL;
	return host != NULL && intake_slice_equal(url.host, intake_slice_cstr(host)) &&
		   url.port == port;
}

static void
test_hosts(void)
{
	CHECK(reads_host("api.example.com", "api.example.com", 443));
	CHECK(reads_host("API.example.com:8443", "api.example.com", 8443));
	CHECK(reads_host("[2001:db8:0::1]:1", "[2001:db8::1]", 1));
	CHECK(reads_host("", NULL, 0));
	CHECK(reads_host("*.example.com", NULL, 0));
	CHECK(reads_host("https://x", NULL, 0));
	CHECK(reads_host("x/", NULL, 0));
	CHECK(reads_host("x?", NULL, 0));
	CHECK(reads_host("x#", NULL, 0));
	CHECK(reads_host("u@x", NULL, 0));
	CHECK(reads_host("x:0", NULL, 0));
	CHECK(reads_host("127.1", NULL, 0));
	CHECK(reads_host(" x", NULL, 0));
}

void
test_call_url(void)
{
	test_parts();
	test_refused();
	test_ports();
	test_numbers();
	test_lengths();
	test_hosts();
	intake_memory_reset();
}
