/*
 * json_valid.c
 *		Whether bytes are JSON that jsonb can hold. Pure; one pass, no recursion.
 *
 * jsonb's own input raises an error for what it cannot hold, and an error would end the
 * transaction of a whole batch. So this says yes only where that input succeeds: UTF-8,
 * RFC 8259, no NUL character, no lone surrogate, numbers within the bounds of numeric, at most
 * INTAKE_JSON_DEPTH levels, and no more elements of an array than it can collect. What the whole
 * takes up as jsonb is not known before it is made.
 */
#include "read/json.h"
#include "read/work.h"

#define CHARGE_EVERY 65536 /* bytes */

/* Bounds of what is collected to make a jsonb: elements of an array, members of an object. */
#define MOST_ELEMENTS (1 << 24)
#define MOST_MEMBERS (1 << 23)

/* Bounds of numeric: digits before and behind the decimal point. */
#define MOST_INTEGER_DIGITS 131072
#define MOST_FRACTION_DIGITS 16383

typedef struct Reader
{
	const unsigned char *at;
	const unsigned char *end;
	const unsigned char *charged; /* up to here */
} Reader;

static inline void
charge(Reader *r)
{
	if (r->at - r->charged < CHARGE_EVERY)
		return;
	intake_work_charge(r->at - r->charged);
	r->charged = r->at;
}

static void
skip_space(Reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
		r->at++;
}

static bool
is_digit(const Reader *r)
{
	return r->at < r->end && *r->at >= '0' && *r->at <= '9';
}

static long
count_digits(Reader *r)
{
	const unsigned char *start = r->at;

	while (is_digit(r))
		r->at++;
	return (long) (r->at - start);
}

/* An exponent, at most six digits, with its sign. */
static bool
read_exponent(Reader *r, long *exponent)
{
	bool negative = false;
	const unsigned char *start;

	if (r->at < r->end && (*r->at == '+' || *r->at == '-'))
		negative = *r->at++ == '-';
	start = r->at;
	*exponent = 0;
	while (is_digit(r) && r->at - start < 7)
		*exponent = *exponent * 10 + (*r->at++ - '0');
	if (r->at == start || is_digit(r) || r->at - start > 6)
		return false;
	if (negative)
		*exponent = -*exponent;
	return true;
}

static bool
read_number(Reader *r)
{
	long integers;
	long fractions = 0;
	long exponent = 0;

	if (*r->at == '-')
		r->at++;
	if (!is_digit(r))
		return false;
	integers = *r->at == '0' ? (r->at++, 1) : count_digits(r);
	if (r->at < r->end && *r->at == '.')
	{
		r->at++;
		if ((fractions = count_digits(r)) == 0)
			return false;
	}
	if (r->at < r->end && (*r->at == 'e' || *r->at == 'E'))
	{
		r->at++;
		if (!read_exponent(r, &exponent))
			return false;
	}
	return integers + exponent <= MOST_INTEGER_DIGITS &&
		   fractions - exponent <= MOST_FRACTION_DIGITS;
}

static int
read_hex4(Reader *r)
{
	int value = 0;

	if (r->end - r->at < 4)
		return -1;
	for (int i = 0; i < 4; i++)
	{
		unsigned char c = *r->at++;
		unsigned char lower = c | 32;

		if (c >= '0' && c <= '9')
			value = value * 16 + c - '0';
		else if (lower >= 'a' && lower <= 'f')
			value = value * 16 + lower - 'a' + 10;
		else
			return -1;
	}
	return value;
}

/* What follows a backslash. */
static bool
read_escape(Reader *r)
{
	int code;
	int low;

	if (r->at == r->end)
		return false;
	switch (*r->at++)
	{
		case '"':
		case '\\':
		case '/':
		case 'b':
		case 'f':
		case 'n':
		case 'r':
		case 't':
			return true;
		case 'u':
			code = read_hex4(r);
			if (code <= 0 || (code >= 0xDC00 && code <= 0xDFFF))
				return false;
			if (code < 0xD800 || code > 0xDBFF)
				return true;
			if (r->end - r->at < 6 || r->at[0] != '\\' || r->at[1] != 'u')
				return false;
			r->at += 2;
			low = read_hex4(r);
			return low >= 0xDC00 && low <= 0xDFFF;
		default:
			return false;
	}
}

/* One character of more than one byte, in its shortest form and no surrogate. */
static bool
read_utf8(Reader *r)
{
	unsigned char first = *r->at;
	int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
	unsigned code = first & (0x3F >> more);

	if (first < 0xC2 || first > 0xF4 || r->end - r->at <= more)
		return false;
	for (int i = 1; i <= more; i++)
	{
		if ((r->at[i] & 0xC0) != 0x80)
			return false;
		code = code << 6 | (r->at[i] & 0x3F);
	}
	if ((more == 2 && (code < 0x800 || (code >= 0xD800 && code <= 0xDFFF))) ||
		(more == 3 && (code < 0x10000 || code > 0x10FFFF)))
		return false;
	r->at += more + 1;
	return true;
}

static bool
read_string(Reader *r)
{
	if (r->at == r->end || *r->at++ != '"')
		return false;
	while (r->at < r->end)
	{
		unsigned char c = *r->at;

		if (c == '"')
		{
			r->at++;
			return true;
		}
		if (c < 0x20)
			return false;
		if (c == '\\')
		{
			r->at++;
			if (!read_escape(r))
				return false;
		}
		else if (c < 0x80)
			r->at++;
		else if (!read_utf8(r))
			return false;
	}
	return false;
}

static bool
read_word(Reader *r, const char *word)
{
	size_t n = strlen(word);

	if ((size_t) (r->end - r->at) < n || memcmp(r->at, word, n) != 0)
		return false;
	r->at += n;
	return true;
}

static bool
read_scalar(Reader *r)
{
	switch (*r->at)
	{
		case '"':
			return read_string(r);
		case 't':
			return read_word(r, "true");
		case 'f':
			return read_word(r, "false");
		case 'n':
			return read_word(r, "null");
		default:
			return read_number(r);
	}
}

static bool
read_name(Reader *r)
{
	skip_space(r);
	if (!read_string(r))
		return false;
	skip_space(r);
	return r->at < r->end && *r->at++ == ':';
}

bool
intake_json_valid(IntakeSlice text)
{
	const unsigned char *start = (const unsigned char *) text.data;
	Reader r = {start, start + text.len, start};
	bool object[INTAKE_JSON_DEPTH];
	int count[INTAKE_JSON_DEPTH]; /* of elements or members so far */
	int depth = 0;

	if (text.data == NULL || text.len == 0)
		return false;
	for (;;)
	{
		/* A value is due. */
		charge(&r);
		skip_space(&r);
		if (r.at == r.end)
			return false;
		if (*r.at == '{' || *r.at == '[')
		{
			if (depth == INTAKE_JSON_DEPTH)
				return false;
			count[depth] = 1;
			object[depth++] = *r.at++ == '{';
			skip_space(&r);
			if (r.at == r.end || *r.at != (object[depth - 1] ? '}' : ']'))
			{
				if (object[depth - 1] && !read_name(&r))
					return false;
				continue;
			}
		}
		else if (!read_scalar(&r))
			return false;

		/* A value is over, or a container is about to be. */
		for (;;)
		{
			skip_space(&r);
			if (depth == 0)
				return r.at == r.end;
			if (r.at == r.end)
				return false;
			if (*r.at != (object[depth - 1] ? '}' : ']'))
				break;
			r.at++;
			depth--;
		}
		if (*r.at++ != ',' || (object[depth - 1] && !read_name(&r)) ||
			++count[depth - 1] > (object[depth - 1] ? MOST_MEMBERS : MOST_ELEMENTS))
			return false;
	}
}
