/*
 * peer.c
 *		Who has sent a request, when it came through proxies.
 *
 * Each proxy adds at the right of X-Forwarded-For or Forwarded whom it was called by; what
 * stands further left is only as true as the one who wrote it. So the lists are read from the
 * right, as long as the writer is trusted: the first address that is not a trusted proxy's is
 * the sender's. A proxy that writes one header passes the sender's own other one on: where
 * there are both, they must agree. In doubt the answer is what is known, the nearest proxy.
 */
#include <netinet/in.h>

#include "peer.h"

#define MAX_ELEMENTS 100 /* of a list that are read */

/* The last elements of a list, which may be spread over many lines. */
typedef struct Elements
{
	IntakeSlice last[MAX_ELEMENTS]; /* element i is at i % MAX_ELEMENTS */
	size_t count;                   /* with those that are forgotten */
} Elements;

typedef bool (*ReadElement)(IntakeSlice element, IntakeAddress *address);

/* ---- an element ---- */

static bool
is_port(IntakeSlice text)
{
	int port = 0;

	if (text.len == 0 || text.len > 5)
		return false;
	for (size_t i = 0; i < text.len; i++)
	{
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		port = port * 10 + (text.data[i] - '0');
	}
	return port <= 65535;
}

/* Reads 192.0.2.7 or [2001:db8::7], with a port or without. */
static bool
read_node(IntakeSlice text, IntakeAddress *address)
{
	IntakeSlice host;
	IntakeSlice port;

	if (text.len > 0 && text.data[0] == '[')
	{
		host = intake_slice_cut(intake_slice_after(text, 1), "]", &text);
		if (text.data == NULL || memchr(host.data, ':', host.len) == NULL ||
			intake_slice_cut(text, ":", &port).len > 0)
			return false;
	}
	else
		host = intake_slice_cut(text, ":", &port);
	return (port.data == NULL || is_port(port)) && intake_address_parse(host, address);
}

/* Reads an element of X-Forwarded-For, which may be an IPv6 address without brackets. */
static bool
read_plain(IntakeSlice element, IntakeAddress *address)
{
	element = intake_slice_trim(element);
	return intake_address_parse(element, address) || read_node(element, address);
}

/* The place of the quote that ends the one at START, or the length. */
static size_t
quote_end(IntakeSlice text, size_t start)
{
	size_t i = start + 1;

	while (i < text.len && text.data[i] != '"')
		i += text.data[i] == '\\' ? 2 : 1;
	return i < text.len ? i : text.len;
}

/* intake_slice_cut that passes over what is in quotes. */
static IntakeSlice
cut_unquoted(IntakeSlice text, char separator, IntakeSlice *rest)
{
	for (size_t i = 0; i < text.len; i++)
	{
		if (text.data[i] == '"')
			i = quote_end(text, i);
		else if (text.data[i] == separator)
		{
			*rest = intake_slice_after(text, i + 1);
			return (IntakeSlice){text.data, i};
		}
	}
	*rest = INTAKE_ABSENT;
	return text;
}

static IntakeSlice
unquote(IntakeSlice text)
{
	if (text.len >= 2 && text.data[0] == '"' && text.data[text.len - 1] == '"')
		return (IntakeSlice){text.data + 1, text.len - 2};
	return text;
}

/* Reads an element of Forwarded: its one parameter "for". */
static bool
read_forwarded(IntakeSlice element, IntakeAddress *address)
{
	bool found = false;

	while (element.data != NULL)
	{
		IntakeSlice value;
		IntakeSlice pair = intake_slice_trim(cut_unquoted(element, ';', &element));
		IntakeSlice name = intake_slice_cut(pair, "=", &value);

		if (!intake_slice_equal_nocase(name, intake_slice_cstr("for")))
			continue;
		if (found || !read_node(unquote(value), address))
			return false;
		found = true;
	}
	return found;
}

/* ---- lists ---- */

static void
add_element(Elements *elements, IntakeSlice element)
{
	elements->last[elements->count++ % MAX_ELEMENTS] = element;
}

static void
add_plain_line(Elements *elements, IntakeSlice line)
{
	while (line.data != NULL)
		add_element(elements, intake_slice_cut(line, ",", &line));
}

/* Whether every quote begins and ends a value. */
static bool
quotes_hold(IntakeSlice line)
{
	for (size_t i = 0; i < line.len; i++)
	{
		if (line.data[i] != '"')
			continue;
		if (i == 0 || line.data[i - 1] != '=')
			return false;
		i = quote_end(line, i);
		if (i == line.len || (i + 1 < line.len && memchr(";, \t", line.data[i + 1], 4) == NULL))
			return false;
	}
	return true;
}

/*
 * A stray quote from the sender could make a proxy's element part of a value, and a value an
 * element: a line with one is nobody's address.
 */
static void
add_forwarded_line(Elements *elements, IntakeSlice line)
{
	if (!quotes_hold(line))
		line = intake_slice_cstr("");
	while (line.data != NULL)
		add_element(elements, cut_unquoted(line, ',', &line));
}

/* Whether a header line has this name, which ends in a colon; then cuts it off. */
static bool
has_name(IntakeSlice *line, const char *name)
{
	size_t length = strlen(name);

	if (line->len < length || strncasecmp(line->data, name, length) != 0)
		return false;
	*line = intake_slice_after(*line, length);
	return true;
}

/* From the right up to the first one that is not trusted, or is not an address. */
static IntakeAddress
walk(const IntakeRanges *trust, const Elements *elements, ReadElement read, IntakeAddress nearest)
{
	for (size_t i = 1; i <= elements->count && i <= MAX_ELEMENTS; i++)
	{
		IntakeAddress address;

		if (!read(elements->last[(elements->count - i) % MAX_ELEMENTS], &address))
			break;
		nearest = address;
		if (!intake_ranges_have(trust, &nearest))
			break;
	}
	return nearest;
}

/* NEAREST is a trusted proxy. */
static IntakeAddress
read_headers(const IntakeRanges *trust, IntakeSlice headers, IntakeAddress nearest)
{
	Elements plain = {.count = 0};
	Elements forwarded = {.count = 0};
	IntakeAddress a;
	IntakeAddress b;

	while (headers.data != NULL)
	{
		IntakeSlice line = intake_slice_cut(headers, "\r\n", &headers);

		if (has_name(&line, "X-Forwarded-For:"))
			add_plain_line(&plain, line);
		else if (has_name(&line, "Forwarded:"))
			add_forwarded_line(&forwarded, line);
	}
	a = walk(trust, &plain, read_plain, nearest);
	b = walk(trust, &forwarded, read_forwarded, nearest);
	if (plain.count == 0)
		return b;
	if (forwarded.count == 0 || intake_address_equal(&a, &b))
		return a;
	return nearest;
}

/*
 * Writes the address of who has sent a request that came from SOCKET with these header lines
 * ("Name: value\r\n"), terminated; "" when it came by a Unix socket and the headers do not say.
 */
void
shim_peer_find(const IntakeRanges *trust, const struct sockaddr *socket, IntakeSlice headers,
			   char *out, size_t size)
{
	IntakeAddress address = {.family = AF_UNIX};

	if (socket->sa_family == AF_INET)
		address = intake_address_of(AF_INET, &((const struct sockaddr_in *) socket)->sin_addr);
	else if (socket->sa_family == AF_INET6)
		address = intake_address_of(AF_INET6, &((const struct sockaddr_in6 *) socket)->sin6_addr);
	if (intake_ranges_have(trust, &address))
		address = read_headers(trust, headers, address);
	(void) intake_address_print(&address, out, size);
}
