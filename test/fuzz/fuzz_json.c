/* JSON. Input: a pointer or a path, then a text. */
#include "read/items.h"
#include "read/json.h"
#include "read/outline.h"
#include "read/work.h"
#include "fuzz.h"

static void
look(IntakeSlice text, const IntakePath *path)
{
	IntakeSlice values[8];
	int found = intake_json_find(text, path, values, 8);

	PROMISE(found >= 0 && found <= 8);
	for (int i = 0; i < found; i++)
	{
		PROMISE(values[i].data >= text.data &&
				values[i].data + values[i].len <= text.data + text.len);
		(void) intake_json_scalar(values[i]);
		if (intake_json_valid(text))
			PROMISE(intake_json_valid(values[i]));
	}
}

/* Items are valid where the text is, in order, and of the text. */
static void
look_for_items(IntakeSlice text, const char *paths)
{
	IntakeLocation location;
	IntakePieces pieces;
	const char *error;

	if (!intake_items_parse(paths, &location, &error))
		return;
	intake_work_begin(text.len, 1);
	PROMISE((intake_items_find(&location, text, &pieces) == INTAKE_ITEMS_FOUND) ==
			(pieces.count > 0));
	for (int i = 0; i < pieces.count; i++)
	{
		IntakeSlice bytes = pieces.list[i].bytes;

		PROMISE(bytes.data >= text.data && bytes.data + bytes.len <= text.data + text.len);
		PROMISE(i == 0 || bytes.data >= pieces.list[i - 1].bytes.data);
		if (intake_json_valid(text))
			PROMISE(intake_json_valid(bytes));
	}
}

/* An outline, asked in any order, tells where containers end; strings are stepped over. */
static void
look_at_outline(IntakeSlice text)
{
	IntakeOutline outline;
	const char *end = text.data + text.len;
	const char *starts[512];
	int count = 0;

	for (const char *at = text.data; at < end && count < 512; at++)
	{
		if (*at == '"')
			at = intake_json_end(at, end) - 1;
		else if (*at == '{' || *at == '[')
			starts[count++] = at;
	}
	intake_outline_make(&outline, text);
	for (int step = 1; step <= count && step < 8; step++)
		for (int i = 0; i < count; i++)
		{
			const char *at = starts[i * step % count];
			IntakeNote note = intake_outline_look(&outline, at);

			PROMISE(text.data + note.start == at);
			PROMISE(text.data + note.end == intake_json_end(at, end));
			PROMISE(note.commas < note.end - note.start);
		}
	pfree(outline.notes);
}

/* What is between the quotes of a string takes no more room than it did. */
static void
look_at_escapes(IntakeSlice text)
{
	char *out = palloc(text.len + 1);

	PROMISE(intake_json_unescape(text, out) <= text.len);
	pfree(out);
}

void
fuzz(IntakeSlice input)
{
	const char *text = fuzz_text(&input);
	IntakeJsonFault fault;
	IntakePath path;

	if (intake_json_look(input, &fault) == INTAKE_JSON_NOT)
		PROMISE(fault.at <= input.len && fault.problem != NULL);
	(void) intake_json_repeats_name(input);
	if (intake_json_valid(input))
		look_at_outline(input);
	look_at_escapes(input);
	look_for_items(input, text);
	if (intake_json_pointer(text, &path))
		look(input, &path);
	if (intake_json_path(text, &path))
		look(input, &path);
}
