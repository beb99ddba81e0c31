/*
 * template.c
 *		Templates: signed content, and what handshakes demand and answer. Pure; what is
 *		compiled and rendered is palloc'ed.
 */
#include <stdio.h>

#include "common/memory.h"

#include "read/encoding.h"
#include "read/form.h"
#include "read/work.h"
#include "verify/template.h"
#include "verify/url.h"

#define MOST_PARTS 40
#define MOST_LISTED 64        /* headers that a list may name */
#define MOST_LISTED_OF 131072 /* bytes of a header block whose lists are read */

/* In the order of IntakePartKind. */
static const char *const variables[] = {"body", "timestamp", "method", "url",         "endpoint",
										"path", "secret",    "token",  "form_sorted", "qsh"};

#define N_VARIABLES ((int) (sizeof(variables) / sizeof(variables[0])))

static bool compile_variable(IntakeSlice name, IntakePart *part, const char **why);

static bool
fail(const char **why, const char *what)
{
	*why = what;
	return false;
}

/* ---- compiling ---- */

static bool
take_end(IntakeSlice *text, const char *end)
{
	size_t n = strlen(end);

	if (text->len < n || memcmp(text->data + text->len - n, end, n) != 0)
		return false;
	text->len -= n;
	return true;
}

static bool
take_start(IntakeSlice *text, const char *start)
{
	size_t n = strlen(start);

	if (!intake_slice_starts(*text, intake_slice_cstr(start)))
		return false;
	*text = intake_slice_after(*text, n);
	return true;
}

/* Compiles the name of a function: an algorithm and an encoding, or crc32. */
static bool
compile_function_name(IntakeSlice name, IntakePart *part, const char **why)
{
	static const char *const names[] = {"sha1", "sha256", "sha512"};
	char encoding[16] = "";

	part->kind = INTAKE_PART_DIGEST;
	if (intake_slice_equal(name, intake_slice_cstr("crc32")))
	{
		part->kind = INTAKE_PART_CRC32;
		return true;
	}
	if (take_start(&name, "hmac"))
		part->kind = INTAKE_PART_HMAC;
	else
		for (int i = 0; i < 3; i++)
			if (take_start(&name, names[i]))
			{
				part->algorithm = (IntakeAlgorithm) i;
				break;
			}
	if (name.len < sizeof(encoding))
		memcpy(encoding, name.data, name.len);
	if (!intake_encoding_parse(encoding, &part->encoding) || part->encoding == INTAKE_RAW)
		return fail(why, "a template has a function that is not known");
	return true;
}

/* Compiles name(argument+argument). */
static bool
compile_function(IntakeSlice text, IntakePart *part, const char **why)
{
	IntakeSlice rest;
	IntakeSlice name = intake_slice_cut(text, "(", &rest);

	if (!compile_function_name(name, part, why))
		return false;
	part->arguments = palloc0(sizeof(IntakeTemplate) + MOST_PARTS * sizeof(IntakePart));
	while (rest.data != NULL)
	{
		IntakeSlice argument = intake_slice_cut(rest, "+", &rest);

		if (part->arguments->count == MOST_PARTS || memchr(argument.data, '(', argument.len))
			return fail(why, "a template has a function inside of a function");
		if (!compile_variable(argument, &part->arguments->parts[part->arguments->count++], why))
			return false;
	}
	return true;
}

static bool
compile_place(IntakeSlice name, IntakePart *part, const char **why)
{
	IntakeLocation *location = palloc(sizeof(IntakeLocation));
	char *text = palloc(name.len + 1);

	memcpy(text, name.data, name.len);
	text[name.len] = '\0';
	part->kind = INTAKE_PART_LOCATION;
	part->place = &location->places[0];
	/* What is decoded could be any bytes, and the message would have another border. */
	if (!intake_location_parse(text, location, why) || location->count != 1 ||
		location->places[0].encoded)
		return fail(why, "a template has a variable that is not known");
	return true;
}

/* Compiles what stands between braces. */
static bool
compile_variable(IntakeSlice name, IntakePart *part, const char **why)
{
	part->lower = take_end(&name, "|lower");
	for (int i = 0; i < N_VARIABLES; i++)
		if (intake_slice_equal(name, intake_slice_cstr(variables[i])))
		{
			part->kind = (IntakePartKind) i;
			return true;
		}
	if (take_start(&name, "header_list:"))
	{
		part->kind = INTAKE_PART_HEADER_LIST;
		part->literal = name;
		return true;
	}
	if (memchr(name.data, '(', name.len) != NULL && take_end(&name, ")"))
		return compile_function(name, part, why);
	return compile_place(name, part, why);
}

/* Compiles the literal text at the start of TEXT, and returns its length. */
static size_t
compile_literal(const char *text, IntakePart *part)
{
	size_t n = strcspn(text, "{[]\\");

	part->kind = INTAKE_PART_LITERAL;
	if (n > 0)
	{
		part->literal = (IntakeSlice){text, n};
		return n;
	}
	if (text[0] == '\\' && text[1] == 'n')
		part->literal = intake_slice_cstr("\n");
	else if (text[0] == '\\' && text[1] != '\0' && strchr("{}[]\\", text[1]) != NULL)
		part->literal = (IntakeSlice){text + 1, 1};
	else
	{
		part->literal = (IntakeSlice){text, 1};
		return 1;
	}
	return 2;
}

static bool
compile_part(const char **text, IntakePart *part, const char **why)
{
	const char *end;

	switch (**text)
	{
		case '{':
			end = strchr(*text, '}');
			if (end == NULL)
				return fail(why, "a template has a brace that is not closed");
			if (!compile_variable((IntakeSlice){*text + 1, end - *text - 1}, part, why))
				return false;
			*text = end + 1;
			return true;
		case '[':
		case ']':
			part->kind = **text == '[' ? INTAKE_PART_OPEN : INTAKE_PART_CLOSE;
			(*text)++;
			return true;
		default:
			*text += compile_literal(*text, part);
			return true;
	}
}

/*
 * Compiles a template. Returns NULL, with what is wrong in *WHY, where it is not one. The
 * template keeps a copy of TEXT.
 */
IntakeTemplate *
intake_template_compile(const char *text, const char **why)
{
	IntakeTemplate *message = palloc0(sizeof(IntakeTemplate) + MOST_PARTS * sizeof(IntakePart));
	bool open = false;
	const char *start;

	text = pstrdup(text);
	while (*text != '\0')
	{
		IntakePart *part = &message->parts[message->count];

		if (message->count == MOST_PARTS)
		{
			fail(why, "a template has more than 40 parts");
			return NULL;
		}
		start = text;
		if (!compile_part(&text, part, why))
			return NULL;
		part->text = (IntakeSlice){start, (size_t) (text - start)};
		message->count++;
		if ((part->kind == INTAKE_PART_OPEN && open) || (part->kind == INTAKE_PART_CLOSE && !open))
		{
			fail(why, "a template has brackets that do not match");
			return NULL;
		}
		open = part->kind == INTAKE_PART_OPEN || (open && part->kind != INTAKE_PART_CLOSE);
	}
	if (open)
	{
		fail(why, "a template has brackets that do not match");
		return NULL;
	}
	return message;
}

/* ---- what a template is made of ---- */

/* Whether a template (or NULL) has the variable of that name, or has it inside of a function. */
bool
intake_template_uses(const IntakeTemplate *message, const char *variable)
{
	for (int i = 0; message != NULL && i < message->count; i++)
	{
		const IntakePart *part = &message->parts[i];

		if ((int) part->kind < N_VARIABLES && strcmp(variables[part->kind], variable) == 0)
			return true;
		if (intake_template_uses(part->arguments, variable))
			return true;
	}
	return false;
}

/* Whether a template has something of a JSON body, or of a form: KIND is the one or the other. */
bool
intake_template_reads(const IntakeTemplate *message, IntakePlaceKind kind)
{
	for (int i = 0; i < message->count; i++)
	{
		const IntakePart *part = &message->parts[i];

		if ((part->kind == INTAKE_PART_LOCATION && part->place->kind == kind) ||
			(part->kind == INTAKE_PART_FORM_SORTED && kind == INTAKE_FORM) ||
			(part->arguments != NULL && intake_template_reads(part->arguments, kind)))
			return true;
	}
	return false;
}

/* Makes {timestamp} of the parts that read the place where the time stands. */
void
intake_template_find_time(IntakeTemplate *message, const IntakePlace *place)
{
	for (int i = 0; i < message->count; i++)
	{
		IntakePart *part = &message->parts[i];

		if (part->kind == INTAKE_PART_LOCATION && intake_place_equal(part->place, place))
			part->kind = INTAKE_PART_TIMESTAMP;
		if (part->arguments != NULL)
			intake_template_find_time(part->arguments, place);
	}
}

/*
 * Lets a pattern say what may stand at a place, wherever a template has that. Returns whether it
 * has it, and nowhere with another pattern already.
 */
bool
intake_template_expect(IntakeTemplate *message, const IntakePlace *place,
					   const IntakePattern *pattern)
{
	bool found = false;

	for (int i = 0; i < message->count; i++)
	{
		IntakePart *part = &message->parts[i];

		if (part->arguments != NULL)
			(void) intake_template_expect(part->arguments, place, pattern);
		if (part->kind != INTAKE_PART_LOCATION || !intake_place_equal(part->place, place))
			continue;
		if (part->pattern != NULL)
			return false;
		part->pattern = pattern;
		found = true;
	}
	return found;
}

/* ---- rendering ---- */

static IntakeSlice
to_lower(IntakeSlice text)
{
	char *out = palloc(text.len + 1);

	intake_work_charge(text.len);
	for (size_t i = 0; i < text.len; i++)
		out[i] = text.data[i] >= 'A' && text.data[i] <= 'Z' ? text.data[i] + 32 : text.data[i];
	return (IntakeSlice){out, text.len};
}

static IntakeSlice
encode(IntakeEncoding encoding, const IntakeDigest *digest)
{
	char *out = palloc(intake_encoding_size(digest->len));

	return (IntakeSlice){out, intake_encoding_encode(encoding, intake_digest_slice(digest), out)};
}

static IntakeSlice
upper_case(IntakeSlice text)
{
	char *out = palloc(text.len + 1);

	for (size_t i = 0; i < text.len; i++)
		out[i] = text.data[i] >= 'a' && text.data[i] <= 'z' ? text.data[i] - 32 : text.data[i];
	return (IntakeSlice){out, text.len};
}

/*
 * The hash by which Atlassian binds a token to a request (qsh): of METHOD&path&query. The path is
 * that under the app's base URL, which is {token} where that is a URL; else it has no path itself.
 */
static IntakeSlice
query_string_hash(const IntakeValues *values)
{
	IntakeSlice query = INTAKE_ABSENT;
	IntakeSlice base;
	IntakeSlice parts[5];
	IntakeDigest digest;

	if (values->url.data == NULL)
		return INTAKE_ABSENT;
	(void) intake_slice_cut(values->url, "?", &query);
	(void) intake_slice_cut(values->token, "://", &base);
	parts[0] = upper_case(values->request->method);
	parts[1] = parts[3] = intake_slice_cstr("&");
	parts[2] = intake_url_canonical_path(values->url, base.data ? values->token : INTAKE_ABSENT);
	parts[4] =
		query.data ? intake_form_canonical(query, intake_slice_cstr("jwt")) : intake_slice_cstr("");
	if (parts[2].data == NULL || !intake_digest_plain(INTAKE_SHA256, parts, 5, &digest))
		return INTAKE_ABSENT;
	return encode(INTAKE_HEX, &digest);
}

/* Whether a text could be cut elsewhere once it stands in a list of name:value;name:value. */
static bool
has_border(IntakeSlice text, const char *borders)
{
	for (; *borders != '\0'; borders++)
		if (memchr(text.data, *borders, text.len) != NULL)
			return true;
	return false;
}

/*
 * Finds the headers that a list names with commas; returns how many, or -1 where one is not there,
 * or has a ; in it.
 */
static int
find_listed(IntakeSlice list, const IntakeRequest *request, IntakeSlice *names, IntakeSlice *values)
{
	IntakePlace place = {.kind = INTAKE_HEADER};
	int count = 0;

	for (; list.data != NULL; count++)
	{
		if (count == MOST_LISTED)
			return -1;
		place.name = names[count] = intake_slice_trim(intake_slice_cut(list, ",", &list));
		if (intake_location_all(&place, request, INTAKE_ABSENT, &values[count], 1) == 0 ||
			has_border(names[count], ":;") || has_border(values[count], ";"))
			return -1;
	}
	return count;
}

/* The headers that another header lists with commas, as name:value;name:value. */
static IntakeSlice
listed_headers(IntakeSlice name, const IntakeRequest *request)
{
	IntakePlace place = {.kind = INTAKE_HEADER, .name = name};
	IntakeSlice names[MOST_LISTED];
	IntakeSlice values[MOST_LISTED];
	IntakeSlice list;
	int count;
	size_t n = 0;
	char *out;

	if (request->headers.len > MOST_LISTED_OF ||
		intake_location_all(&place, request, INTAKE_ABSENT, &list, 1) == 0 ||
		(count = find_listed(list, request, names, values)) < 0)
		return INTAKE_ABSENT;
	for (int i = 0; i < count; i++)
		n += names[i].len + values[i].len + 2;
	/* A name that is listed more than once could make more text than the block has. */
	if (n > MOST_LISTED_OF)
		return INTAKE_ABSENT;
	out = palloc(n + 1);
	n = 0;
	for (int i = 0; i < count; i++)
	{
		if (i > 0)
			out[n++] = ';';
		memcpy(out + n, names[i].data, names[i].len);
		n += names[i].len;
		out[n++] = ':';
		memcpy(out + n, values[i].data, values[i].len);
		n += values[i].len;
	}
	return (IntakeSlice){out, n};
}

/* What each byte does to a CRC-32; made once. */
static const uint32_t *
crc32_table(void)
{
	static uint32_t table[256];

	for (uint32_t byte = 1; table[255] == 0 && byte < 256; byte++)
	{
		uint32_t remainder = byte;

		for (int bit = 0; bit < 8; bit++)
			remainder = remainder >> 1 ^ (remainder & 1 ? 0xEDB88320u : 0);
		table[byte] = remainder;
	}
	return table;
}

/* CRC-32 as in ISO 3309 and ZIP. */
static IntakeSlice
crc32_decimal(const IntakeSlice *parts, int count)
{
	const uint32_t *table = crc32_table();
	uint32_t crc = 0xFFFFFFFFu;
	char *out = palloc(16);

	for (int i = 0; i < count; i++)
	{
		for (size_t j = 0; j < parts[i].len; j++)
			crc = crc >> 8 ^ table[(crc ^ (unsigned char) parts[i].data[j]) & 255];
		intake_work_charge(2 * parts[i].len);
	}
	snprintf(out, 16, "%u", (unsigned) (crc ^ 0xFFFFFFFFu));
	return intake_slice_cstr(out);
}

static IntakeSlice
call_function(const IntakePart *part, const IntakeValues *values)
{
	IntakeSlice parts[MOST_PARTS];
	int count = intake_template_render(part->arguments, values, parts);
	IntakeDigest digest;
	bool ok;

	if (count < 0)
		return INTAKE_ABSENT;
	if (part->kind == INTAKE_PART_CRC32)
		return crc32_decimal(parts, count);
	if (part->kind == INTAKE_PART_HMAC)
		ok = intake_digest_mac(values->mac, parts, count, &digest);
	else
		ok = intake_digest_plain(part->algorithm, parts, count, &digest);
	return ok ? encode(part->encoding, &digest) : INTAKE_ABSENT;
}

static IntakeSlice
read_place(const IntakePlace *place, const IntakeValues *values)
{
	IntakeSlice value;

	if (intake_location_all(place, values->request, values->item, &value, 1) == 0 ||
		(value.len == 0 && place->kind <= INTAKE_HEADERS))
		return INTAKE_ABSENT;
	return value;
}

static IntakeSlice
part_value(const IntakePart *part, const IntakeValues *values)
{
	switch (part->kind)
	{
		case INTAKE_PART_LITERAL:
			return part->literal;
		case INTAKE_PART_BODY:
			return values->request->body;
		case INTAKE_PART_TIMESTAMP:
			return values->timestamp;
		case INTAKE_PART_METHOD:
			return values->request->method;
		case INTAKE_PART_URL:
			return values->url;
		case INTAKE_PART_ENDPOINT:
			return intake_url_without_query(values->url);
		case INTAKE_PART_PATH:
			return intake_url_path(values->url);
		case INTAKE_PART_SECRET:
			return values->secret;
		case INTAKE_PART_TOKEN:
			return values->token;
		case INTAKE_PART_FORM_SORTED:
			return values->form_sorted.data
					   ? values->form_sorted
					   : intake_form_sorted(intake_request_form(values->request));
		case INTAKE_PART_QSH:
			return query_string_hash(values);
		case INTAKE_PART_LOCATION:
			return read_place(part->place, values);
		case INTAKE_PART_HEADER_LIST:
			return listed_headers(part->literal, values->request);
		case INTAKE_PART_DIGEST:
		case INTAKE_PART_HMAC:
		case INTAKE_PART_CRC32:
			return call_function(part, values);
		default:
			return intake_slice_cstr("");
	}
}

static bool
is_malformed(const IntakePart *part, IntakeSlice value)
{
	return part->pattern != NULL && value.data != NULL &&
		   !intake_pattern_matches(part->pattern, value);
}

/* The first part whose value is not what its pattern says, or NULL. */
const IntakePart *
intake_template_malformed(const IntakeTemplate *message, const IntakeValues *values)
{
	for (int i = 0; i < message->count; i++)
		if (message->parts[i].pattern != NULL &&
			is_malformed(&message->parts[i], part_value(&message->parts[i], values)))
			return &message->parts[i];
	return NULL;
}

/*
 * Renders a template as slices, one behind the other; returns how many, or INTAKE_RENDER_ABSENT or
 * INTAKE_RENDER_MALFORMED.
 */
int
intake_template_render(const IntakeTemplate *message, const IntakeValues *values, IntakeSlice *out)
{
	int count = 0;
	int opened = -1; /* count at the opening bracket */
	bool dropped = false;

	for (int i = 0; i < message->count; i++)
	{
		const IntakePart *part = &message->parts[i];
		IntakeSlice value = part_value(part, values);

		if (value.data == NULL && opened < 0 && values->lasting)
			value = intake_slice_cstr("");
		else if (!values->lasting && is_malformed(part, value))
			return INTAKE_RENDER_MALFORMED;
		if (part->kind == INTAKE_PART_OPEN)
		{
			opened = count;
			dropped = false;
		}
		else if (part->kind == INTAKE_PART_CLOSE)
		{
			count = dropped ? opened : count;
			opened = -1;
		}
		else if (value.data == NULL && opened < 0)
			return INTAKE_RENDER_ABSENT;
		else if (value.data == NULL)
			dropped = true;
		else
			out[count++] = part->lower ? to_lower(value) : value;
	}
	return count;
}

/* Renders a template as one text, NUL-terminated behind its end; absent where it cannot be. */
IntakeSlice
intake_template_text(const IntakeTemplate *message, const IntakeValues *values)
{
	IntakeSlice parts[MOST_PARTS];
	int count = intake_template_render(message, values, parts);
	size_t length = 0;
	char *out;

	if (count < 0)
		return INTAKE_ABSENT;
	for (int i = 0; i < count; i++)
		length += parts[i].len;
	out = palloc(length + 1);
	length = 0;
	for (int i = 0; i < count; i++)
	{
		memcpy(out + length, parts[i].data, parts[i].len);
		length += parts[i].len;
	}
	out[length] = '\0';
	return (IntakeSlice){out, length};
}
