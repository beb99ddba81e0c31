/*
 * call.c
 *		One call on its way: from the database to a host, and back as an answer.
 *
 * A request holds credentials, so its memory is cleared before it is given back.
 */
#include <stdio.h>
#include <stdlib.h>

#include "budget.h"
#include "call.h"

#define OVERHEAD (8 * 1024) /* bytes that a transfer takes beside what it sends and receives */

static CourierCall *beyond; /* may hold more than there is room for; NULL: none does so far */

/* ---- making ---- */

/* Copies TEXT to *PLACE, terminated, and moves that on. */
static const char *
put(char **place, IntakeSlice text)
{
	char *copy = *place;

	if (text.len > 0)
		memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	*place += text.len + 1;
	return copy;
}

static const char *
put_name(char **place, IntakeSlice host, int port)
{
	char *name = *place;

	*place += sprintf(name, "%.*s:%d", (int) host.len, host.data ? host.data : "", port) + 1;
	return name;
}

/* Makes a call of what the database says at NOW. Ends the program when there is no memory. */
CourierCall *
courier_call_make(const CourierRequest *request, double now)
{
	CourierCall *call = calloc(1, sizeof(CourierCall));
	size_t length = request->method.len + request->scheme.len + request->host.len +
					request->target.len + request->lines.len + request->body.len + 32;
	char *place = malloc(length);

	if (call == NULL || place == NULL)
		abort();
	call->text = place;
	call->text_length = length;
	call->call_id = request->call_id;
	call->job_id = request->job_id;
	call->method = put(&place, request->method);
	call->scheme = put(&place, request->scheme);
	call->name = put_name(&place, request->host, request->port);
	call->target = put(&place, request->target);
	call->lines = (IntakeSlice){put(&place, request->lines), request->lines.len};
	if (request->body.data != NULL)
		call->body = (IntakeSlice){put(&place, request->body), request->body.len};
	call->received_at = now;
	call->deadline = now + (double) request->milliseconds / 1e3;
	call->most = request->most > 0 ? (size_t) request->most : 0;
	courier_call_count(call);
	return call;
}

/* ---- checking ---- */

static bool
is_token(IntakeSlice text)
{
	for (size_t i = 0; i < text.len; i++)
	{
		unsigned char c = (unsigned char) text.data[i];

		if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL)
			return false;
	}
	return text.len > 0;
}

/* Whether a text has nothing but printable ASCII, and none of SPECIALS. */
static bool
is_plain(const char *text, const char *specials)
{
	for (const char *c = text; *c; c++)
		if (*c <= ' ' || *c >= 0x7f || strchr(specials, *c) != NULL)
			return false;
	return *text != '\0';
}

/* Headers that say how a message is sent are the courier's own. */
static bool
is_reserved(IntakeSlice name)
{
	static const char *const reserved[] = {"Host",    "Content-Length",  "Transfer-Encoding",
										   "Expect",  "Connection",      "Keep-Alive",
										   "Upgrade", "HTTP2-Settings",  "TE",
										   "Trailer", "Proxy-Connection"};

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (intake_slice_equal_nocase(name, intake_slice_cstr(reserved[i])))
			return true;
	return false;
}

static bool
is_header(IntakeSlice line)
{
	IntakeSlice value;
	IntakeSlice name = intake_slice_cut(line, ":", &value);

	if (value.data == NULL || !is_token(name) || is_reserved(name))
		return false;
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char) value.data[i] < ' ' && value.data[i] != '\t')
			return false;
	return true;
}

static bool
are_headers(IntakeSlice lines)
{
	while (lines.len > 0)
		if (!is_header(intake_slice_cut(lines, "\r\n", &lines)))
			return false;
	return true;
}

/*
 * NULL, or what is wrong with a request. The database has checked it; a courier that is asked to send
 * something else is asked by somebody else.
 */
const char *
courier_call_problem(const CourierCall *call)
{
	if (!is_token(intake_slice_cstr(call->method)))
		return "the method";
	if (strcmp(call->scheme, "https") != 0 && strcmp(call->scheme, "http") != 0)
		return "the scheme";
	if (call->name[0] == ':' || !is_plain(call->name, "/\\?#@%\"<>^`{|}"))
		return "the host";
	if (call->target[0] != '/' || !is_plain(call->target, "#"))
		return "the target";
	if (!are_headers(call->lines))
		return "a header";
	return NULL;
}

/* ---- ending ---- */

/* The call ends with an error. Of a detail, which a host may have written, plain text stays. */
void
courier_call_fail(CourierCall *call, const char *word, const char *detail)
{
	int length = snprintf(call->error, sizeof(call->error), detail && *detail ? "%s: %s" : "%s",
						  word, detail ? detail : "");

	(void) length;
	for (char *c = call->error; *c; c++)
		if (*c < ' ' || *c >= 0x7f)
			*c = '?';
	if (call->answer.length > COURIER_FIRST_BYTES)
		call->answer.length = COURIER_FIRST_BYTES;
}

/* Counts what a call holds. */
void
courier_call_count(CourierCall *call)
{
	courier_budget_change(&call->held, sizeof(CourierCall) + OVERHEAD + call->text_length +
										   call->headers.room + call->answer.room);
}

/* Whether a call may hold more than there is room for: one may, the first that asks, until it is freed. */
bool
courier_call_may_exceed(CourierCall *call)
{
	if (beyond == NULL)
		beyond = call;
	return beyond == call;
}

void
courier_call_free(CourierCall *call)
{
	if (beyond == call)
		beyond = NULL;
	courier_budget_change(&call->held, 0);
	explicit_bzero(call->text, call->text_length);
	free(call->text);
	if (call->answer.data != NULL)
		explicit_bzero(call->answer.data, call->answer.length);
	intake_buffer_free(&call->answer);
	intake_buffer_free(&call->headers);
	free(call);
}
