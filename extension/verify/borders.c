/*
 * borders.c
 *		Whether signed content has one reading only. Pure.
 *
 * The parts of a template become a line of cells, each of which reads one byte: some may be left
 * out, some may repeat. Two readings of one content are two walks along the line that read the
 * same bytes; they differ once one of them goes on to another part at a byte where the other does
 * not. A search over pairs of cells finds whether walks that differ can both come to the end.
 *
 * Three kinds of part are blocks, whose end is known from where they begin: JSON, which ends with
 * the bracket that closes it; and what this side knows and no sender chooses, such as the URL.
 * Walks that enter a block together leave it together. Otherwise a block is taken for any bytes,
 * and numbers of repetitions above MOST_COUNTED for any number: both only make more readings, so
 * an answer that there is one reading holds.
 */
#include <stdio.h>

#include "common/memory.h"

#include "read/form.h"
#include "verify/borders.h"

#define MOST_COUNTED 128
#define MOST_CELLS 1000

typedef enum
{
	OPEN, /* no block */
	FIXED,
	JSON
} Block;

typedef struct Cell
{
	IntakeBytes set;
	bool optional;
	bool repeats;
	bool leaves; /* the last cell of its part, or all behind it may be left out */
	Block block;
	int variable; /* of a fixed block: which */
	int part;
	int skip_to; /* of the first cell of an optional part in brackets: behind them; else 0 */
} Cell;

typedef struct Line
{
	Cell *cells; /* cells[0] reads nothing: the start */
	int count;
	bool too_long;
	int part;
} Line;

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

/* ---- making lines ---- */

static Cell *
add_cell(Line *line, IntakeBytes set, bool optional, bool repeats)
{
	Cell *cell;

	if (line->count == MOST_CELLS)
	{
		line->too_long = true;
		line->count--;
	}
	cell = &line->cells[line->count++];
	*cell = (Cell){.set = set, .optional = optional, .repeats = repeats, .part = line->part};
	return cell;
}

static void
add_run(Line *line, IntakeBytes set, int least, int most)
{
	bool unbounded = most == INTAKE_UNBOUNDED || most > MOST_COUNTED;

	least = least > MOST_COUNTED ? MOST_COUNTED : least;
	for (int i = 0; i < least; i++)
		add_cell(line, set, false, false);
	if (unbounded)
		add_cell(line, set, true, true);
	for (int i = least; i < most && !unbounded; i++)
		add_cell(line, set, true, false);
}

static void
add_literal(Line *line, IntakeSlice text)
{
	for (size_t i = 0; i < text.len; i++)
	{
		IntakeBytes set = {{0}};

		intake_bytes_add(&set, (unsigned char) text.data[i], (unsigned char) text.data[i]);
		add_cell(line, set, false, false);
	}
}

static void
add_pattern(Line *line, const IntakePattern *pattern)
{
	for (int i = 0; i < pattern->count; i++)
		add_run(line, pattern->runs[i].set, pattern->runs[i].least, pattern->runs[i].most);
}

static void
add_expression(Line *line, const char *expression)
{
	IntakePattern pattern;

	if (intake_pattern_parse(expression, &pattern))
		add_pattern(line, &pattern);
	else
		add_run(line, every_byte, 0, INTAKE_UNBOUNDED);
}

/* What this side knows: it begins with a byte of FIRST. */
static void
add_fixed(Line *line, int variable, IntakeBytes first)
{
	int start = line->count;

	add_cell(line, first, false, false);
	add_cell(line, every_byte, true, true);
	for (int i = start; i < line->count; i++)
	{
		line->cells[i].block = FIXED;
		line->cells[i].variable = variable;
	}
}

/* An object or an array, with white space (or a byte order mark) around it. */
static void
add_json(Line *line)
{
	int start = line->count;

	add_cell(line, bytes_of("{[ \t\r\n\xEF"), false, false);
	add_cell(line, every_byte, true, true);
	add_cell(line, bytes_of("}] \t\r\n"), false, false);
	for (int i = start; i < line->count; i++)
		line->cells[i].block = JSON;
}

/* The URL: the configured one, and the fields that the sender adds to its query. */
static void
add_url(Line *line, const IntakeScheme *scheme, const IntakePart *part)
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

/* Fields, sorted, as names and values. Which names there are may be known. */
static void
add_form_sorted(Line *line, const IntakeScheme *scheme)
{
	for (int i = 0; i < scheme->n_fields; i++)
	{
		line->part++;
		add_literal(line, intake_slice_cstr(scheme->fields[i]));
		line->part++;
		add_run(line, every_byte, 0, INTAKE_UNBOUNDED);
	}
	if (scheme->n_fields > 0)
		return;
	add_cell(line, bytes_of(INTAKE_FORM_NAME_STARTS), true, false);
	add_cell(line, every_byte, true, true);
}

static void
add_time(Line *line, IntakeTimeUnit unit)
{
	static const char *const forms[] = {
		[INTAKE_SECONDS] = "^[0-9]{10}$",
		[INTAKE_MILLISECONDS] = "^[0-9]{13}$",
		[INTAKE_ISO8601] =
			"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.?[0-9]*[Z+-][0-9:]{0,5}$",
		[INTAKE_HTTP_DATE] = "^[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT$",
	};

	add_expression(line, forms[unit]);
}

/* What can stand at a place of a request. */
static void
add_place(Line *line, const IntakeScheme *scheme, const IntakePart *part)
{
	if (scheme->has_timestamp && intake_place_equal(part->place, &scheme->timestamp))
		add_time(line, scheme->unit);
	else if (part->pattern != NULL)
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
add_lower_case(Line *line, int first)
{
	for (int i = first; i < line->count; i++)
		for (int byte = 'A'; byte <= 'Z'; byte++)
			if (intake_bytes_have(&line->cells[i].set, (unsigned char) byte))
				intake_bytes_add(&line->cells[i].set, byte | 0x20, byte | 0x20);
}

/* How a digest is written. */
static void
add_digest(Line *line, const IntakeScheme *scheme, const IntakePart *part)
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
add_body(Line *line, const IntakeScheme *scheme)
{
	if (scheme->content == INTAKE_CONTENT_JSON)
		add_json(line);
	else
		add_run(line, every_byte, 0, INTAKE_UNBOUNDED);
}

static void
add_part(Line *line, const IntakeScheme *scheme, const IntakePart *part)
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
			add_place(line, scheme, part);
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

/* Marks the cells of parts behind which the part may end. */
static void
mark_ends(Line *line)
{
	for (int i = line->count - 1; i > 0; i--)
	{
		const Cell *next = i + 1 < line->count ? &line->cells[i + 1] : NULL;

		line->cells[i].leaves =
			next == NULL || next->part != line->cells[i].part || (next->optional && next->leaves);
	}
}

static Line
make_line(const IntakeScheme *scheme, const IntakeTemplate *message)
{
	Line line = {.cells = palloc0(MOST_CELLS * sizeof(Cell))};
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
			line.cells[opened].skip_to = line.count;
	}
	mark_ends(&line);
	return line;
}

/* ---- walking ---- */

#define MOST_NEXT 200

/* The cells that can be read after one; line->count stands for the end. Returns how many. */
static int
find_next(const Line *line, int cell, int *next)
{
	int count = 0;
	int at = cell + 1;

	if (cell > 0 && line->cells[cell].repeats)
		next[count++] = cell;
	while (count < MOST_NEXT)
	{
		next[count++] = at;
		if (at == line->count)
			return count;
		if (line->cells[at].skip_to > 0 && count < MOST_NEXT)
			/* What follows the brackets, too; they are not nested. */
			for (int over = line->cells[at].skip_to; count < MOST_NEXT; over++)
			{
				next[count++] = over;
				if (over == line->count || !line->cells[over].optional)
					break;
			}
		if (!line->cells[at].optional)
			return count;
		at++;
	}
	return count;
}

typedef struct Search
{
	const Line *lines[2];
	unsigned char *seen; /* by pair of cells, and whether the walks differ */
	int *todo;
	int n_todo;
	bool one_line; /* both walks are on it: whether they differ counts */
	int only;      /* behind this part alone they may begin to differ; 0: behind any */
} Search;

static const Cell *
cell_at(const Line *line, int cell)
{
	return cell < line->count ? &line->cells[cell] : NULL;
}

/* Whether two cells belong to the same part; those of two lines only where they are of one block. */
static bool
same_part(const Search *search, const Cell *a, const Cell *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	if (search->one_line)
		return a->part == b->part;
	return a->block != OPEN && a->block == b->block && a->variable == b->variable;
}

/*
 * Whether walks that were together before can be so apart after the next byte, which BOTH cells
 * read: out of a block they go together, but for white space behind JSON.
 */
static bool
may_part(const Cell *from, const Cell *a, const Cell *b)
{
	static const char space[] = " \t\r\n";
	IntakeBytes spaces = bytes_of(space);

	if (from->block == OPEN)
		return true;
	if (from->block == FIXED || a == NULL || b == NULL)
		return false;
	return intake_bytes_meet(&a->set, &spaces) && intake_bytes_meet(&b->set, &spaces);
}

/* Whether a walk that goes from one cell to another enters a part anew. */
static bool
crosses(const Cell *from, const Cell *to)
{
	return to == NULL || from->part != to->part;
}

static void
remember(Search *search, int a, int b, bool differ)
{
	size_t width = (size_t) search->lines[1]->count + 1;
	size_t index = (a * width + b) * 2 + differ;

	if (search->seen[index >> 3] & 1 << (index & 7))
		return;
	search->seen[index >> 3] |= (unsigned char) (1 << (index & 7));
	search->todo[search->n_todo++] = (int) index;
}

/* Goes on from a pair of cells to another one. */
static void
go_on(Search *search, int from_a, int from_b, bool differ, int to_a, int to_b)
{
	const Cell *from = &search->lines[0]->cells[from_a];
	const Cell *other = &search->lines[1]->cells[from_b];
	const Cell *a = cell_at(search->lines[0], to_a);
	const Cell *b = cell_at(search->lines[1], to_b);
	bool out_a = crosses(from, a);
	bool out_b = crosses(other, b);

	if ((a == NULL) != (b == NULL) || (a != NULL && !intake_bytes_meet(&a->set, &b->set)))
		return;
	if (!differ && (out_a != out_b || (out_a && !same_part(search, a, b))))
	{
		/* One leaves the part without the other, or they leave it for different ones. */
		if ((out_a != out_b && !may_part(from, a, b)) ||
			(search->only > 0 && from->part != search->only))
			return;
		differ = true;
	}
	remember(search, to_a, to_b, differ);
}

/* Whether both walks can come to the end; on one line, after they differed. */
static bool
search_pairs(Search *search)
{
	int next_a[MOST_NEXT];
	int next_b[MOST_NEXT];
	int width = search->lines[1]->count + 1;

	while (search->n_todo > 0)
	{
		int index = search->todo[--search->n_todo];
		bool differ = index & 1;
		int a = index / 2 / width;
		int b = index / 2 % width;
		int n_a;
		int n_b;

		if (a == search->lines[0]->count)
		{
			if (differ || !search->one_line)
				return true;
			continue;
		}
		n_a = find_next(search->lines[0], a, next_a);
		n_b = find_next(search->lines[1], b, next_b);
		for (int i = 0; i < n_a; i++)
			for (int j = 0; j < n_b; j++)
				go_on(search, a, b, differ, next_a[i], next_b[j]);
	}
	return false;
}

static bool
run_search(const Line *a, const Line *b, int only)
{
	size_t pairs = ((size_t) a->count + 1) * ((size_t) b->count + 1) * 2;
	Search search = {.lines = {a, b}, .one_line = a == b, .only = only};
	bool found;

	search.seen = palloc0(pairs / 8 + 1);
	search.todo = palloc(pairs * sizeof(int));
	remember(&search, 0, 0, false);
	found = search_pairs(&search);
	pfree(search.seen);
	pfree(search.todo);
	return found;
}

/* ---- what is asked ---- */

/* The text of a part, for people. */
static IntakeSlice
part_text(const IntakeTemplate *message, int number)
{
	return number > 0 && number <= message->count ? message->parts[number - 1].text
												  : intake_slice_cstr("");
}

/* Says which border of a message can move; parts are counted from 1 as lines count them. */
static const char *
describe(const Line *line, const IntakeTemplate *message)
{
	char *text = palloc(300);
	IntakeSlice part = INTAKE_ABSENT;

	for (int number = 1; part.data == NULL && number <= line->part; number++)
		if (run_search(line, line, number))
			part = part_text(message, number);
	snprintf(text, 300,
			 "the border behind \"%.*s\" in the message can move: let require say what may stand "
			 "there, or content what the body is, or set borders to loose",
			 (int) (part.len < 60 ? part.len : 60), part.data ? part.data : "");
	return text;
}

/* Why a template can be cut in more than one way, or NULL. */
static const char *
template_problem(const IntakeScheme *scheme, const IntakeTemplate *message)
{
	Line line = make_line(scheme, message);
	const char *problem = NULL;

	if (line.too_long)
		problem = "the message is too long to be examined";
	else if (run_search(&line, &line, 0))
		problem = describe(&line, message);
	pfree(line.cells);
	for (int i = 0; i < message->count && problem == NULL; i++)
		if (message->parts[i].arguments != NULL)
			problem = template_problem(scheme, message->parts[i].arguments);
	return problem;
}

/* Whether one content could be that of two templates. */
bool
intake_borders_overlap(const IntakeScheme *scheme, const IntakeTemplate *message,
					   const IntakeScheme *other, const IntakeTemplate *other_message)
{
	Line a = make_line(scheme, message);
	Line b = make_line(other, other_message);
	bool overlap = a.too_long || b.too_long || run_search(&a, &b, 0);

	pfree(a.cells);
	pfree(b.cells);
	return overlap;
}

/*
 * A digest of a secret and something behind it can be continued by who knows neither (length
 * extension); what is added is never JSON.
 */
static bool
can_be_continued(const IntakeScheme *scheme)
{
	const IntakeTemplate *message = scheme->message;
	const IntakePart *last = message->count > 0 ? &message->parts[message->count - 1] : NULL;

	return scheme->kind == INTAKE_HASH && last != NULL && last->kind != INTAKE_PART_SECRET &&
		   !(last->kind == INTAKE_PART_BODY && scheme->content == INTAKE_CONTENT_JSON);
}

static bool
share_keys(const IntakeScheme *a, const IntakeScheme *b)
{
	return a->kind == b->kind && a->algorithm == b->algorithm && a->key_type == b->key_type;
}

/*
 * Why what a scheme, with its variants, calls verified could be read in more than one way; NULL
 * where it cannot. A scheme whose borders are loose is not asked for them.
 */
const char *
intake_borders_problem(const IntakeScheme *scheme)
{
	for (const IntakeScheme *one = scheme; one != NULL; one = one->next)
	{
		const char *problem = NULL;

		if (one->message == NULL)
			continue;
		if (can_be_continued(one))
			return "a digest of {secret} can be continued: {secret} must be the last part of the "
				   "message, or {body} with content json";
		if (!one->loose && (problem = template_problem(one, one->message)) != NULL)
			return problem;
		for (const IntakeScheme *other = one->next; other != NULL; other = other->next)
			if (other->message != NULL && share_keys(one, other) &&
				intake_borders_overlap(one, one->message, other, other->message))
				return "what is signed in one variant could be what is signed in another";
	}
	return NULL;
}

/* What a JSON Web Token signs. */
static IntakeTemplate *
token_content(void)
{
	static const char text[] = "{header:x}";
	IntakePattern *pattern = palloc(sizeof(IntakePattern));
	char *error = NULL;
	IntakeTemplate *message = intake_template_compile(text, &error);

	(void) intake_pattern_parse("^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$", pattern);
	message->parts[0].pattern = pattern;
	return message;
}

/* Whether a template has an HMAC of what could be the content of an event. */
static bool
answers_for_events(const IntakeScheme *scheme, const IntakeTemplate *answer)
{
	for (int i = 0; answer != NULL && i < answer->count; i++)
		for (const IntakeScheme *one = scheme; one != NULL; one = one->next)
		{
			const IntakeTemplate *message =
				one->kind == INTAKE_JWT ? token_content() : one->message;

			if (answer->parts[i].kind == INTAKE_PART_HMAC &&
				(one->kind == INTAKE_HMAC || (one->kind == INTAKE_JWT && one->key_is_shared)) &&
				intake_borders_overlap(scheme, answer->parts[i].arguments, one, message))
				return true;
		}
	return false;
}

/*
 * Why a handshake's answer could be the signature of an event; NULL where none could. Who asks for
 * the answer to a challenge must not get an event signed.
 */
const char *
intake_borders_handshake_problem(const IntakeScheme *scheme, const IntakeHandshake *rule)
{
	bool answers =
		answers_for_events(scheme, rule->headers) || answers_for_events(scheme, rule->body);

	for (int i = 0; i < rule->n_members; i++)
		answers = answers || answers_for_events(scheme, rule->members[i]);
	return answers
			   ? "a handshake would sign what could be an event: let require say what a challenge "
				 "looks like, so that no event does"
			   : NULL;
}
