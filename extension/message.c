/*
 * message.c
 *		Templates: signed content, and what handshakes demand and answer. Pure; what is
 *		compiled and rendered is palloc'ed.
 */
#include "memory.h"

#include "digest.h"
#include "encoding.h"
#include "form.h"
#include "message.h"

#define MOST_PARTS 32

typedef enum
{
	PART_LITERAL,
	PART_BODY,
	PART_TIMESTAMP,
	PART_METHOD,
	PART_URL,
	PART_SECRET,
	PART_TOKEN,
	PART_FORM_SORTED,
	PART_BODY_DIGEST,
	PART_LOCATION,
	PART_OPEN, /* [ */
	PART_CLOSE /* ] */
} PartKind;

typedef struct Part
{
	PartKind kind;
	bool lower;
	IntakeSlice literal;
	IntakeLocation *location;
} Part;

struct IntakeMessage
{
	int count;
	Part parts[MOST_PARTS];
};

static const struct
{
	const char *name;
	PartKind kind;
} variables[] = {
	{"body", PART_BODY},
	{"timestamp", PART_TIMESTAMP},
	{"method", PART_METHOD},
	{"url", PART_URL},
	{"secret", PART_SECRET},
	{"token", PART_TOKEN},
	{"form_sorted", PART_FORM_SORTED},
	{"sha256hex(body)", PART_BODY_DIGEST},
};

static bool
fail(char **error, const char *what)
{
	*error = pstrdup(what);
	return false;
}

/* Compiles what stands between braces. */
static bool
compile_variable(IntakeSlice name, Part *part, char **error)
{
	IntakeSlice lower = intake_slice_cstr("|lower");
	const char *why = NULL;
	char *text;

	if (name.len > lower.len &&
		memcmp(name.data + name.len - lower.len, lower.data, lower.len) == 0)
	{
		part->lower = true;
		name.len -= lower.len;
	}
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		if (intake_slice_equal(name, intake_slice_cstr(variables[i].name)))
		{
			part->kind = variables[i].kind;
			return true;
		}
	text = palloc(name.len + 1);
	memcpy(text, name.data, name.len);
	text[name.len] = '\0';
	part->kind = PART_LOCATION;
	part->location = palloc(sizeof(IntakeLocation));
	if (!intake_location_parse(text, part->location, &why))
		return fail(error, "a template has a variable that is not known");
	return true;
}

/* Compiles the literal text at the start of TEXT, and returns its length. */
static size_t
compile_literal(const char *text, Part *part)
{
	size_t n = strcspn(text, "{[]\\");

	part->kind = PART_LITERAL;
	if (n > 0)
		part->literal = (IntakeSlice){text, n};
	else if (text[1] == 'n')
	{
		part->literal = intake_slice_cstr("\n");
		n = 2;
	}
	else
	{
		part->literal = (IntakeSlice){text, 1};
		n = 1;
	}
	return n;
}

static bool
compile_part(const char **text, Part *part, char **error)
{
	const char *end;

	switch (**text)
	{
		case '{':
			end = strchr(*text, '}');
			if (end == NULL)
				return fail(error, "a template has a brace that is not closed");
			if (!compile_variable((IntakeSlice){*text + 1, end - *text - 1}, part, error))
				return false;
			*text = end + 1;
			return true;
		case '[':
		case ']':
			part->kind = **text == '[' ? PART_OPEN : PART_CLOSE;
			(*text)++;
			return true;
		default:
			*text += compile_literal(*text, part);
			return true;
	}
}

/*
 * Compiles a template. Returns NULL, with what is wrong in *ERROR, where it is not one. The
 * template keeps a copy of TEXT.
 */
IntakeMessage *
intake_message_compile(const char *text, char **error)
{
	IntakeMessage *message = palloc0(sizeof(IntakeMessage));
	bool open = false;

	text = pstrdup(text);
	while (*text != '\0')
	{
		Part *part = &message->parts[message->count];

		if (message->count == MOST_PARTS)
		{
			fail(error, "a template has more than 32 parts");
			return NULL;
		}
		if (!compile_part(&text, part, error))
			return NULL;
		message->count++;
		if ((part->kind == PART_OPEN && open) || (part->kind == PART_CLOSE && !open))
		{
			fail(error, "a template has brackets that do not match");
			return NULL;
		}
		open = part->kind == PART_OPEN || (open && part->kind != PART_CLOSE);
	}
	if (open)
	{
		fail(error, "a template has brackets that do not match");
		return NULL;
	}
	return message;
}

/* How many slices intake_message_render may write. */
int
intake_message_parts(const IntakeMessage *message)
{
	return message->count;
}

bool
intake_message_uses_url(const IntakeMessage *message)
{
	for (int i = 0; i < message->count; i++)
		if (message->parts[i].kind == PART_URL)
			return true;
	return false;
}

static IntakeSlice
digest_body(IntakeSlice body)
{
	IntakeDigest digest;
	char *hex = palloc(2 * INTAKE_DIGEST_MAX + 1);

	if (!intake_digest_plain(INTAKE_SHA256, &body, 1, &digest))
		return INTAKE_ABSENT;
	intake_encoding_hex(digest.bytes, digest.len, hex);
	return intake_slice_cstr(hex);
}

static IntakeSlice
to_lower(IntakeSlice text)
{
	char *out = palloc(text.len + 1);

	for (size_t i = 0; i < text.len; i++)
		out[i] = text.data[i] >= 'A' && text.data[i] <= 'Z' ? text.data[i] + 32 : text.data[i];
	return (IntakeSlice){out, text.len};
}

static IntakeSlice
part_value(const Part *part, const IntakeValues *values)
{
	switch (part->kind)
	{
		case PART_LITERAL:
			return part->literal;
		case PART_BODY:
			return values->request->body;
		case PART_TIMESTAMP:
			return values->timestamp;
		case PART_METHOD:
			return values->request->method;
		case PART_URL:
			return values->url;
		case PART_SECRET:
			return values->secret;
		case PART_TOKEN:
			return values->token;
		case PART_FORM_SORTED:
			return intake_form_sorted(values->request->body);
		case PART_BODY_DIGEST:
			return digest_body(values->request->body);
		case PART_LOCATION:
			return intake_location_read_item(part->location, values->request, values->item);
		default:
			return intake_slice_cstr("");
	}
}

/*
 * Renders a template as slices, one behind the other; returns how many, or -1 when a value
 * outside of brackets is absent.
 */
int
intake_message_render(const IntakeMessage *message, const IntakeValues *values, IntakeSlice *out)
{
	int count = 0;
	int opened = -1; /* count at the opening bracket */
	bool dropped = false;

	for (int i = 0; i < message->count; i++)
	{
		const Part *part = &message->parts[i];
		IntakeSlice value = part_value(part, values);

		if (part->kind == PART_OPEN)
		{
			opened = count;
			dropped = false;
		}
		else if (part->kind == PART_CLOSE)
		{
			count = dropped ? opened : count;
			opened = -1;
		}
		else if (value.data == NULL && opened < 0)
			return -1;
		else if (value.data == NULL)
			dropped = true;
		else
			out[count++] = part->lower ? to_lower(value) : value;
	}
	return count;
}

/* Renders a template as one text, NUL-terminated behind its end; absent like -1 above. */
IntakeSlice
intake_message_text(const IntakeMessage *message, const IntakeValues *values)
{
	IntakeSlice parts[MOST_PARTS];
	int count = intake_message_render(message, values, parts);
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
