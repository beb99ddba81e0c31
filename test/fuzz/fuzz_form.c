/* Forms and queries. Input: the name of a field, then a form. */
#include "read/form.h"
#include "fuzz.h"

void
fuzz(IntakeSlice input)
{
	IntakeSlice name = fuzz_line(&input);
	IntakeSlice values[3];
	int found = intake_form_all(input, name, values, 3);

	PROMISE(intake_form_decode(input).len <= input.len);
	for (int i = 0; i < 3; i++)
	{
		IntakeSlice value = intake_form_find(input, name, i);

		PROMISE((value.data != NULL) == (i < found));
		PROMISE(value.data == NULL || intake_slice_equal(value, values[i]));
	}
	PROMISE(intake_form_sorted(input).len <= input.len);
	PROMISE(intake_form_canonical(input, name).len <= 4 * input.len);
}
