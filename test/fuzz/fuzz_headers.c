/* Header blocks, places in them, and keys. Input: a location, then a block. */
#include "read/headers.h"
#include "read/location.h"
#include "verify/key_parts.h"
#include "fuzz.h"

void
fuzz(IntakeSlice input)
{
	const char *text = fuzz_text(&input);
	IntakeRequest request = {.headers = input, .body = input, .query = input};
	IntakeHeaderIterator iterator = intake_headers_begin(input);
	IntakeLocation location;
	IntakeKeyParts parts;
	IntakeDigest digest;
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
	if (intake_location_parse_key(text, &location, &why) &&
		intake_key_parts_read(&location, &request, INTAKE_ABSENT, &parts))
	{
		IntakeSlice shown = intake_key_parts_join(parts.values, parts.count);

		PROMISE(parts.count <= INTAKE_KEY_PARTS_MAX);
		PROMISE(shown.len > 0 || parts.is_digest[0]);
		PROMISE(intake_key_parts_identify(1, parts.values, parts.count, &digest));
	}
}
