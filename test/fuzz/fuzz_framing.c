/* Requests on a connection: read in one piece or in many, they end at the same places. */
#include "shim/framing.h"
#include "fuzz.h"

void
fuzz(IntakeSlice input)
{
	ShimFraming whole = {0};
	ShimFraming parts = {0};
	char *copy = palloc(input.len + 1);
	size_t seen;

	shim_framing_init();
	memcpy(copy, input.data, input.len);
	seen = shim_framing_read(&whole, copy, input.len);
	PROMISE(seen <= input.len && (whole.status != 0 || seen == input.len));
	for (size_t i = 0; i < input.len && parts.status == 0; i++)
	{
		char byte = input.data[i];

		(void) shim_framing_read(&parts, &byte, 1);
	}
	PROMISE((whole.status != 0) == (parts.status != 0) && whole.requests == parts.requests);
	if (whole.status != 0)
		return;
	PROMISE(whole.state == parts.state && whole.rest == parts.rest);
	PROMISE(whole.size == parts.size && whole.records == parts.records);
	PROMISE(whole.size + whole.records <= SHIM_MAX_HEAD);
}
