/* Times in every unit: none is outside of what a calendar has, and what is written is read again. */
#include "read/timestamp.h"
#include "fuzz.h"

void
fuzz(IntakeSlice input)
{
	for (int unit = INTAKE_SECONDS; unit <= INTAKE_HTTP_DATE; unit++)
	{
		char text[INTAKE_TIMESTAMP_TEXT];
		int64_t time;
		int64_t again;

		if (intake_timestamp_read((IntakeTimeUnit) unit, input, &time))
		{
			PROMISE(time > INT64_C(-70000000000000000) && time < INT64_C(1000000000000000000));
			if (intake_timestamp_write((IntakeTimeUnit) unit, time, text) > 0)
				PROMISE(
					intake_timestamp_read((IntakeTimeUnit) unit, intake_slice_cstr(text), &again) &&
					again <= time && time - again < 1000000);
		}
	}
}
