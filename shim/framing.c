/*
 * framing.c
 *		Where a request of HTTP/1.1 begins and ends, read strictly (RFC 9112).
 *
 * Two readers of one connection, a proxy and this program, must agree where each request ends: if
 * they do not, what one takes for a body the other takes for a request of somebody else's. The
 * HTTP library forgives much and does not show what it forgave. So every byte passes here before
 * the library reads it, and what is not written exactly as the RFC has it, or says its length in
 * two ways, never gets there. The rest is so plain that the library reads it as this does.
 *
 * The library makes a record of each field, parameter and cookie, in memory of a fixed size for
 * each connection, and closes without a word when that does not suffice. So heads are bounded here
 * as well, and the library never sees a question mark: it leaves the query alone, as it should.
 *
 * Knows nothing of sockets. A reader takes one byte or more of its state's, or none when it only
 * changes the state.
 */
#include <string.h>

#include "framing.h"

#define MAX_EMPTY_LINES 2
#define MAX_METHOD 32
#define MAX_TARGET 8192
#define MAX_PARAMETERS 256
#define MAX_RECORDS 100 /* of 64 bytes each */
#define RECORD 64
#define MAX_LENGTH_DIGITS 15
#define MAX_CHUNK_DIGITS 12
#define MAX_CHUNK_LINE 256

enum
{
	START, /* zero: a new connection is here */
	EMPTY_LF,
	METHOD,
	TARGET,
	VERSION,
	LINE_LF,
	FIELD,
	NAME,
	SPACE,
	VALUE,
	VALUE_LF,
	HEAD_LF,
	BODY,
	CHUNK_SIZE,
	CHUNK_EXTENSION,
	CHUNK_LF,
	CHUNK_DATA,
	DATA_CR,
	DATA_LF
};

enum
{
	FIELD_OTHER,
	FIELD_LENGTH,
	FIELD_CODING,
	FIELD_HOST,
	FIELD_COOKIE
};

/* What a byte may be part of. */
enum
{
	IS_TOKEN = 1,
	IS_TARGET = 2,
	IS_VALUE = 4,
	IS_HOST = 8
};

static unsigned char classes[256];

void
shim_framing_init(void)
{
	for (int c = 0; c < 256; c++)
	{
		bool alphanumeric =
			(c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

		classes[c] = 0;
		if (alphanumeric || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL))
			classes[c] |= IS_TOKEN;
		if (c > ' ' && c < 127 && c != '#')
			classes[c] |= IS_TARGET;
		if (c == '\t' || (c >= ' ' && c != 127))
			classes[c] |= IS_VALUE;
		if (alphanumeric || (c != 0 && strchr("-._~%!$&'()*+;=:[]", c) != NULL))
			classes[c] |= IS_HOST;
	}
}

static inline bool
is(char c, int class)
{
	return (classes[(unsigned char) c] & class) != 0;
}

static size_t
refuse(ShimFraming *framing, int status)
{
	framing->status = status;
	return 0;
}

/* Goes on with the next element. */
static size_t
go(ShimFraming *framing, int state, size_t taken)
{
	framing->state = state;
	framing->count = 0;
	return taken;
}

/* Reads one byte that must be there. */
static size_t
expect(ShimFraming *framing, const char *data, char c, int state)
{
	return data[0] == c ? go(framing, state, 1) : refuse(framing, 400);
}

static void
complete(ShimFraming *framing)
{
	framing->requests++;
	framing->empty_lines = 0;
	(void) go(framing, START, 0);
}

/* ---- the request line ---- */

static size_t
read_start(ShimFraming *framing, char *data, size_t length)
{
	(void) length;
	if (data[0] == '\r')
		return ++framing->empty_lines > MAX_EMPTY_LINES ? refuse(framing, 400)
														: go(framing, EMPTY_LF, 1);
	*framing = (ShimFraming){.requests = framing->requests};
	return go(framing, METHOD, 0);
}

static size_t
read_empty_lf(ShimFraming *framing, char *data, size_t length)
{
	(void) length;
	return expect(framing, data, '\n', START);
}

static size_t
read_method(ShimFraming *framing, char *data, size_t length)
{
	size_t n = 0;

	while (n < length && is(data[n], IS_TOKEN))
		n++;
	framing->count += n;
	if (framing->count > MAX_METHOD)
		return refuse(framing, 400);
	if (n == length)
		return n;
	return data[n] == ' ' && framing->count > 0 ? go(framing, TARGET, n + 1) : refuse(framing, 400);
}

static size_t
read_target(ShimFraming *framing, char *data, size_t length)
{
	size_t n;

	for (n = 0; n < length && is(data[n], IS_TARGET); n++)
	{
		if (data[n] == '?')
		{
			data[n] = SHIM_HIDDEN;
			framing->parameters++;
		}
		else if (data[n] == '&' && framing->parameters > 0)
			framing->parameters++;
	}
	framing->count += n;
	if (framing->count > MAX_TARGET || framing->parameters > MAX_PARAMETERS)
		return refuse(framing, 414);
	if (n == length)
		return n;
	return data[n] == ' ' && framing->count > 0 ? go(framing, VERSION, n + 1)
												: refuse(framing, 400);
}

/* The status for a request line that ends in framing->word, or 0. */
static int
judge_version(ShimFraming *framing)
{
	const char *word = framing->word;

	if (framing->count != 8 || memcmp(word, "HTTP/", 5) != 0 || word[6] != '.' || word[5] < '0' ||
		word[5] > '9' || word[7] < '0' || word[7] > '9')
		return 400;
	framing->old = word[7] == '0';
	return word[5] == '1' ? 0 : 505;
}

static size_t
read_version(ShimFraming *framing, char *data, size_t length)
{
	int status;

	(void) length;
	if (data[0] != '\r' && framing->count < 8)
	{
		framing->word[framing->count++] = data[0];
		return 1;
	}
	status = data[0] == '\r' ? judge_version(framing) : 400;
	return status == 0 ? go(framing, LINE_LF, 1) : refuse(framing, status);
}

static size_t
read_line_lf(ShimFraming *framing, char *data, size_t length)
{
	(void) length;
	return expect(framing, data, '\n', FIELD);
}

/* ---- fields ---- */

static size_t
read_field(ShimFraming *framing, char *data, size_t length)
{
	(void) length;
	if (data[0] == '\r')
		return go(framing, HEAD_LF, 1);
	framing->records++;
	return go(framing, NAME, 0);
}

static bool
is_named(const ShimFraming *framing, const char *name)
{
	return framing->count == strlen(name) && memcmp(framing->word, name, framing->count) == 0;
}

/* A field's name is there: which kind it is, and whether it may be. */
static size_t
end_name(ShimFraming *framing, size_t taken)
{
	bool again = false;

	framing->field = FIELD_OTHER;
	if (is_named(framing, "host"))
	{
		framing->field = FIELD_HOST;
		again = ++framing->hosts > 1;
	}
	else if (is_named(framing, "content-length"))
	{
		framing->field = FIELD_LENGTH;
		again = framing->has_length;
		framing->has_length = true;
	}
	else if (is_named(framing, "transfer-encoding"))
	{
		framing->field = FIELD_CODING;
		again = framing->chunked;
		framing->chunked = true;
	}
	else if (is_named(framing, "cookie"))
		framing->field = FIELD_COOKIE;
	if (again || (framing->in_trailer && framing->field != FIELD_OTHER))
		return refuse(framing, 400);
	return go(framing, SPACE, taken);
}

static size_t
read_name(ShimFraming *framing, char *data, size_t length)
{
	size_t n;

	for (n = 0; n < length && is(data[n], IS_TOKEN); n++, framing->count++)
		if (framing->count < sizeof(framing->word))
			framing->word[framing->count] =
				data[n] >= 'A' && data[n] <= 'Z' ? (char) (data[n] | 32) : data[n];
	if (n == length)
		return n;
	return data[n] == ':' && framing->count > 0 ? end_name(framing, n + 1) : refuse(framing, 400);
}

static size_t
read_space(ShimFraming *framing, char *data, size_t length)
{
	(void) length;
	return data[0] == ' ' || data[0] == '\t' ? 1 : go(framing, VALUE, 0);
}

/* A byte of a value that matters. Returns the status for one that may not be, or 0. */
static int
judge_value(ShimFraming *framing, char c)
{
	static const char chunked[] = "chunked";

	switch (framing->field)
	{
		case FIELD_LENGTH:
			if (c < '0' || c > '9')
				return 400;
			framing->rest = framing->rest * 10 + (uint64_t) (c - '0');
			return framing->count < MAX_LENGTH_DIGITS ? 0 : 413;
		case FIELD_CODING:
			return framing->count < strlen(chunked) && (c | 32) == chunked[framing->count] ? 0
																						   : 400;
		case FIELD_COOKIE:
			framing->records += c == ';' || c == ',' || framing->count % RECORD == 0;
			return 0;
		default:
			return is(c, IS_HOST) ? 0 : 400;
	}
}

/* The value of a field that matters is there. */
static size_t
end_value(ShimFraming *framing, size_t taken)
{
	if ((framing->field == FIELD_LENGTH && framing->count == 0) ||
		(framing->field == FIELD_CODING && framing->count != strlen("chunked")))
		return refuse(framing, 400);
	return go(framing, VALUE_LF, taken);
}

static size_t
read_value(ShimFraming *framing, char *data, size_t length)
{
	size_t n = 0;

	if (framing->field == FIELD_OTHER)
		while (n < length && is(data[n], IS_VALUE))
			n++;
	else
		for (; n < length && is(data[n], IS_VALUE); n++, framing->count++)
		{
			int status = judge_value(framing, data[n]);

			if (status != 0)
				return refuse(framing, status);
		}
	if (n == length)
		return n;
	return data[n] == '\r' ? end_value(framing, n + 1) : refuse(framing, 400);
}

static size_t
read_value_lf(ShimFraming *framing, char *data, size_t length)
{
	(void) length;
	return expect(framing, data, '\n', FIELD);
}

/* The head is there, or the trailer, which ends the request. */
static size_t
read_head_lf(ShimFraming *framing, char *data, size_t length)
{
	(void) length;
	if (data[0] != '\n')
		return refuse(framing, 400);
	if (!framing->in_trailer && ((!framing->old && framing->hosts == 0) ||
								 (framing->chunked && (framing->old || framing->has_length))))
		return refuse(framing, 400);
	if (!framing->in_trailer && (framing->chunked || framing->rest > 0))
		return go(framing, framing->chunked ? CHUNK_SIZE : BODY, 1);
	complete(framing);
	return 1;
}

/* ---- bodies ---- */

static size_t
skip(ShimFraming *framing, size_t length)
{
	size_t n = framing->rest < length ? (size_t) framing->rest : length;

	framing->rest -= n;
	return n;
}

static size_t
read_body(ShimFraming *framing, char *data, size_t length)
{
	size_t n = skip(framing, length);

	(void) data;
	if (framing->rest == 0)
		complete(framing);
	return n;
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t
read_chunk_size(ShimFraming *framing, char *data, size_t length)
{
	int digit = hex(data[0]);

	(void) length;
	if (digit >= 0)
	{
		framing->rest = framing->rest * 16 + (uint64_t) digit;
		return ++framing->count > MAX_CHUNK_DIGITS ? refuse(framing, 413) : 1;
	}
	if (framing->count == 0 || (data[0] != '\r' && data[0] != ';'))
		return refuse(framing, 400);
	return go(framing, data[0] == '\r' ? CHUNK_LF : CHUNK_EXTENSION, 1);
}

/*
 * What a byte of a chunk's extensions makes of the part before it, ;name=value;name="value": the
 * part that it is in, or 0 where it may not be.
 */
static char
next_part(char part, char c)
{
	switch (part)
	{
		case ';':
			return is(c, IS_TOKEN) ? 'n' : 0;
		case 'n':
			return c == '=' || c == ';' ? c : is(c, IS_TOKEN) ? 'n' : 0;
		case '=':
			return c == '"' ? '"' : is(c, IS_TOKEN) ? 'v' : 0;
		case 'v':
			return c == ';' ? ';' : is(c, IS_TOKEN) ? 'v' : 0;
		case '"':
			return c == '"' ? 'e' : c == '\\' ? '\\' : is(c, IS_VALUE) ? '"' : 0;
		case '\\':
			return is(c, IS_VALUE) ? '"' : 0;
		default:
			return c == ';' ? ';' : 0;
	}
}

static size_t
read_chunk_extension(ShimFraming *framing, char *data, size_t length)
{
	(void) length;
	if (framing->count++ == 0)
		framing->part = ';';
	if (data[0] == '\r' && strchr("nve", framing->part) != NULL)
		return go(framing, CHUNK_LF, 1);
	framing->part = next_part(framing->part, data[0]);
	return framing->part != 0 && framing->count < MAX_CHUNK_LINE ? 1 : refuse(framing, 400);
}

static size_t
read_chunk_lf(ShimFraming *framing, char *data, size_t length)
{
	(void) length;
	framing->in_trailer = framing->rest == 0;
	return expect(framing, data, '\n', framing->in_trailer ? FIELD : CHUNK_DATA);
}

static size_t
read_chunk_data(ShimFraming *framing, char *data, size_t length)
{
	size_t n = skip(framing, length);

	(void) data;
	return framing->rest == 0 ? go(framing, DATA_CR, n) : n;
}

static size_t
read_data_cr(ShimFraming *framing, char *data, size_t length)
{
	(void) length;
	return expect(framing, data, '\r', DATA_LF);
}

static size_t
read_data_lf(ShimFraming *framing, char *data, size_t length)
{
	(void) length;
	return expect(framing, data, '\n', CHUNK_SIZE);
}

/* ---- all of it ---- */

static size_t (*const readers[])(ShimFraming *, char *, size_t) = {
	[START] = read_start,
	[EMPTY_LF] = read_empty_lf,
	[METHOD] = read_method,
	[TARGET] = read_target,
	[VERSION] = read_version,
	[LINE_LF] = read_line_lf,
	[FIELD] = read_field,
	[NAME] = read_name,
	[SPACE] = read_space,
	[VALUE] = read_value,
	[VALUE_LF] = read_value_lf,
	[HEAD_LF] = read_head_lf,
	[BODY] = read_body,
	[CHUNK_SIZE] = read_chunk_size,
	[CHUNK_EXTENSION] = read_chunk_extension,
	[CHUNK_LF] = read_chunk_lf,
	[CHUNK_DATA] = read_chunk_data,
	[DATA_CR] = read_data_cr,
	[DATA_LF] = read_data_lf,
};

/*
 * Reads what comes next on a connection, and hides from the library what it does not have to read:
 * question marks, and extensions of chunks, which libmicrohttpd 1.0.1 stumbles over. Returns how
 * many bytes there are for the library, at the start of DATA: all that is left, unless
 * framing->status says how to answer what is wrong; then those up to the end of the last request
 * that was right.
 */
size_t
shim_framing_read(ShimFraming *framing, char *data, size_t length)
{
	size_t used = 0;
	size_t shown = 0;
	size_t right = 0;

	while (used < length)
	{
		int state = framing->state;
		uint64_t requests = framing->requests;
		size_t n = readers[state](framing, data + used, length - used);

		if (framing->state != CHUNK_EXTENSION)
		{
			if (shown < used)
				memmove(data + shown, data + used, n);
			shown += n;
		}
		used += n;
		if (state < BODY)
			framing->size += n;
		if (framing->requests > requests)
			right = shown;
		else if (framing->status == 0 && state < BODY &&
				 (framing->size + framing->records * RECORD > SHIM_MAX_HEAD ||
				  framing->records > MAX_RECORDS))
			framing->status = 431;
		if (framing->status != 0)
			return right;
	}
	return shown;
}

/* Whether a request has begun that is not complete. */
bool
shim_framing_begun(const ShimFraming *framing)
{
	return framing->state > EMPTY_LF;
}
