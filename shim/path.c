/*
 * path.c
 *		Which source, or which token of a callback, the path of a request names. Pure.
 *
 * Clients and proxies may write a letter as %XX, and put a slash behind the last name: the path
 * means the same. Only bytes that names of sources may have are decoded, and once: every other
 * escape stays as it was written, and so does the slash, the percent sign and the NUL that it
 * stands for. No source has a percent sign in its name, and no token has.
 */
#include <string.h>

#include "path.h"

#define WEBHOOKS "/webhooks/"
#define CALLBACKS "/callbacks/"

static int
digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
is_in_names(int c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		   (c > 0 && strchr("._-", c) != NULL);
}

/* Takes the next byte off a path, which has one. */
static char
take_byte(const char **path, const char *end)
{
	const char *at = *path;

	if (*at == '%' && end - at > 2 && digit_value(at[1]) >= 0 && digit_value(at[2]) >= 0)
	{
		int byte = digit_value(at[1]) << 4 | digit_value(at[2]);

		if (is_in_names(byte))
		{
			*path += 3;
			return (char) byte;
		}
	}
	(*path)++;
	return *at;
}

/*
 * Whether a path is PREFIX and a name, or that and a slash; then notes the name, which is decoded where
 * it stands. What is behind it in the path is of no use any more.
 */
static bool
find_name(char *path, size_t length, const char *prefix, const char **name, size_t *name_length)
{
	const char *at = path;
	const char *end = path + length;
	char *start = path + strlen(prefix);
	char *out = start;

	for (const char *c = prefix; *c != '\0'; c++)
		if (at == end || take_byte(&at, end) != *c)
			return false;
	while (at < end && *at != '/')
		*out++ = take_byte(&at, end);
	*name = start;
	*name_length = out - start;
	return out > start && end - at <= 1;
}

/* Whether a path is /webhooks/<source>; then notes the source, which is decoded where it stands. */
bool
shim_path_source(char *path, size_t length, const char **source, size_t *source_length)
{
	return find_name(path, length, WEBHOOKS, source, source_length);
}

/* The same of /callbacks/<token>. */
bool
shim_path_token(char *path, size_t length, const char **token, size_t *token_length)
{
	return find_name(path, length, CALLBACKS, token, token_length);
}
