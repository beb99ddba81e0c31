/*
 * call_url.c
 *		The URL of a call: a narrow grammar, so that everybody who reads it reads the same. Pure.
 *
 *		url    = ("https://" / "http://") host [":" port] [target]
 *		host   = name / IPv4 / "[" IPv6 "]"
 *		target = "/" bytes of RFC 3986, and [ and ]
 *
 * A URL is checked when a call is stored, and its parts are used when it is made. Two readers that
 * disagree about where a host ends are how a guard is passed: so whatever has more than one reading
 * is refused, and not mended. A name whose last label is a number is an address to some resolvers
 * (127.1, 0x7f.1, 2130706433), so it must be four decimal numbers. What is percent-encoded in the
 * target stays as it is.
 */
#include <sys/socket.h>

#include "common/address.h"
#include "common/memory.h"

#include "read/call_url.h"

#define MOST_HOST 253
#define MOST_LABEL 63

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ---- the host ---- */

/* What some resolver takes for a number, decimal, octal or hexadecimal. */
static bool
is_number(IntakeSlice label)
{
	bool hex = label.len >= 2 && label.data[0] == '0' && (label.data[1] | 0x20) == 'x';

	for (size_t i = hex ? 2 : 0; i < label.len; i++)
		if (hex ? !is_hex(label.data[i]) : !is_digit(label.data[i]))
			return false;
	return label.len > 0;
}

static const char *
check_label(IntakeSlice label)
{
	if (label.len == 0)
		return "a part of its host is empty";
	if (label.len > MOST_LABEL)
		return "a part of its host is longer than 63 bytes";
	for (size_t i = 0; i < label.len; i++)
		if (!is_letter(label.data[i]) && !is_digit(label.data[i]) && label.data[i] != '-' &&
			label.data[i] != '_')
			return "its host has a character other than letters, digits, hyphens and dots";
	if (label.data[0] == '-' || label.data[label.len - 1] == '-')
		return "a part of its host begins or ends with a hyphen";
	return NULL;
}

/* Checks a host that is no IPv6 address. */
static const char *
check_name(IntakeSlice host)
{
	IntakeSlice rest = host;
	IntakeSlice label = INTAKE_ABSENT;
	IntakeAddress address;

	if (host.len > MOST_HOST)
		return "its host is longer than 253 bytes";
	while (rest.data != NULL)
	{
		const char *problem;

		label = intake_slice_cut(rest, ".", &rest);
		problem = check_label(label);
		if (problem != NULL)
			return problem;
	}
	if (is_number(label) && !intake_address_parse(host, &address))
		return "its host is a number, and not an IPv4 address of four decimal ones";
	return NULL;
}

static IntakeSlice
lower(IntakeSlice text)
{
	char *copy = palloc(text.len + 1);

	for (size_t i = 0; i < text.len; i++)
		copy[i] = text.data[i] >= 'A' && text.data[i] <= 'Z' ? (char) (text.data[i] | 0x20)
															 : text.data[i];
	return (IntakeSlice){copy, text.len};
}

/* Reads what stands in brackets. */
static const char *
parse_ipv6(IntakeSlice text, IntakeSlice *host)
{
	IntakeAddress address;
	char *copy;
	size_t length;

	if (!intake_address_parse(text, &address))
		return "what stands in brackets is no IPv6 address";
	if (address.family != AF_INET6)
		return "its host is an IPv4 address, written as one of IPv6";
	copy = palloc(64);
	copy[0] = '[';
	length = intake_address_print(&address, copy + 1, 62);
	copy[length + 1] = ']';
	*host = (IntakeSlice){copy, length + 2};
	return NULL;
}

/* Reads what stands behind the host: a colon and a number, or nothing. */
static const char *
parse_port(IntakeSlice text, int *port)
{
	int number = 0;

	if (text.len == 0)
		return NULL;
	if (text.data[0] != ':' || text.len < 2 || text.len > 6 || text.data[1] == '0')
		return "its port is no number from 1 to 65535";
	for (size_t i = 1; i < text.len; i++)
	{
		if (!is_digit(text.data[i]))
			return "its port is no number from 1 to 65535";
		number = number * 10 + (text.data[i] - '0');
	}
	if (number > 65535)
		return "its port is no number from 1 to 65535";
	*port = number;
	return NULL;
}

/* Reads a host, and a port if there is one: out->port stays, if there is none. */
static const char *
parse_authority(IntakeSlice text, IntakeCallUrl *out)
{
	const char *end;
	const char *problem;
	IntakeSlice host;

	if (text.len == 0)
		return "it has no host";
	if (memchr(text.data, '@', text.len) != NULL)
		return "it has a user name or a password in it";
	end = memchr(text.data, text.data[0] == '[' ? ']' : ':', text.len);
	if (text.data[0] == '[')
	{
		if (end == NULL)
			return "a bracket in its host is not closed";
		host = (IntakeSlice){text.data + 1, (size_t) (end - text.data) - 1};
		problem = parse_ipv6(host, &out->host);
		end++;
	}
	else
	{
		if (end == NULL)
			end = text.data + text.len;
		host = (IntakeSlice){text.data, (size_t) (end - text.data)};
		problem = host.len == 0 ? "it has no host" : check_name(host);
		if (problem == NULL)
			out->host = lower(host);
	}
	return problem ? problem
				   : parse_port(intake_slice_after(text, (size_t) (end - text.data)), &out->port);
}

/* ---- the rest ---- */

static const char *
check_target(IntakeSlice target)
{
	for (size_t i = 0; i < target.len; i++)
	{
		char c = target.data[i];

		if (c == '#')
			return "it has a fragment, which is never sent: percent-encode a # as %23";
		if (c == '%' &&
			(i + 2 >= target.len || !is_hex(target.data[i + 1]) || !is_hex(target.data[i + 2])))
			return "it has a % that is not followed by two hexadecimal digits";
		if (!is_letter(c) && !is_digit(c) && memchr("%-._~!$&'()*+,;=:@/?[]", c, 22) == NULL)
			return "its path or query has a character that must be percent-encoded";
	}
	return NULL;
}

/* Sets whether it is https, and returns what stands behind the scheme; absent: it is another one. */
static IntakeSlice
parse_scheme(IntakeSlice url, bool *https)
{
	IntakeSlice secure = intake_slice_cstr("https://");
	IntakeSlice plain = intake_slice_cstr("http://");

	*https = intake_slice_starts(url, secure);
	if (!*https && !intake_slice_starts(url, plain))
		return INTAKE_ABSENT;
	return intake_slice_after(url, *https ? secure.len : plain.len);
}

/* Reads a URL. Returns NULL, or what is wrong with it: a constant text, without its bytes. */
const char *
intake_call_url_parse(IntakeSlice url, IntakeCallUrl *out)
{
	IntakeSlice rest;
	size_t end = 0;
	const char *problem;

	memset(out, 0, sizeof(*out));
	if (url.len > INTAKE_CALL_URL_MAX)
		return "it is longer than 8000 bytes";
	rest = parse_scheme(url, &out->https);
	if (rest.data == NULL)
		return "it does not begin with https:// or http://, in lower case";
	while (end < rest.len && memchr("/?#\\", rest.data[end], 4) == NULL)
		end++;
	out->port = out->https ? 443 : 80;
	problem = parse_authority((IntakeSlice){rest.data, end}, out);
	if (problem != NULL)
		return problem;
	out->target = end == rest.len ? intake_slice_cstr("/") : intake_slice_after(rest, end);
	if (out->target.data[0] == '?')
		return "there must be a / between its host and its query";
	return out->target.data[0] == '\\' ? "its host has a backslash in it"
									   : check_target(out->target);
}

/*
 * Reads a host, and a port if there is one, as a secret is bound to: port 443, if there is none.
 * Returns NULL, or what is wrong with it.
 */
const char *
intake_call_url_parse_host(IntakeSlice text, IntakeCallUrl *out)
{
	memset(out, 0, sizeof(*out));
	out->https = true;
	out->port = 443;
	return parse_authority(text, out);
}
