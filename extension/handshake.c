/*
 * handshake.c
 *		Challenges by which a provider checks an endpoint, as rules. Pure; palloc'ed.
 */
#include "memory.h"

#include "handshake.h"

#define MOST_ECHO 4096 /* bytes of an answer */

static bool
compile_template(const char *text, IntakeMessage **message, char **error)
{
	*message = NULL;
	if (text == NULL)
		return true;
	*message = intake_message_compile(text, error);
	return *message != NULL;
}

/* Compiles a rule. Returns NULL, with what is wrong in *ERROR, where it makes no sense. */
IntakeHandshake *
intake_handshake_compile(const IntakeHandshakeRow *row, char **error)
{
	IntakeHandshake *rule = palloc0(sizeof(IntakeHandshake));

	if (row->method == NULL || row->status < 200 || row->status > 499)
	{
		*error = pstrdup("a handshake rule needs a method, and a status from 200 to 499");
		return NULL;
	}
	rule->method = pstrdup(row->method);
	rule->after_verification = row->after_verification;
	rule->status = row->status;
	rule->content_type = row->content_type ? pstrdup(row->content_type) : NULL;
	rule->require = palloc0((row->n_require + 1) * sizeof(IntakeRequirement));
	rule->n_require = row->n_require;
	for (int i = 0; i < row->n_require; i++)
		if (!intake_scheme_requirement(&row->require[i], &rule->require[i], error))
			return NULL;
	if (!compile_template(row->headers, &rule->headers, error) ||
		!compile_template(row->body, &rule->body, error))
		return NULL;
	return rule;
}

static bool
applies(const IntakeHandshake *rule, const IntakeValues *values, bool verified)
{
	if (rule->after_verification != verified ||
		!intake_slice_equal(values->request->method, intake_slice_cstr(rule->method)))
		return false;
	for (int i = 0; i < rule->n_require; i++)
		if (!intake_scheme_meets(&rule->require[i], values))
			return false;
	return true;
}

/*
 * Answers a request by the first rule that applies; returns false when none does. VERIFIED
 * says whether its signature was verified: rules are for before that or for after it. TOKEN
 * is what {token} stands for; a rule that needs it applies to nothing where it is absent.
 */
bool
intake_handshake_answer(const IntakeHandshake *rules, int count, const IntakeRequest *request,
						IntakeSlice token, bool verified, IntakeAnswer *answer)
{
	IntakeValues values = {0};

	values.request = request;
	values.url = request->url;
	values.token = token;
	for (int i = 0; i < count; i++)
	{
		const IntakeHandshake *rule = &rules[i];
		IntakeSlice headers;

		if (!applies(rule, &values, verified))
			continue;
		answer->status = rule->status;
		answer->content_type = rule->content_type;
		answer->body = rule->body ? intake_message_text(rule->body, &values) : INTAKE_ABSENT;
		headers = rule->headers ? intake_message_text(rule->headers, &values) : INTAKE_ABSENT;
		answer->headers = headers.data;
		if ((rule->body != NULL && answer->body.data == NULL) || answer->body.len > MOST_ECHO)
			continue;
		return true;
	}
	return false;
}
