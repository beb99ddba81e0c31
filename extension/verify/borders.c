/*
 * borders.c
 *		Whether signed content has one reading only. Pure.
 *
 * Two readings of one content are two walks along the line of its template (line.h) that read the
 * same bytes; they differ once one of them goes on to another part at a byte where the other does
 * not. A search over pairs of cells finds whether walks that differ can both come to the end.
 *
 * Walks that enter a block together leave it together. Otherwise a block is taken for any bytes,
 * which only makes more readings; so an answer that there is one reading holds.
 */
#include <stdio.h>

#include "common/memory.h"

#include "read/work.h"
#include "verify/borders.h"
#include "verify/line.h"

/* ---- walking ---- */

typedef struct Next
{
	int cells[INTAKE_LINE_MOST + 1];
	int count;
} Next;

/* Adds the cell AT, and those that can be read in its place where it may be left out. */
static void
add_next(const IntakeLine *line, int at, Next *next)
{
	for (;;)
	{
		for (int i = 0; i < next->count; i++)
			if (next->cells[i] == at)
				return;
		next->cells[next->count++] = at;
		if (at == line->count)
			return;
		if (line->cells[at].skip_to > 0)
			add_next(line, line->cells[at].skip_to, next);
		if (!line->cells[at].optional)
			return;
		at = line->cells[at].behind;
	}
}

/* Finds the cells that can be read after one; line->count stands for the end. */
static void
find_next(const IntakeLine *line, int cell, Next *next)
{
	next->count = 0;
	add_next(line, cell + 1, next);
	if (cell > 0 && line->cells[cell].repeats)
		next->cells[next->count++] = cell;
}

typedef struct Search
{
	const IntakeLine *lines[2];
	unsigned char *seen; /* by pair of cells, and whether the walks differ */
	int *todo;
	int n_todo;
	bool one_line; /* both walks are on it: whether they differ counts */
	int only;      /* behind this part alone they may begin to differ; 0: behind any */
} Search;

static const IntakeCell *
cell_at(const IntakeLine *line, int cell)
{
	return cell < line->count ? &line->cells[cell] : NULL;
}

/* Whether two cells belong to the same part; those of two lines only where they are of one block. */
static bool
same_part(const Search *search, const IntakeCell *a, const IntakeCell *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	if (search->one_line)
		return a->part == b->part;
	return a->block != INTAKE_NO_BLOCK && a->block == b->block && a->variable == b->variable;
}

/*
 * Whether walks that were together before can be so apart after the next byte, which BOTH cells
 * read: out of a block they go together, but for white space behind JSON.
 */
static bool
may_part(const IntakeCell *from, const IntakeCell *a, const IntakeCell *b)
{
	IntakeBytes spaces = {{0}};

	for (const char *space = " \t\r\n"; *space != '\0'; space++)
		intake_bytes_add(&spaces, *space, *space);
	if (from->block == INTAKE_NO_BLOCK)
		return true;
	if (from->block == INTAKE_BLOCK_FIXED || a == NULL || b == NULL)
		return false;
	return intake_bytes_meet(&a->set, &spaces) && intake_bytes_meet(&b->set, &spaces);
}

/* Whether a walk that goes from one cell to another enters a part anew. */
static bool
crosses(const IntakeCell *from, const IntakeCell *to)
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
	const IntakeCell *from = &search->lines[0]->cells[from_a];
	const IntakeCell *other = &search->lines[1]->cells[from_b];
	const IntakeCell *a = cell_at(search->lines[0], to_a);
	const IntakeCell *b = cell_at(search->lines[1], to_b);
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
	Next next_a;
	Next next_b;
	int width = search->lines[1]->count + 1;

	while (search->n_todo > 0)
	{
		int index = search->todo[--search->n_todo];
		bool differ = index & 1;
		int a = index / 2 / width;
		int b = index / 2 % width;

		if (a == search->lines[0]->count)
		{
			if (differ || !search->one_line)
				return true;
			continue;
		}
		find_next(search->lines[0], a, &next_a);
		find_next(search->lines[1], b, &next_b);
		intake_work_charge((size_t) next_a.count * (size_t) next_b.count);
		for (int i = 0; i < next_a.count; i++)
			for (int j = 0; j < next_b.count; j++)
				go_on(search, a, b, differ, next_a.cells[i], next_b.cells[j]);
	}
	return false;
}

static bool
run_search(const IntakeLine *a, const IntakeLine *b, int only)
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
describe(const IntakeLine *line, const IntakeTemplate *message)
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

/* A template without the secrets at its end: they are as long in every reading. */
static const IntakeTemplate *
without_secrets(const IntakeTemplate *message)
{
	size_t size = sizeof(IntakeTemplate) + (size_t) message->count * sizeof(IntakePart);
	IntakeTemplate *copy = memcpy(palloc(size), message, size);

	while (copy->count > 0 && (copy->parts[copy->count - 1].kind == INTAKE_PART_SECRET ||
							   copy->parts[copy->count - 1].kind == INTAKE_PART_TOKEN))
		copy->count--;
	return copy;
}

/* Why a template can be cut in more than one way, or NULL. */
static const char *
template_problem(const IntakeScheme *scheme, const IntakeTemplate *message)
{
	IntakeLine line = intake_line_make(scheme, without_secrets(message));
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
	IntakeLine a = intake_line_make(scheme, message);
	IntakeLine b = intake_line_make(other, other_message);
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
		if (!one->loose && one->n_fields == 0 && intake_template_uses(one->message, "form_sorted"))
			return "the fields of {form_sorted} can move: let content name them, or set borders to "
				   "loose";
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
	const char *error = NULL;
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
	bool answers = answers_for_events(scheme, rule->body);

	for (int i = 0; i < rule->n_headers; i++)
		answers = answers || answers_for_events(scheme, rule->headers[i]);
	for (int i = 0; i < rule->n_members; i++)
		answers = answers || answers_for_events(scheme, rule->members[i]);
	return answers
			   ? "a handshake would sign what could be an event: let require say what a challenge "
				 "looks like, so that no event does"
			   : NULL;
}
