/*
 * handshake.c
 *		Challenges by which a provider checks an endpoint, as rules. Pure; palloc'ed, but for
 *		what intake_handshake_release gives back.
 */
#include <stdio.h>

#include "common/memory.h"

#include "verify/handshake.h"

#define MOST_ECHO 4096 /* bytes of an answer */
#define MOST_LINES 8   /* of its headers */

/* ---- compiling ---- */

static bool
compile_template(const char *text, IntakeTemplate **message, const char **why)
{
	*message = NULL;
	if (text == NULL)
		return true;
	*message = intake_template_compile(text, why);
	return *message != NULL;
}

static const char *
copy(IntakeSlice text)
{
	char *out = palloc(text.len + 1);

	memcpy(out, text.data, text.len);
	out[text.len] = '\0';
	return out;
}

/* Compiles header lines one by one, so that no value can begin another. */
static bool
compile_headers(const char *text, IntakeHandshake *rule, const char **why)
{
	IntakeSlice rest = text ? intake_slice_cstr(text) : INTAKE_ABSENT;

	rule->headers = palloc0(MOST_LINES * sizeof(IntakeTemplate *));
	while (rest.data != NULL)
	{
		IntakeSlice line = intake_slice_cut(rest, "\n", &rest);

		if (rule->n_headers == MOST_LINES)
		{
			*why = "a handshake rule has more than 8 lines of headers";
			return false;
		}
		if (!compile_template(copy(line), &rule->headers[rule->n_headers++], why))
			return false;
	}
	return true;
}

static bool
compile_members(const IntakeHandshakeRow *row, IntakeHandshake *rule, const char **why)
{
	rule->names = palloc0((row->n_json + 1) * sizeof(char *));
	rule->members = palloc0((row->n_json + 1) * sizeof(IntakeTemplate *));
	rule->n_members = row->n_json;
	for (int i = 0; i < row->n_json; i++)
	{
		if (row->json[i].value == NULL)
		{
			*why = "a handshake rule has a member of json without its value";
			return false;
		}
		rule->names[i] = pstrdup(row->json[i].location);
		if (!compile_template(row->json[i].value, &rule->members[i], why))
			return false;
	}
	return true;
}

static bool
compile_learn(const char *learn, IntakeHandshake *rule, const char **why)
{
	if (learn == NULL)
		return true;
	rule->learn = palloc0(sizeof(IntakeLocation));
	if (intake_location_parse(learn, rule->learn, why))
		return true;
	*why = "what a handshake rule learns is not at a location";
	return false;
}

/* Compiles a rule. Returns NULL, with what is wrong in *WHY, where it makes no sense. */
IntakeHandshake *
intake_handshake_compile(const IntakeHandshakeRow *row, const char **why)
{
	IntakeHandshake *rule = palloc0(sizeof(IntakeHandshake));

	if (row->method == NULL || row->status < 200 || row->status > 499)
	{
		*why = "a handshake rule needs a method, and a status from 200 to 499";
		return NULL;
	}
	rule->method = pstrdup(row->method);
	rule->after_verification = row->after_verification;
	rule->status = row->status;
	rule->content_type = row->content_type ? pstrdup(row->content_type) : NULL;
	if (compile_headers(row->headers, rule, why) && compile_template(row->body, &rule->body, why) &&
		compile_members(row, rule, why) && compile_learn(row->learn, rule, why) &&
		intake_requirements_compile(row->require, row->n_require, &rule->require, why))
	{
		rule->n_require = row->n_require;
		for (int i = 0; i < rule->n_headers; i++)
			intake_requirements_expect(rule->require, rule->n_require, rule->headers[i]);
		intake_requirements_expect(rule->require, rule->n_require, rule->body);
		for (int i = 0; i < rule->n_members; i++)
			intake_requirements_expect(rule->require, rule->n_require, rule->members[i]);
		return rule;
	}
	return NULL;
}

/* Gives back what is not palloc'ed. */
void
intake_handshake_release(IntakeHandshake *rule)
{
	intake_requirements_release(rule->require, rule->n_require);
	rule->n_require = 0;
}

/* ---- answering ---- */

/* Writes a text as a JSON string; returns how many bytes that took, 6 for each at most. */
static size_t
put_json_string(char *out, IntakeSlice text)
{
	size_t n = 0;

	out[n++] = '"';
	for (size_t i = 0; i < text.len; i++)
	{
		unsigned char c = (unsigned char) text.data[i];

		if (c < 0x20)
			n += (size_t) sprintf(out + n, "\\u%04x", c);
		else
		{
			if (c == '"' || c == '\\')
				out[n++] = '\\';
			out[n++] = (char) c;
		}
	}
	out[n++] = '"';
	return n;
}

/* The JSON object of a rule; absent where a value is absent or the whole is too long. */
static IntakeSlice
render_object(const IntakeHandshake *rule, const IntakeValues *values)
{
	char *out = palloc(6 * MOST_ECHO + 8 * rule->n_members + 16);
	size_t n = 0;
	size_t total = 0;

	out[n++] = '{';
	for (int i = 0; i < rule->n_members; i++)
	{
		IntakeSlice name = intake_slice_cstr(rule->names[i]);
		IntakeSlice value = intake_template_text(rule->members[i], values);

		total += name.len + value.len;
		if (value.data == NULL || total > MOST_ECHO)
			return INTAKE_ABSENT;
		if (i > 0)
			out[n++] = ',';
		n += put_json_string(out + n, name);
		out[n++] = ':';
		n += put_json_string(out + n, value);
	}
	out[n++] = '}';
	return (IntakeSlice){out, n};
}

/* Renders a template; false where that cannot be done, or gives too much. */
static bool
render(const IntakeTemplate *template, const IntakeValues *values, IntakeSlice *out)
{
	*out = INTAKE_ABSENT;
	if (template == NULL)
		return true;
	*out = intake_template_text(template, values);
	return out->data != NULL && out->len <= MOST_ECHO;
}

/* Whether a text can stand in a header line. */
static bool
is_one_line(IntakeSlice text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char) text.data[i] < 0x20 && text.data[i] != '\t')
			return false;
	return true;
}

/* Renders the header lines; false where that cannot be done, or a value has a line break. */
static bool
render_headers(const IntakeHandshake *rule, const IntakeValues *values, IntakeSlice *out)
{
	char *text = palloc(rule->n_headers * (MOST_ECHO + 2) + 1);
	size_t n = 0;

	*out = INTAKE_ABSENT;
	for (int i = 0; i < rule->n_headers; i++)
	{
		IntakeSlice line;

		if (!render(rule->headers[i], values, &line) || !is_one_line(line))
			return false;
		if (i > 0)
			text[n++] = '\r', text[n++] = '\n';
		memcpy(text + n, line.data, line.len);
		n += line.len;
	}
	if (rule->n_headers > 0)
		*out = (IntakeSlice){text, n};
	return true;
}

static bool
make_answer(const IntakeHandshake *rule, const IntakeValues *values, IntakeAnswer *answer)
{
	answer->status = rule->status;
	answer->content_type = rule->content_type;
	answer->secret = INTAKE_ABSENT;
	if (rule->learn != NULL)
	{
		answer->secret = intake_location_read(rule->learn, values->request);
		if (answer->secret.data == NULL || answer->secret.len == 0 ||
			answer->secret.len > MOST_ECHO)
			return false;
	}
	if (!render_headers(rule, values, &answer->headers) ||
		!render(rule->body, values, &answer->body))
		return false;
	if (rule->n_members > 0)
		answer->body = render_object(rule, values);
	return rule->n_members == 0 || answer->body.data != NULL;
}

/*
 * Answers a request by the first rule that applies; returns false when none does. VERIFIED
 * says whether its signature was verified: rules are for before that or for after it. TOKEN
 * is what {token} stands for, and MAC what hmac...() uses; a rule that needs one of them
 * applies to nothing where it is absent.
 */
bool
intake_handshake_answer(const IntakeHandshake *rules, int count, const IntakeRequest *request,
						IntakeSlice token, IntakeMac mac, bool verified, IntakeAnswer *answer)
{
	IntakeValues values = {0};

	values.request = request;
	values.url = request->url;
	values.token = token;
	values.mac = mac;
	for (int i = 0; i < count; i++)
	{
		const IntakeHandshake *rule = &rules[i];

		if (rule->after_verification == verified &&
			intake_slice_equal(request->method, intake_slice_cstr(rule->method)) &&
			intake_requirements_meet(rule->require, rule->n_require, &values) &&
			make_answer(rule, &values, answer))
			return true;
	}
	*answer = (IntakeAnswer){0}; /* what a rule that did not apply would teach is not learned */
	return false;
}
