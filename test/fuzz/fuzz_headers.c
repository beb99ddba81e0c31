/* Header blocks, and places in them. Input: a location, then a block. */
#include "read/headers.h"
#include "read/location.h"
#include "fuzz.h"

void
fuzz(IntakeSlice input)
{
	const char *text = fuzz_text(&input);
	IntakeRequest request = {.headers = input, .body = input, .query = input};
	IntakeHeaderIterator iterator = intake_headers_begin(input);
	IntakeLocation location;
	IntakeSlice name;
	IntakeSlice value;
	const char *why;

	while (intake_headers_next(&iterator, &name, &value))
	{
		PROMISE(name.data >= input.data && name.data + name.len <= input.data + input.len);
		PROMISE(value.data >= input.data && value.data + value.len <= input.data + input.len);
		PROMISE(memchr(value.data, '\n', value.len) == NULL);
	}
	if (intake_location_parse(text, &location, &why))
		(void) intake_location_read(&location, &request);
}
