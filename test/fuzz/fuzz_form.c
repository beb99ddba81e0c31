/* Forms and queries. Input: the name of a field, then a form. */
#include "form.h"
#include "fuzz.h"

void
fuzz(IntakeSlice input)
{
	IntakeSlice name = fuzz_line(&input);

	PROMISE(intake_form_decode(input).len <= input.len);
	for (int i = 0; i < 3; i++)
		(void) intake_form_find(input, name, i);
	PROMISE(intake_form_sorted(input).len <= input.len);
}
