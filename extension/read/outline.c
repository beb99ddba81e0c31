/*
 * outline.c
 *		Where the containers of a JSON text end, and how many elements they have. Pure.
 *
 * The text is read once. Of containers of less than 64 bytes nothing is noted: they are read again
 * when somebody asks, which costs little, however they are nested.
 */
#include "common/memory.h"

#include "read/json.h"
#include "read/outline.h"
#include "read/work.h"

#define SMALL 64 /* bytes of a container: less is not noted */
#define FIRST_ROOM 16
#define CHARGE_EVERY 65536 /* bytes */

/* Notes that a container starts. */
static int
open_note(IntakeOutline *o, const char *at)
{
	if (o->count == o->room)
		o->notes = repalloc(o->notes, (o->room *= 2) * sizeof(IntakeNote));
	o->notes[o->count] = (IntakeNote){at - o->text, 0, 0};
	return o->count++;
}

/* Notes its end; what is small is forgotten, and so is what was in it by then. */
static void
close_note(IntakeOutline *o, int note, const char *end)
{
	o->notes[note].end = end - o->text;
	if (o->notes[note].end - o->notes[note].start < SMALL)
		o->count = note;
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
	int open[INTAKE_JSON_DEPTH];
	int depth = 0;
	const char *charged = text.data;

	*o = (IntakeOutline){.text = text.data, .end = text.data + text.len, .room = FIRST_ROOM};
	o->notes = palloc(o->room * sizeof(IntakeNote));
	for (const char *at = o->text; at < o->end; at++)
	{
		if (!marks[(unsigned char) *at])
			continue;
		if (*at == '"')
			at = intake_json_end(at, o->end) - 1;
		else if ((*at == '{' || *at == '[') && depth < INTAKE_JSON_DEPTH)
			open[depth++] = open_note(o, at);
		else if (depth > 0 && *at == ',')
			o->notes[open[depth - 1]].commas++;
		else if (depth > 0)
			close_note(o, open[--depth], at + 1);
		if (at - charged >= CHARGE_EVERY)
		{
			intake_work_charge(at - charged);
			charged = at;
		}
	}
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

/* Reads a container that is not noted. */
static IntakeNote
look_at_small(const IntakeOutline *o, const char *at)
{
	IntakeNote note = {at - o->text, 0, 0};
	int depth = 0;

	do
	{
		if (*at == '"')
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
