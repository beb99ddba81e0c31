/* Addresses and ranges: what is printed reads the same. */
#include "common/address.h"
#include "fuzz.h"

void
fuzz(IntakeSlice input)
{
	IntakeAddress address;
	IntakeAddress again;
	IntakeRange range;
	char text[64];

	if (intake_address_parse(input, &address))
	{
		size_t length = intake_address_print(&address, text, sizeof(text));

		PROMISE(intake_address_parse((IntakeSlice){text, length}, &again));
		PROMISE(intake_address_equal(&address, &again));
		PROMISE(intake_range_parse(input, &range) && intake_range_has(&range, &address));
	}
	if (intake_range_parse(input, &range))
		PROMISE(intake_range_has(&range, &range.first));
}
