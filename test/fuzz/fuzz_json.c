/* JSON. Input: a pointer or a path, then a text. */
#include "read/json.h"
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

void
fuzz(IntakeSlice input)
{
	const char *text = fuzz_text(&input);
	IntakeJsonFault fault;
	IntakePath path;

	if (intake_json_look(input, &fault) == INTAKE_JSON_NOT)
		PROMISE(fault.at <= input.len && fault.problem != NULL);
	(void) intake_json_repeats_name(input);
	if (intake_json_pointer(text, &path))
		look(input, &path);
	if (intake_json_path(text, &path))
		look(input, &path);
}
