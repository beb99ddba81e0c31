/* JSON. Input: a pointer or a path, then a text. */
#include "read/items.h"
#include "read/json.h"
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

void
fuzz(IntakeSlice input)
{
	const char *text = fuzz_text(&input);
	IntakeJsonFault fault;
	IntakePath path;

	if (intake_json_look(input, &fault) == INTAKE_JSON_NOT)
		PROMISE(fault.at <= input.len && fault.problem != NULL);
	(void) intake_json_repeats_name(input);
	look_for_items(input, text);
	if (intake_json_pointer(text, &path))
		look(input, &path);
	if (intake_json_path(text, &path))
		look(input, &path);
}
