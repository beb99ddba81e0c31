/*
 * jsonb.c
 *		Writing jsonb out of JSON, straight to where it stays.
 *
 * The server's own input builds a tree first, which for small values takes up 30 to 100 times the
 * memory of the text, and copies that. Here the text is read twice. The first time makes an outline,
 * which tells of each container how many elements it has. So the second time knows how much room goes
 * before them, and writes them behind it as it reads them; but the members of an object are written in
 * the order of their names.
 *
 * What is made is, byte by byte, what the server makes. Beside text and result there is a note for
 * each container of 64 bytes or more, and 12 bytes for each member of the objects that one is within.
 * A text that nobody needs afterwards gives its memory back while it is read, so that text and result
 * are never there both as a whole.
 */
#include "postgres.h"

#include "access/htup_details.h" /* varatt.h, which is younger than 15 */
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "events/container.h"
#include "events/jsonb.h"
#include "events/used_text.h"
#include "read/json.h"
#include "read/outline.h"

#define MOST_DIGITS 18 /* of a number that fits into 64 bits, whatever they are */

/* A member of an object. Its name is in the text, or, where that has escapes, among the names. */
typedef struct Member
{
	uint32 name; /* offset */
	uint32 length : 31;
	bool unescaped : 1;
	uint32 value; /* offset in the text */
} Member;

typedef struct Names
{
	char *bytes;
	uint32 used;
	uint32 room;
} Names;

typedef struct Writer
{
	const char *text;
	const char *end;
	IntakeOutline outline;
	Member *members; /* of the objects that are being written, one behind the other */
	uint32 n_members;
	uint32 members_room;
	Names names;
	IntakeUsedText used;
	IntakeContainers out;
} Writer;

/* ---- reading ---- */

static inline const char *
skip_space(const Writer *w, const char *at)
{
	while (at < w->end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
		at++;
	return at;
}

/* Over a comma, a colon or the end of a container, with the space before it. */
static inline const char *
skip_mark(const Writer *w, const char *at)
{
	at = skip_space(w, at);
	return at < w->end ? at + 1 : at;
}

static inline bool
is_closing(const Writer *w, const char *at)
{
	return at >= w->end || *at == ']' || *at == '}';
}

/* The end of the value at AT. */
static const char *
value_end(Writer *w, const char *at)
{
	if (at < w->end && (*at == '{' || *at == '['))
		return w->text + intake_outline_look(&w->outline, at).end;
	return intake_json_end(at, w->end);
}

/* ---- writing ---- */

/* Writes what a string says, of which INSIDE is between the quotes; returns its length. */
static uint32
write_text(Writer *w, const char *inside, size_t length)
{
	char *out = intake_container_reserve(&w->out, length);
	size_t written = length;

	if (memchr(inside, '\\', length) == NULL)
		memcpy(out, inside, length);
	else
		written = intake_json_unescape((IntakeSlice){inside, length}, out);
	w->out.length -= length - written;
	return written;
}

static Numeric
read_number(const char *at, const char *end)
{
	bool negative = *at == '-';
	const char *digit = at + negative;
	int64 value = 0;
	char *text;
	Numeric number;

	if (end - digit <= MOST_DIGITS)
	{
		while (digit < end && *digit >= '0' && *digit <= '9')
			value = value * 10 + (*digit++ - '0');
		if (digit == end)
			return int64_to_numeric(negative ? -value : value);
	}
	text = pnstrdup(at, end - at);
	number = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
												 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	pfree(text);
	return number;
}

static JEntry
write_number(Writer *w, const char *at, const char *end)
{
	Numeric number = read_number(at, end);
	int padding = intake_container_pad(&w->out);
	int length = VARSIZE_ANY(number);

	memcpy(intake_container_reserve(&w->out, length), number, length);
	pfree(number);
	return JENTRY_ISNUMERIC | (padding + length);
}

static JEntry
write_scalar(Writer *w, const char *at, const char *end)
{
	if (at == end)
		return JENTRY_ISNULL;
	switch (*at)
	{
		case '"':
			return JENTRY_ISSTRING | write_text(w, at + 1, end - at - 2);
		case 't':
			return JENTRY_ISBOOL_TRUE;
		case 'f':
			return JENTRY_ISBOOL_FALSE;
		case 'n':
			return JENTRY_ISNULL;
		default:
			return write_number(w, at, end);
	}
}

static JEntry write_value(Writer *w, const char **at);

/* Writes an array, or a document that is a scalar as the only element of one. */
static JEntry
write_array(Writer *w, const char **at, uint32 count, uint32 flags)
{
	IntakeEntries entries = intake_container_begin(&w->out, JB_FARRAY | flags | count, count);

	for (uint32 i = 0; i < count && !w->out.full; i++)
	{
		JEntry entry = write_value(w, at);

		intake_container_put(&w->out, &entries, entry);
		*at = skip_mark(w, *at);
		intake_used_text_give_back(&w->used, *at);
	}
	return intake_container_end(&w->out, &entries);
}

/* ---- objects ---- */

/* Notes a name in quotes, which ends at END. */
static void
note_name(Writer *w, Member *member, const char *at, const char *end)
{
	Names *names = &w->names;
	size_t length = end - at - 2;

	member->unescaped = memchr(at + 1, '\\', length) != NULL;
	member->name = at + 1 - w->text;
	member->length = length;
	if (!member->unescaped)
		return;
	if (length > names->room - names->used)
	{
		names->room = names->used + length + names->room;
		names->bytes =
			names->bytes ? repalloc_huge(names->bytes, names->room) : palloc(names->room);
	}
	member->name = names->used;
	member->length =
		intake_json_unescape((IntakeSlice){at + 1, length}, names->bytes + names->used);
	names->used += member->length;
}

/* Notes COUNT members, the first of which is at AT. */
static void
note_members(Writer *w, const char *at, uint32 count)
{
	for (uint32 i = 0; i < count; i++)
	{
		Member *member;
		const char *end;

		if (w->n_members == w->members_room)
			w->members = repalloc_huge(w->members, (w->members_room *= 2) * (Size) sizeof(Member));
		member = &w->members[w->n_members++];
		at = skip_space(w, at);
		end = intake_json_end(at, w->end);
		note_name(w, member, at, end);
		at = skip_space(w, skip_mark(w, end));
		member->value = at - w->text;
		at = skip_mark(w, value_end(w, at));
	}
}

static inline const char *
name_of(const Writer *w, const Member *member)
{
	return (member->unescaped ? w->names.bytes : w->text) + member->name;
}

static inline int
compare_names(const Writer *w, const Member *a, const Member *b)
{
	if (a->length != b->length)
		return a->length < b->length ? -1 : 1;
	return memcmp(name_of(w, a), name_of(w, b), a->length);
}

/* The order of jsonb: shorter names first. Of the same name the last one comes first. */
static int
compare_members(const void *a, const void *b, void *writer)
{
	const Member *left = a;
	const Member *right = b;
	int order = compare_names(writer, left, right);

	return order != 0 ? order : left->value > right->value ? -1 : 1;
}

/* Sorts members, and keeps one of each name, the last; returns how many are left. */
static uint32
sort_members(Writer *w, Member *members, uint32 count)
{
	uint32 kept = 1;
	bool sorted = true;

	for (uint32 i = 1; i < count && sorted; i++)
		sorted = compare_names(w, &members[i - 1], &members[i]) < 0;
	if (sorted)
		return count;
	qsort_arg(members, count, sizeof(Member), compare_members, w);
	for (uint32 i = 1; i < count; i++)
		if (compare_names(w, &members[kept - 1], &members[i]) != 0)
			members[kept++] = members[i];
	return kept;
}

/*
 * The least offset that is read later than the member FIRST: NEEDED, or that of another member before
 * END. While a small member is written, all is kept.
 */
static uint32
needed_after(Writer *w, uint32 first, uint32 end, uint32 needed)
{
	const char *value = w->text + w->members[first].value;

	if (value_end(w, value) - value < INTAKE_USED_AT_ONCE)
		return 0;
	for (uint32 i = first + 1; i < end; i++)
		needed = Min(needed, w->members[i].value);
	return needed;
}

/* Writes an object of COUNT members, the first of which is at AT. A LARGE one is given back. */
static JEntry
write_object(Writer *w, const char *at, uint32 count, bool large)
{
	uint32 first = w->n_members;
	uint32 names = w->names.used;
	uint32 needed = w->used.needed;
	IntakeEntries entries;

	note_members(w, at, count);
	count = sort_members(w, w->members + first, count);
	entries = intake_container_begin(&w->out, JB_FOBJECT | count, 2 * count);
	for (uint32 i = first; i < first + count; i++)
	{
		uint32 length = w->members[i].length;

		memcpy(intake_container_reserve(&w->out, length), name_of(w, &w->members[i]), length);
		intake_container_put(&w->out, &entries, JENTRY_ISSTRING | length);
	}
	for (uint32 i = first; i < first + count && !w->out.full; i++)
	{
		const char *value = w->text + w->members[i].value;
		JEntry entry;

		w->used.needed = large ? needed_after(w, i, first + count, needed) : 0;
		entry = write_value(w, &value);
		intake_container_put(&w->out, &entries, entry);
	}
	w->used.needed = needed;
	w->n_members = first;
	w->names.used = names;
	return intake_container_end(&w->out, &entries);
}

static JEntry
write_container(Writer *w, const char **at)
{
	const char *start = *at;
	const char *inside = skip_space(w, start + 1);
	IntakeNote note = intake_outline_look(&w->outline, start);
	uint32 count = is_closing(w, inside) ? 0 : note.commas + 1;

	check_stack_depth();
	*at = w->text + note.end;
	if (*start == '{')
		return write_object(w, inside, count,
							w->used.needed > 0 && *at - start >= INTAKE_USED_AT_ONCE);
	return write_array(w, &inside, count, 0);
}

/* Writes the value at *AT, and moves that behind it. Returns what it is. */
static JEntry
write_value(Writer *w, const char **at)
{
	const char *start = skip_space(w, *at);

	CHECK_FOR_INTERRUPTS();
	*at = start;
	if (start < w->end && (*start == '{' || *start == '['))
		return write_container(w, at);
	*at = intake_json_end(start, w->end);
	return write_scalar(w, start, *at);
}

/* Writes the document. */
static void
write_document(Writer *w)
{
	const char *at = skip_space(w, w->text);

	(void) intake_container_reserve(&w->out, VARHDRSZ);
	if (at < w->end && (*at == '{' || *at == '['))
		(void) write_container(w, &at);
	else
		(void) write_array(w, &at, 1, JB_FSCALAR);
}

/*
 * The jsonb of a text, which jsonb can hold, as intake_json_look says; in the context KEEPS. NULL
 * where it takes up more than a jsonb can. With USES_UP the text, which must be palloc'ed and nobody
 * else's, is not to be read afterwards.
 */
Jsonb *
intake_jsonb_write(IntakeSlice text, bool uses_up, MemoryContext keeps)
{
	Writer w = {.text = text.data, .end = text.data + text.len};

	w.used = (IntakeUsedText){text.data, 0, uses_up ? UINT32_MAX : 0};

	intake_outline_make(&w.outline, text);
	w.members_room = 16;
	w.members = palloc(w.members_room * sizeof(Member));
	w.out.room = text.len + text.len / 2 + 64;
	w.out.bytes = MemoryContextAllocHuge(keeps, w.out.room);
	write_document(&w);
	pfree(w.outline.notes);
	pfree(w.members);
	if (w.names.bytes != NULL)
		pfree(w.names.bytes);
	if (w.out.full)
	{
		pfree(w.out.bytes);
		return NULL;
	}
	SET_VARSIZE(w.out.bytes, w.out.length);
	return (Jsonb *) repalloc_huge(w.out.bytes, w.out.length);
}
