/*
 * multipart.c
 *		Reading multipart/form-data (RFC 7578). Pure; what is made is palloc'ed.
 *
 * A body is what a signature covers, and its Content-Type, which names the boundary, rarely is. So
 * that nobody can have signed bytes divided elsewhere, the boundary is that of the first line that
 * begins with two hyphens, and the header can but agree. What readers understand in different ways
 * is no form: a boundary behind a bare line feed, or going on behind itself, an end that is missing,
 * a name that is escaped or there twice, an encoded part.
 *
 * Parts with a file name are left alone. The others become a form that is URL-encoded, so that all
 * that is known of those holds: how fields are found, and which must be there once.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include <stdio.h>
#include <string.h>

#include "common/memory.h"

#include "read/multipart.h"
#include "read/work.h"

#define BOUNDARY_MAX 70
#define NAME_MAX_LENGTH 1000

/* One part, as it stands in the body. */
typedef struct Part
{
	IntakeSlice name;
	bool file;
	IntakeSlice whole; /* its headers, too */
	IntakeSlice value;
} Part;

typedef struct Reader
{
	IntakeSlice boundary; /* with its hyphens */
	Part *parts;
	int count;
} Reader;

static IntakeSlice
until(const char *start, const char *end)
{
	return (IntakeSlice){start, (size_t) (end - start)};
}

static const char *
find(IntakeSlice text, IntakeSlice what)
{
	const char *place =
		text.len < what.len ? NULL : memmem(text.data, text.len, what.data, what.len);

	intake_work_charge((place != NULL ? (size_t) (place - text.data) : text.len) / 4 + what.len);
	return place;
}

/* Whether a line of the body begins with two hyphens, as none of a URL-encoded form does. */
bool
intake_multipart_is(IntakeSlice body)
{
	return intake_slice_starts(body, intake_slice_cstr("--")) ||
		   find(body, intake_slice_cstr("\n--")) != NULL;
}

/* ---- parameters of headers ---- */

static IntakeSlice
take_token(IntakeSlice *text, const char *ends)
{
	size_t n = 0;

	while (n < text->len && (unsigned char) text->data[n] > ' ' && text->data[n] != '\x7F' &&
		   strchr(ends, text->data[n]) == NULL)
		n++;
	*text = intake_slice_after(*text, n);
	return until(text->data - n, text->data);
}

/* Takes what stands between quotes, as it is written; absent where no quote closes it. */
static IntakeSlice
take_quoted(IntakeSlice *text)
{
	IntakeSlice rest = intake_slice_after(*text, 1);
	const char *start = rest.data;

	while (rest.len > 0 && rest.data[0] != '"')
		rest = intake_slice_after(rest, rest.data[0] == '\\' && rest.len > 1 ? 2 : 1);
	if (rest.len == 0)
		return INTAKE_ABSENT;
	*text = intake_slice_after(rest, 1);
	return until(start, rest.data);
}

/* Takes the next parameter of a header's value off, unless there is none that is whole. */
static bool
take_parameter(IntakeSlice *text, IntakeSlice *name, IntakeSlice *value)
{
	IntakeSlice rest = intake_slice_trim(*text);
	bool quoted;

	if (rest.len == 0 || rest.data[0] != ';')
		return false;
	rest = intake_slice_trim(intake_slice_after(rest, 1));
	*name = take_token(&rest, "=;\"");
	if (name->len == 0 || rest.len < 2 || rest.data[0] != '=')
		return false;
	rest = intake_slice_after(rest, 1);
	quoted = rest.data[0] == '"';
	*value = quoted ? take_quoted(&rest) : take_token(&rest, ";\"");
	if (value->data == NULL || (value->len == 0 && !quoted))
		return false;
	*text = rest;
	return true;
}

/* Whether no parameter is left; some senders write a semicolon behind the last. */
static bool
is_over(IntakeSlice text)
{
	text = intake_slice_trim(text);
	return text.len == 0 || (text.len == 1 && text.data[0] == ';');
}

static bool
is_word(IntakeSlice text, const char *word)
{
	return intake_slice_equal_nocase(text, intake_slice_cstr(word));
}

static bool
is_boundary(IntakeSlice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] == '\0' || strchr("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
										   "abcdefghijklmnopqrstuvwxyz'()+_,-./:=? ",
										   text.data[i]) == NULL)
			return false;
	return text.len > 0 && text.len <= BOUNDARY_MAX && text.data[text.len - 1] != ' ';
}

/* Reads the boundary off a Content-Type. Returns what is wrong, or NULL. */
static const char *
read_boundary(IntakeSlice content_type, IntakeSlice *boundary)
{
	IntakeSlice rest = content_type;
	IntakeSlice name;
	IntakeSlice value;

	*boundary = INTAKE_ABSENT;
	if (rest.data == NULL || !is_word(take_token(&rest, ";"), "multipart/form-data"))
		return "a line begins with --, but the Content-Type is not multipart/form-data";
	while (take_parameter(&rest, &name, &value))
		if (is_word(name, "boundary"))
		{
			if (boundary->data != NULL)
				return "the Content-Type has two boundaries";
			*boundary = value;
		}
	if (!is_over(rest) || boundary->data == NULL || !is_boundary(*boundary))
		return "the Content-Type has no boundary as RFC 2046 has them";
	return NULL;
}

/* ---- parts ---- */

/* Reads what a part is called. Returns what is wrong, or NULL. */
static const char *
read_disposition(IntakeSlice text, Part *part)
{
	IntakeSlice name;
	IntakeSlice value;
	int files = 0;

	if (part->name.data != NULL)
		return "has Content-Disposition twice";
	if (!is_word(take_token(&text, ";"), "form-data"))
		return "is not form-data";
	while (take_parameter(&text, &name, &value))
		if (is_word(name, "name") && part->name.data == NULL)
			part->name = value;
		else if (is_word(name, "name") || is_word(name, "name*"))
			return "has two names, or an encoded one";
		else if (is_word(name, "filename"))
			files++;
		else if (is_word(name, "filename*"))
			part->file = true;
	if (!is_over(text) || files > 1)
		return "has a Content-Disposition that cannot be read";
	part->file |= files > 0;
	if (part->name.len == 0 || part->name.len > NAME_MAX_LENGTH ||
		memchr(part->name.data, '\\', part->name.len) != NULL)
		return "has no name, or one that is long or escaped";
	return NULL;
}

static const char *
read_header(IntakeSlice line, Part *part)
{
	IntakeSlice value;
	IntakeSlice name = intake_slice_cut(line, ":", &value);

	if (value.data == NULL || name.len == 0 || memchr(line.data, '\r', line.len) != NULL ||
		memchr(line.data, '\n', line.len) != NULL || memchr(line.data, '\0', line.len) != NULL ||
		name.data[0] == ' ' || name.data[0] == '\t' || name.data[name.len - 1] == ' ' ||
		name.data[name.len - 1] == '\t')
		return "has a header that cannot be read";
	value = intake_slice_trim(value);
	if (is_word(name, "content-disposition"))
		return read_disposition(value, part);
	if (is_word(name, "content-transfer-encoding") && !is_word(value, "7bit") &&
		!is_word(value, "8bit") && !is_word(value, "binary"))
		return "is encoded";
	return NULL;
}

/* Reads a part, headers and value. Returns what is wrong, or NULL. */
static const char *
read_part(IntakeSlice whole, Part *part)
{
	IntakeSlice value;
	IntakeSlice head = intake_slice_cut(whole, "\r\n\r\n", &value);
	const char *problem = NULL;

	*part = (Part){.whole = whole, .value = value};
	if (value.data == NULL || head.len > INTAKE_MULTIPART_HEAD_MAX)
		return "has no end of its headers, or more than 8192 bytes of them";
	while (problem == NULL && head.data != NULL)
		problem = read_header(intake_slice_cut(head, "\r\n", &head), part);
	if (problem == NULL && part->name.data == NULL)
		problem = "has no Content-Disposition";
	return problem;
}

static const char *
say(int number, const char *what)
{
	char *text = palloc(120);

	snprintf(text, 120, "part %d of the multipart body %s", number, what);
	return text;
}

/* ---- boundaries ---- */

/* What a boundary that was found is. */
typedef enum
{
	NO_BORDER, /* it stands within a line */
	UNCLEAR,   /* readers differ */
	A_BORDER,
	LAST_BORDER
} Border;

/* Looks at a boundary at PLACE of the body; sets *REST to what follows its line. */
static Border
look_at_border(IntakeSlice body, IntakeSlice boundary, const char *place, IntakeSlice *rest)
{
	bool last;

	if (place > body.data && place[-1] != '\n' && place[-1] != '\r')
		return NO_BORDER;
	if (place > body.data && (place[-1] != '\n' || place - body.data < 2 || place[-2] != '\r'))
		return UNCLEAR;
	*rest = until(place + boundary.len, body.data + body.len);
	last = intake_slice_starts(*rest, intake_slice_cstr("--"));
	if (last)
		*rest = intake_slice_after(*rest, 2);
	while (rest->len > 0 && (rest->data[0] == ' ' || rest->data[0] == '\t'))
		*rest = intake_slice_after(*rest, 1);
	if (last && rest->len == 0)
		return LAST_BORDER;
	if (!intake_slice_starts(*rest, intake_slice_cstr("\r\n")))
		return UNCLEAR;
	*rest = intake_slice_after(*rest, 2);
	return last ? LAST_BORDER : A_BORDER;
}

/* Finds the next border in REST, which becomes what follows it; *PLACE is where it begins. */
static Border
next_border(IntakeSlice body, IntakeSlice boundary, IntakeSlice *rest, const char **place)
{
	IntakeSlice from = *rest;

	while ((*place = find(from, boundary)) != NULL)
	{
		Border border = look_at_border(body, boundary, *place, rest);

		if (border != NO_BORDER)
			return border;
		from = until(*place + boundary.len, body.data + body.len);
	}
	return NO_BORDER;
}

/* Reads what stands between two borders. */
static const char *
add_part(Reader *reader, const char *start, const char *end)
{
	const char *problem;

	if (reader->count == INTAKE_MULTIPART_PARTS_MAX)
		return "the multipart body has more than 1000 parts";
	if (end - start < 2)
		return say(reader->count + 1, "is empty");
	problem = read_part(until(start, end - 2), &reader->parts[reader->count++]);
	return problem != NULL ? say(reader->count, problem) : NULL;
}

/* Divides a body. Returns what is wrong, or NULL. */
static const char *
divide(Reader *reader, IntakeSlice body)
{
	IntakeSlice rest = body;
	const char *start = NULL;
	const char *problem = NULL;
	const char *place;
	Border border;

	while ((border = next_border(body, reader->boundary, &rest, &place)) >= A_BORDER)
	{
		if (start == NULL && place > body.data && intake_multipart_is(until(body.data, place)))
			return "a line before the first boundary begins with --";
		if (start != NULL)
			problem = add_part(reader, start, place);
		if (problem != NULL)
			return problem;
		start = rest.data;
		if (border == LAST_BORDER)
			break;
	}
	if (border == LAST_BORDER && next_border(body, reader->boundary, &rest, &place) == NO_BORDER)
		return NULL;
	return border == UNCLEAR       ? "a line begins as the boundary does, and is none"
		   : border == LAST_BORDER ? "the multipart body goes on behind its end"
		   : start == NULL         ? "the boundary of the Content-Type is not in the body"
								   : "the multipart body has no end";
}

/* ---- what is made of it ---- */

static bool
is_escaped(unsigned char byte)
{
	return byte <= ' ' || byte == 0x7F || strchr("%+&={[", byte) != NULL;
}

static size_t
encoded_size(IntakeSlice text)
{
	size_t size = text.len;

	for (size_t i = 0; i < text.len; i++)
		size += is_escaped(text.data[i]) ? 2 : 0;
	return size;
}

static char *
encode(char *out, IntakeSlice text)
{
	static const char digits[] = "0123456789ABCDEF";

	intake_work_charge(2 * text.len);
	for (size_t i = 0; i < text.len; i++)
	{
		unsigned char byte = text.data[i];

		if (!is_escaped(byte))
			*out++ = text.data[i];
		else
		{
			*out++ = '%';
			*out++ = digits[byte >> 4];
			*out++ = digits[byte & 15];
		}
	}
	return out;
}

#define LENGTH_MOST 24                /* characters of a length, and around it */
#define FORM_MOST (512 * 1024 * 1024) /* bytes of what is made: of binary fields, it is large */

/* Makes the form of the fields, and behind it the files, each behind its length; or what is wrong. */
static const char *
make(const Reader *reader, IntakeMultipart *out)
{
	size_t size = 1;
	char *start;
	char *end;

	for (int i = 0; i < reader->count; i++)
		size += reader->parts[i].file ? reader->parts[i].whole.len + LENGTH_MOST
									  : encoded_size(reader->parts[i].name) +
											encoded_size(reader->parts[i].value) + 2;
	if (size > FORM_MOST)
		return "the fields of the multipart body are too large";
	start = end = palloc(size);
	for (int i = 0; i < reader->count; i++)
	{
		if (reader->parts[i].file)
			continue;
		if (end > start)
			*end++ = '&';
		end = encode(end, reader->parts[i].name);
		*end++ = '=';
		end = encode(end, reader->parts[i].value);
	}
	out->form = until(start, end);
	for (int i = 0; i < reader->count; i++)
	{
		IntakeSlice whole = reader->parts[i].whole;

		if (!reader->parts[i].file)
			continue;
		end += snprintf(end, LENGTH_MOST, " %zu ", whole.len);
		memcpy(end, whole.data, whole.len);
		end += whole.len;
		intake_work_charge(whole.len);
	}
	out->content = until(start, end);
	return NULL;
}

/*
 * Reads a body of which intake_multipart_is is true. Returns NULL, or what is wrong: nothing of the
 * body is in it.
 */
const char *
intake_multipart_read(IntakeSlice content_type, IntakeSlice body, IntakeMultipart *out)
{
	Reader reader = {0};
	IntakeSlice boundary;
	const char *problem = read_boundary(content_type, &boundary);
	char *whole;

	if (problem != NULL)
		return problem;
	whole = palloc(boundary.len + 2);
	memcpy(whole, "--", 2);
	memcpy(whole + 2, boundary.data, boundary.len);
	reader.boundary = (IntakeSlice){whole, boundary.len + 2};
	reader.parts = palloc(INTAKE_MULTIPART_PARTS_MAX * sizeof(Part));
	problem = divide(&reader, body);
	if (problem == NULL)
		problem = make(&reader, out);
	pfree(reader.parts);
	return problem;
}
