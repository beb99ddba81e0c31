/*
 * line.c
 *		The language of a template, as a line of cells that read one byte each. Pure.
 */
#include "common/memory.h"

#include "read/form.h"
#include "verify/line.h"

#define MOST_COUNTED 128

static const IntakeBytes every_byte = {{~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0)}};

static IntakeBytes
bytes_of(const char *characters)
{
	IntakeBytes set = {{0}};

	for (; *characters != '\0'; characters++)
		intake_bytes_add(&set, (unsigned char) *characters, (unsigned char) *characters);
	return set;
}

static IntakeBytes
all_but(const char *characters)
{
	IntakeBytes set = bytes_of(characters);

	for (int i = 0; i < 4; i++)
		set.bits[i] = ~set.bits[i];
	return set;
}

static IntakeCell *
add_cell(IntakeLine *line, IntakeBytes set, bool optional, bool repeats)
{
	IntakeCell *cell;

	if (line->count == INTAKE_LINE_MOST)
	{
		line->too_long = true;
		line->count--;
	}
	cell = &line->cells[line->count++];
	*cell = (IntakeCell){.set = set,
						 .optional = optional,
						 .behind = line->count,
						 .repeats = repeats,
						 .part = line->part};
	return cell;
}

static void
add_run(IntakeLine *line, IntakeBytes set, int least, int most)
{
	bool unbounded = most == INTAKE_UNBOUNDED || most > MOST_COUNTED;

	least = least > MOST_COUNTED ? MOST_COUNTED : least;
	for (int i = 0; i < least; i++)
		add_cell(line, set, false, false);
	if (unbounded)
		add_cell(line, set, true, true);
	/* Without the first, the others are left out, too: so that there is one way to read N bytes. */
	for (int i = least, behind = line->count + most - least; i < most && !unbounded; i++)
		add_cell(line, set, true, false)->behind = behind;
}

static void
add_literal(IntakeLine *line, IntakeSlice text)
{
	for (size_t i = 0; i < text.len; i++)
	{
		IntakeBytes set = {{0}};

		intake_bytes_add(&set, (unsigned char) text.data[i], (unsigned char) text.data[i]);
		add_cell(line, set, false, false);
	}
}

static void
add_pattern(IntakeLine *line, const IntakePattern *pattern)
{
	for (int i = 0; i < pattern->count; i++)
		add_run(line, pattern->runs[i].set, pattern->runs[i].least, pattern->runs[i].most);
}

static void
add_expression(IntakeLine *line, const char *expression)
{
	IntakePattern pattern;

	if (intake_pattern_parse(expression, &pattern))
		add_pattern(line, &pattern);
	else
		add_run(line, every_byte, 0, INTAKE_UNBOUNDED);
}

/* What this side knows: it begins with a byte of FIRST. */
static void
add_fixed(IntakeLine *line, int variable, IntakeBytes first)
{
	int start = line->count;

	add_cell(line, first, false, false);
	add_cell(line, every_byte, true, true);
	for (int i = start; i < line->count; i++)
	{
		line->cells[i].block = INTAKE_BLOCK_FIXED;
		line->cells[i].variable = variable;
	}
}

/* An object or an array, with white space (or a byte order mark) around it. */
static void
add_json(IntakeLine *line)
{
	int start = line->count;

	add_cell(line, bytes_of("{[ \t\r\n\xEF"), false, false);
	add_cell(line, every_byte, true, true);
	add_cell(line, bytes_of("}] \t\r\n"), false, false);
	for (int i = start; i < line->count; i++)
		line->cells[i].block = INTAKE_BLOCK_JSON;
}

/* The URL: the configured one, and the fields that the sender adds to its query. */
static void
add_url(IntakeLine *line, const IntakeScheme *scheme, const IntakePart *part)
{
	add_fixed(line, part->kind, bytes_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/"));
	for (int i = 0; i < scheme->n_url_fields && part->kind != INTAKE_PART_ENDPOINT; i++)
	{
		line->part++;
		add_cell(line, bytes_of("?&"), false, false);
		add_literal(line, intake_slice_cstr(scheme->url_fields[i]));
		add_cell(line, bytes_of("="), false, false);
		add_run(line, all_but("&#"), 0, INTAKE_UNBOUNDED);
	}
}

/* Fields, sorted, as names and values, of which any may be missing. Which names there are may be known. */
static void
add_form_sorted(IntakeLine *line, const IntakeScheme *scheme)
{
	for (int i = 0; i < scheme->n_fields || i == 0; i++)
	{
		int first = line->count;

		line->part++;
		if (scheme->n_fields > 0)
			add_literal(line, intake_slice_cstr(scheme->fields[i]));
		else
			add_cell(line, bytes_of(INTAKE_FORM_NAME_STARTS), false, false);
		line->part++;
		add_run(line, every_byte, 0, INTAKE_UNBOUNDED);
		line->cells[first].skip_to = line->count;
	}
}

static void
add_time(IntakeLine *line, IntakeTimeUnit unit)
{
	static const char *const forms[] = {
		[INTAKE_SECONDS] = "^[0-9]{10}$",
		[INTAKE_MILLISECONDS] = "^[0-9]{13}$",
		[INTAKE_ISO8601] =
			"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.?[0-9]*[Z+-][0-9:]{0,5}$",
		[INTAKE_ISO8601_LOCAL] =
			"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.?[0-9]*$",
		[INTAKE_HTTP_DATE] = "^[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT$",
	};

	add_expression(line, forms[unit]);
}

/* What can stand at a place of a request. */
static void
add_place(IntakeLine *line, const IntakePart *part)
{
	if (part->pattern != NULL)
		add_pattern(line, part->pattern);
	else if (part->place->kind == INTAKE_HEADER || part->place->kind == INTAKE_HEADERS)
	{
		add_cell(line, all_but(" \t\r\n"), false, false);
		add_run(line, all_but("\r\n"), 0, INTAKE_UNBOUNDED);
	}
	else
		add_run(line, every_byte, 0, INTAKE_UNBOUNDED);
}

/* Lets cells read what remains of their bytes in lower case, too. */
static void
add_lower_case(IntakeLine *line, int first)
{
	for (int i = first; i < line->count; i++)
		for (int byte = 'A'; byte <= 'Z'; byte++)
			if (intake_bytes_have(&line->cells[i].set, (unsigned char) byte))
				intake_bytes_add(&line->cells[i].set, byte | 0x20, byte | 0x20);
}

/* How a digest is written. */
static void
add_digest(IntakeLine *line, const IntakeScheme *scheme, const IntakePart *part)
{
	static const int lengths[] = {[INTAKE_SHA1] = 20, [INTAKE_SHA256] = 32, [INTAKE_SHA512] = 64};
	IntakeAlgorithm algorithm =
		part->kind == INTAKE_PART_HMAC ? scheme->algorithm : part->algorithm;
	int length = lengths[algorithm];

	if (part->kind == INTAKE_PART_CRC32)
		add_expression(line, "^[0-9]{1,10}$");
	else if (part->kind == INTAKE_PART_QSH)
		add_run(line, bytes_of("0123456789abcdef"), 64, 64);
	else if (part->encoding == INTAKE_HEX)
		add_run(line, bytes_of("0123456789abcdef"), 2 * length, 2 * length);
	else
	{
		int padded = (length + 2) / 3 * 4;
		int most = part->encoding == INTAKE_BASE64 ? padded : (length * 8 + 5) / 6;

		add_run(line, all_but("\r\n"), most, most);
	}
}

static void
add_body(IntakeLine *line, const IntakeScheme *scheme)
{
	if (scheme->content == INTAKE_CONTENT_JSON)
		add_json(line);
	else
		add_run(line, every_byte, 0, INTAKE_UNBOUNDED);
}

static void
add_part(IntakeLine *line, const IntakeScheme *scheme, const IntakePart *part)
{
	switch (part->kind)
	{
		case INTAKE_PART_LITERAL:
			add_literal(line, part->literal);
			break;
		case INTAKE_PART_METHOD:
			add_literal(line, intake_slice_cstr("POST")); /* only those become events */
			break;
		case INTAKE_PART_BODY:
			add_body(line, scheme);
			break;
		case INTAKE_PART_TIMESTAMP:
			if (part->pattern != NULL)
				add_pattern(line, part->pattern);
			else
				add_time(line, scheme->unit);
			break;
		case INTAKE_PART_URL:
		case INTAKE_PART_ENDPOINT:
		case INTAKE_PART_PATH:
			add_url(line, scheme, part);
			break;
		case INTAKE_PART_SECRET:
		case INTAKE_PART_TOKEN:
			add_fixed(line, part->kind, every_byte);
			break;
		case INTAKE_PART_FORM_SORTED:
			add_form_sorted(line, scheme);
			break;
		case INTAKE_PART_LOCATION:
			add_place(line, part);
			break;
		case INTAKE_PART_HEADER_LIST:
			add_run(line, all_but("\r\n"), 0, INTAKE_UNBOUNDED);
			break;
		case INTAKE_PART_OPEN:
		case INTAKE_PART_CLOSE:
			break;
		default:
			add_digest(line, scheme, part);
	}
}

/* The line of a template, as a scheme uses it. */
IntakeLine
intake_line_make(const IntakeScheme *scheme, const IntakeTemplate *message)
{
	IntakeLine line = {.cells = palloc0(INTAKE_LINE_MOST * sizeof(IntakeCell))};
	int opened = 0;

	add_cell(&line, (IntakeBytes){{0}}, false, false);
	for (int i = 0; i < message->count; i++)
	{
		int first = line.count;

		line.part++;
		add_part(&line, scheme, &message->parts[i]);
		if (message->parts[i].lower)
			add_lower_case(&line, first);
		if (message->parts[i].kind == INTAKE_PART_OPEN)
			opened = line.count;
		else if (message->parts[i].kind == INTAKE_PART_CLOSE && opened < line.count)
		{
			/* A cell has one such way; where it needs two, nothing is said of the line. */
			line.too_long |= line.cells[opened].skip_to > 0;
			line.cells[opened].skip_to = line.count;
		}
	}
	return line;
}
