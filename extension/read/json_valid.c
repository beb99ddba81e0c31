/*
 * json_valid.c
 *		Whether bytes are JSON, and whether jsonb can hold it. Pure; one pass, no recursion.
 *
 * JSON is what RFC 8259 says, in UTF-8, with at most MOST_LEVELS levels. jsonb holds less: no NUL
 * character, no lone surrogate, numbers within the bounds of numeric, at most INTAKE_JSON_DEPTH
 * levels, and no more elements of an array than it can collect. Its own input raises an error for
 * the rest, and an error would end the transaction of a whole batch; so this says that jsonb holds
 * it only where that input succeeds. What the whole takes up as jsonb is not known before it is
 * made.
 */
#include "read/json.h"
#include "read/work.h"

#define CHARGE_EVERY 65536 /* bytes */
#define MOST_LEVELS 65536

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
	bool holds;                   /* jsonb can hold what was read so far */
	const char *problem;          /* at AT; NULL: it ends too early */
} Reader;

static bool
fail(Reader *r, const char *problem)
{
	if (r->at < r->end)
		r->problem = problem;
	return false;
}

static inline void
charge(Reader *r)
{
	if (r->at - r->charged < CHARGE_EVERY)
		return;
	intake_work_charge(r->at - r->charged);
	r->charged = r->at;
}

static inline void
skip_space(Reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
		r->at++;
}

static inline bool
is_digit(const Reader *r)
{
	return r->at < r->end && *r->at >= '0' && *r->at <= '9';
}

static long
count_digits(Reader *r)
{
	const unsigned char *start = r->at, *at = start, *end = r->end;

	while (at < end && *at >= '0' && *at <= '9')
		at++;
	r->at = at;
	return (long) (at - start);
}

/* An exponent with its sign; jsonb is not asked to hold one of more than six digits. */
static bool
read_exponent(Reader *r, long *exponent)
{
	bool negative = false;
	const unsigned char *start;

	if (r->at < r->end && (*r->at == '+' || *r->at == '-'))
		negative = *r->at++ == '-';
	start = r->at;
	*exponent = 0;
	for (; is_digit(r); r->at++)
		if (r->at - start < 6)
			*exponent = *exponent * 10 + (*r->at - '0');
	if (r->at == start)
		return false;
	if (r->at - start > 6)
		r->holds = false;
	if (negative)
		*exponent = -*exponent;
	return true;
}

static bool
read_number(Reader *r)
{
	static const char problem[] = "not a number as JSON writes it";
	long integers;
	long fractions = 0;
	long exponent = 0;

	if (*r->at == '-')
		r->at++;
	if (!is_digit(r))
		return fail(r, "no value that JSON knows");
	integers = *r->at == '0' ? (r->at++, 1) : count_digits(r);
	if (r->at < r->end && *r->at == '.')
	{
		r->at++;
		if ((fractions = count_digits(r)) == 0)
			return fail(r, problem);
	}
	if (r->at < r->end && (*r->at == 'e' || *r->at == 'E'))
	{
		r->at++;
		if (!read_exponent(r, &exponent))
			return fail(r, problem);
	}
	if (integers + exponent > MOST_INTEGER_DIGITS || fractions - exponent > MOST_FRACTION_DIGITS)
		r->holds = false;
	return true;
}

/* Four hexadecimal digits, or -1. */
static int
read_hex4(Reader *r)
{
	int value = 0;

	for (int i = 0; i < 4; i++, r->at++)
	{
		unsigned char c = r->at < r->end ? *r->at : 0;
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

/* The second half of a character that two escapes stand for, where it is there. */
static bool
read_low_surrogate(Reader *r)
{
	Reader ahead = *r;
	int low;

	if (r->end - r->at < 6 || r->at[0] != '\\' || r->at[1] != 'u')
		return false;
	ahead.at += 2;
	low = read_hex4(&ahead);
	if (low < 0xDC00 || low > 0xDFFF)
		return false;
	r->at = ahead.at;
	return true;
}

/* What follows a backslash. */
static bool
read_escape(Reader *r)
{
	static const char problem[] = "an escape that JSON does not know";
	int code;

	if (r->at == r->end)
		return false;
	switch (*r->at)
	{
		case '"':
		case '\\':
		case '/':
		case 'b':
		case 'f':
		case 'n':
		case 'r':
		case 't':
			r->at++;
			return true;
		case 'u':
			r->at++;
			code = read_hex4(r);
			if (code < 0)
				return fail(r, problem);
			if (code == 0 || (code >= 0xDC00 && code <= 0xDFFF) ||
				(code >= 0xD800 && code <= 0xDBFF && !read_low_surrogate(r)))
				r->holds = false;
			return true;
		default:
			return fail(r, problem);
	}
}

/* Whether COUNT bytes follow that go on with a character. */
static inline bool
goes_on(const Reader *r, int count)
{
	if (r->end - r->at <= count)
		return false;
	for (int i = 1; i <= count; i++)
		if ((r->at[i] & 0xC0) != 0x80)
			return false;
	return true;
}

/* One character of more than one byte, in its shortest form and no surrogate. */
static inline bool
read_utf8(Reader *r)
{
	unsigned char first = r->at[0];
	int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
	unsigned char second;

	if (first < 0xC2 || first > 0xF4 || !goes_on(r, more))
		return fail(r, "not UTF-8");
	second = r->at[1];
	if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
		(first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F))
		return fail(r, "not UTF-8");
	r->at += more + 1;
	return true;
}

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/*
 * How many of the next eight bytes, until the first that does not, are characters of a string that
 * stand for themselves: ASCII, but no control character, quote or backslash. The top bit of a byte
 * tells that it does not; a subtraction borrows only from bytes behind one that has told already.
 */
static inline int
count_plain(const unsigned char *bytes)
{
	uint64_t word;
	uint64_t special;

	memcpy(&word, bytes, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	special = (word | (word - EACH_BYTE(0x20)) | ((word ^ EACH_BYTE('"')) - EACH_BYTE(1)) |
			   ((word ^ EACH_BYTE('\\')) - EACH_BYTE(1))) &
			  EACH_BYTE(0x80);
	return special == 0 ? 8 : __builtin_ctzll(special) / 8;
}

static inline void
skip_plain(Reader *r)
{
	while (r->end - r->at >= 8)
	{
		int plain = count_plain(r->at);

		r->at += plain;
		if (plain < 8)
			return;
	}
	while (r->at < r->end && *r->at >= 0x20 && *r->at < 0x80 && *r->at != '"' && *r->at != '\\')
		r->at++;
}

static bool
read_string(Reader *r)
{
	if (r->at == r->end || *r->at != '"')
		return fail(r, "a name in quotes is missing");
	r->at++;
	for (;;)
	{
		skip_plain(r);
		if (r->at == r->end)
			return false;
		if (*r->at == '"')
		{
			r->at++;
			return true;
		}
		if (*r->at < 0x20)
			return fail(r, "a control character in a string");
		if (*r->at == '\\')
		{
			r->at++;
			if (!read_escape(r))
				return false;
		}
		while (r->at < r->end && *r->at >= 0x80)
			if (!read_utf8(r))
				return false;
	}
}

static bool
read_word(Reader *r, const char *word)
{
	for (; *word != '\0'; word++, r->at++)
		if (r->at == r->end || *r->at != (unsigned char) *word)
			return fail(r, "no value that JSON knows");
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
	if (r->at == r->end || *r->at != ':')
		return fail(r, "a colon is missing");
	r->at++;
	return true;
}

/* Where in a document a reader is. */
typedef struct Nesting
{
	int depth;
	bool in_object;                     /* rather than in an array, at the innermost level */
	uint64_t objects[MOST_LEVELS / 64]; /* a bit for each level */
	int count[INTAKE_JSON_DEPTH];       /* of elements or members so far */
} Nesting;

static inline bool
enter(Reader *r, Nesting *n, bool object)
{
	uint64_t bit = UINT64_C(1) << n->depth % 64;

	if (n->depth == MOST_LEVELS)
		return fail(r, "nested deeper than 65536 levels");
	if (object)
		n->objects[n->depth / 64] |= bit;
	else
		n->objects[n->depth / 64] &= ~bit;
	if (n->depth < INTAKE_JSON_DEPTH)
		n->count[n->depth] = 1;
	else
		r->holds = false;
	n->in_object = object;
	n->depth++;
	r->at++;
	return true;
}

static inline void
leave(Reader *r, Nesting *n)
{
	n->depth--;
	n->in_object =
		n->depth > 0 && (n->objects[(n->depth - 1) / 64] >> (n->depth - 1) % 64 & 1) != 0;
	r->at++;
}

/* Counts another element or member. */
static inline void
count(Reader *r, Nesting *n)
{
	if (n->depth <= INTAKE_JSON_DEPTH &&
		++n->count[n->depth - 1] > (n->in_object ? MOST_MEMBERS : MOST_ELEMENTS))
		r->holds = false;
}

/* Reads one value, with space around it. */
static bool
read_document(Reader *r)
{
	Nesting n;

	n.depth = 0;
	n.in_object = false;
	for (;;)
	{
		/* A value is due. */
		charge(r);
		skip_space(r);
		if (r->at == r->end)
			return false;
		if (*r->at == '{' || *r->at == '[')
		{
			if (!enter(r, &n, *r->at == '{'))
				return false;
			skip_space(r);
			if (r->at == r->end || *r->at != (n.in_object ? '}' : ']'))
			{
				if (n.in_object && !read_name(r))
					return false;
				continue;
			}
		}
		else if (!read_scalar(r))
			return false;

		/* A value is over, or a container is about to be. */
		for (;;)
		{
			skip_space(r);
			if (n.depth == 0)
				return r->at == r->end || fail(r, "something behind the document");
			if (r->at == r->end)
				return false;
			if (*r->at != (n.in_object ? '}' : ']'))
				break;
			leave(r, &n);
		}
		if (*r->at != ',')
			return fail(r, "a comma is missing");
		r->at++;
		if (n.in_object && !read_name(r))
			return false;
		count(r, &n);
	}
}

/*
 * What a text is. Where it is no JSON, *FAULT says from which byte on, and why; it may be NULL.
 */
IntakeJson
intake_json_look(IntakeSlice text, IntakeJsonFault *fault)
{
	const unsigned char *start = (const unsigned char *) (text.data ? text.data : "");
	Reader r = {start, start + text.len, start, true, NULL};

	if (read_document(&r))
		return r.holds ? INTAKE_JSON_HELD : INTAKE_JSON_TEXT;
	if (fault != NULL)
		*fault = (IntakeJsonFault){r.at - start, r.problem ? r.problem : "it ends too early"};
	return INTAKE_JSON_NOT;
}
