/* Templates and requirements. Input: a template, a location, a test, a URL, headers, a body. */
#include "verify/requirement.h"
#include "verify/template.h"
#include "fuzz.h"

void
fuzz(IntakeSlice input)
{
	const char *error = NULL;
	IntakeTemplate *message = intake_template_compile(fuzz_text(&input), &error);
	IntakePair pair = {fuzz_text(&input), fuzz_text(&input)};
	IntakeRequirement requirement;
	IntakeRequest request = {0};
	IntakeValues values = {.request = &request};

	/* An expression is an operator's; a pathological one is theirs to avoid. */
	if (pair.value[0] == '~' && strlen(pair.value) > 12)
		return;
	request.method = intake_slice_cstr("POST");
	request.url = values.url = fuzz_line(&input);
	request.headers = input;
	request.body = request.query = input;
	request.claims = input;
	values.timestamp = values.secret = values.token = values.url;
	if (message != NULL)
	{
		IntakeSlice text = intake_template_text(message, &values);

		PROMISE(text.data == NULL || text.data[text.len] == '\0');
	}
	if (intake_requirement_compile(&pair, &requirement, &error))
	{
		(void) intake_requirement_meets(&requirement, &values);
		intake_requirements_release(&requirement, 1);
	}
}
