/*
 * url.c
 *		Parts and forms of a URL, as senders sign them. Pure; what differs is palloc'ed.
 */
#include "common/memory.h"

#include "read/encoding.h"
#include "verify/url.h"

/* Without its query. */
IntakeSlice
intake_url_without_query(IntakeSlice url)
{
	IntakeSlice rest;

	return url.data ? intake_slice_cut(url, "?", &rest) : url;
}

/* A URL from its path on; a path that is missing is /. */
IntakeSlice
intake_url_path(IntakeSlice url)
{
	IntakeSlice rest;
	const char *slash;

	(void) intake_slice_cut(url, "://", &rest);
	if (rest.data == NULL)
		return INTAKE_ABSENT;
	slash = memchr(rest.data, '/', rest.len);
	if (slash == NULL)
		return intake_slice_cstr("/");
	return intake_slice_after(rest, slash - rest.data);
}

/*
 * The path of a URL under BASE, where that is given, or from its host on: no slash at its end, and
 * & encoded. Absent where the URL is not under BASE.
 */
IntakeSlice
intake_url_canonical_path(IntakeSlice url, IntakeSlice base)
{
	IntakeSlice path;
	char *out;
	size_t n = 0;

	while (base.len > 0 && base.data[base.len - 1] == '/')
		base.len--;
	url = intake_url_without_query(url);
	if (base.data != NULL && !intake_slice_starts(url, base))
		return INTAKE_ABSENT;
	path = base.data ? intake_slice_after(url, base.len) : intake_url_path(url);
	while (path.len > 0 && path.data[path.len - 1] == '/')
		path.len--;
	if (path.len == 0)
		return intake_slice_cstr("/");
	if (path.data[0] != '/')
		return INTAKE_ABSENT;
	out = palloc(3 * path.len);
	for (size_t i = 0; i < path.len; i++)
	{
		size_t length = path.data[i] == '&' ? 3 : 1;

		memcpy(out + n, length == 3 ? "%26" : path.data + i, length);
		n += length;
	}
	return (IntakeSlice){out, n};
}

/*
 * The URL with its default port if it has none, or without it; absent if that is no matter, and where
 * the port would end it: one form must not begin the other.
 */
IntakeSlice
intake_url_toggle_port(IntakeSlice url)
{
	bool secure = intake_slice_starts(url, intake_slice_cstr("https://"));
	IntakeSlice port = intake_slice_cstr(secure ? ":443" : ":80");
	size_t start = secure ? 8 : 7;
	size_t end = start;
	char *out;

	if (url.len <= start)
		return INTAKE_ABSENT;
	while (end < url.len && memchr("/?#", url.data[end], 3) == NULL)
		end++;
	if (end == url.len)
		return INTAKE_ABSENT;
	out = palloc(url.len + port.len + 1);
	if (end - start > port.len && memcmp(url.data + end - port.len, port.data, port.len) == 0)
	{
		memcpy(out, url.data, end - port.len);
		memcpy(out + end - port.len, url.data + end, url.len - end);
		return (IntakeSlice){out, url.len - port.len};
	}
	if (memchr(url.data + start, ':', end - start) != NULL)
		return INTAKE_ABSENT;
	memcpy(out, url.data, end);
	memcpy(out + end, port.data, port.len);
	memcpy(out + end + port.len, url.data + end, url.len - end);
	return (IntakeSlice){out, url.len + port.len};
}

/* The URL with the escapes of : / ? @ ! $ ' ( ) * , ; decoded; absent if it has none. */
IntakeSlice
intake_url_decode_escapes(IntakeSlice url)
{
	char *out = palloc(url.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < url.len; i++)
	{
		unsigned char byte;
		size_t length;

		out[n] = url.data[i];
		if (url.data[i] == '%' && i + 2 < url.len &&
			intake_encoding_decode(INTAKE_HEX, (IntakeSlice){url.data + i + 1, 2}, &byte, 1,
								   &length) &&
			byte != 0 && strchr(":/?@!$'()*,;", byte) != NULL)
		{
			out[n] = (char) byte;
			i += 2;
		}
		n++;
	}
	return n < url.len ? (IntakeSlice){out, n} : INTAKE_ABSENT;
}

/*
 * Whether a query is that of PUBLIC_URL with COUNT fields of those names behind it, in that order,
 * and nothing else.
 */
bool
intake_url_query_is(IntakeSlice public_url, IntakeSlice query, const char *const *fields, int count)
{
	IntakeSlice own;

	(void) intake_slice_cut(public_url, "?", &own);
	if (own.data == NULL)
		own = intake_slice_cstr("");
	if (!intake_slice_starts(query, own))
		return false;
	query = intake_slice_after(query, own.len);
	for (int i = 0; i < count; i++)
	{
		IntakeSlice name = intake_slice_cstr(fields[i]);

		if (own.len > 0 || i > 0)
		{
			if (query.len == 0 || query.data[0] != '&')
				return false;
			query = intake_slice_after(query, 1);
		}
		if (!intake_slice_starts(query, name) || query.len == name.len ||
			query.data[name.len] != '=')
			return false;
		query = intake_slice_after(query, name.len + 1);
		while (query.len > 0 && query.data[0] != '&' && query.data[0] != '#')
			query = intake_slice_after(query, 1);
	}
	return query.len == 0;
}
