/*
 * outline.c
 *		Where the containers of a JSON text end, and how many elements they have. Pure.
 *
 * The text is read once. Of a container of which less than 64 bytes are its own, and not those of noted
 * ones in it, nothing is noted: it is read again when somebody asks, which costs little, however
 * containers are nested. So there is at most one note for 64 bytes of text.
 */
#include "common/memory.h"

#include "read/json.h"
#include "read/outline.h"
#include "read/work.h"

#define SMALL 64 /* bytes of a container's own: less is not noted */
#define FORGOTTEN UINT32_MAX
#define FIRST_ROOM 16
#define CHARGE_EVERY 65536 /* bytes */

/* The containers around the place that is being read. */
typedef struct Level
{
	int note;
	uint32_t noted; /* bytes of noted containers in it */
} Level;

typedef struct Levels
{
	Level list[INTAKE_JSON_DEPTH];
	int depth;
	int forgotten; /* notes that stand before others */
} Levels;

/* Takes the forgotten notes out. */
static void
tidy(IntakeOutline *o, Levels *levels)
{
	int kept = 0;
	int level = 0;

	for (int i = 0; i < o->count; i++)
	{
		if (level < levels->depth && levels->list[level].note == i)
			levels->list[level++].note = kept;
		if (o->notes[i].end != FORGOTTEN)
			o->notes[kept++] = o->notes[i];
	}
	o->count = kept;
	levels->forgotten = 0;
}

/* Notes that a container starts. */
static void
open_note(IntakeOutline *o, Levels *levels, const char *at)
{
	if (o->count == o->room && levels->forgotten > o->room / 2)
		tidy(o, levels);
	if (o->count == o->room)
		o->notes = repalloc(o->notes, (o->room *= 2) * sizeof(IntakeNote));
	o->notes[o->count] = (IntakeNote){at - o->text, 0, 0};
	levels->list[levels->depth++] = (Level){o->count++, 0};
}

/* Notes its end; what has little of its own is forgotten. */
static void
close_note(IntakeOutline *o, Levels *levels, const char *end)
{
	Level level = levels->list[--levels->depth];
	IntakeNote *note = &o->notes[level.note];
	uint32_t length = end - o->text - note->start;
	uint32_t noted = length;

	note->end = end - o->text;
	if (length - level.noted < SMALL)
	{
		noted = level.noted;
		note->end = FORGOTTEN;
		if (level.note == o->count - 1)
			o->count--;
		else
			levels->forgotten++;
	}
	if (levels->depth > 0)
		levels->list[levels->depth - 1].noted += noted;
}

/*
 * Reads a text, which is JSON of at most INTAKE_JSON_DEPTH levels, and makes the notes, in the current
 * context. They are the caller's to free.
 */
void
intake_outline_make(IntakeOutline *o, IntakeSlice text)
{
	static const bool marks[256] = {
		['"'] = true, ['{'] = true, ['}'] = true, ['['] = true, [']'] = true, [','] = true};
	Levels levels;
	const char *charged = text.data;

	*o = (IntakeOutline){.text = text.data, .end = text.data + text.len, .room = FIRST_ROOM};
	o->notes = palloc(o->room * sizeof(IntakeNote));
	levels.depth = levels.forgotten = 0;
	for (const char *at = o->text; at < o->end; at++)
	{
		if (!marks[(unsigned char) *at])
			continue;
		if (*at == '"')
			at = intake_json_end(at, o->end) - 1;
		else if ((*at == '{' || *at == '[') && levels.depth < INTAKE_JSON_DEPTH)
			open_note(o, &levels, at);
		else if (levels.depth > 0 && *at == ',')
			o->notes[levels.list[levels.depth - 1].note].commas++;
		else if (levels.depth > 0)
			close_note(o, &levels, at + 1);
		if (at - charged >= CHARGE_EVERY)
		{
			intake_work_charge(at - charged);
			charged = at;
		}
	}
	if (levels.forgotten > 0)
		tidy(o, &levels);
}

/* The first note that does not start before OFFSET. */
static int
search_note(const IntakeOutline *o, uint32_t offset)
{
	int low = 0;
	int high = o->count;

	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (o->notes[middle].start < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Reads a container that is not noted, but not the noted ones in it, which are the next ones. */
static IntakeNote
look_at_small(const IntakeOutline *o, const char *at)
{
	IntakeNote note = {at - o->text, 0, 0};
	int next = o->next;
	int depth = 0;

	do
	{
		uint32_t offset = at - o->text;

		if (next < o->count && o->notes[next].start < offset)
			next = search_note(o, offset);
		if (next < o->count && o->notes[next].start == offset)
			at = o->text + o->notes[next].end - 1;
		else if (*at == '"')
			at = intake_json_end(at, o->end) - 1;
		else if (*at == '{' || *at == '[')
			depth++;
		else if (*at == '}' || *at == ']')
			depth--;
		else if (*at == ',' && depth == 1)
			note.commas++;
		at++;
	} while (depth > 0 && at < o->end);
	note.end = at - o->text;
	return note;
}

/* What there is to know of the container at AT. */
IntakeNote
intake_outline_look(IntakeOutline *o, const char *at)
{
	uint32_t offset = at - o->text;

	if ((o->next < o->count && o->notes[o->next].start < offset) ||
		(o->next > 0 && o->notes[o->next - 1].start >= offset))
		o->next = search_note(o, offset);
	if (o->next < o->count && o->notes[o->next].start == offset)
		return o->notes[o->next++];
	return look_at_small(o, at);
}
