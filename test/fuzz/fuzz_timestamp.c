/* Times in every unit: none is outside of what a calendar has. */
#include "read/timestamp.h"
#include "fuzz.h"

void
fuzz(IntakeSlice input)
{
	for (int unit = INTAKE_SECONDS; unit <= INTAKE_HTTP_DATE; unit++)
	{
		int64_t time;

		if (intake_timestamp_read((IntakeTimeUnit) unit, input, &time))
			PROMISE(time > INT64_C(-70000000000000000) && time < INT64_C(1000000000000000000));
	}
}
