/*
 * field.c
 *		Methods and headers of calls: which can be sent. Pure.
 *
 * What says where a request ends, to which host it goes, or what a connection does is the courier's
 * to say: a header of a handler's own beside it would be a second request in the first one.
 */
#include "calls/field.h"

#define MOST_METHOD 20
#define MOST_NAME 200
#define MOST_VALUE 8000

/* What the courier says, and what is of a connection and not of a request. */
static const char *const reserved[] = {
	"accept-encoding",
	"connection",
	"content-length",
	"expect",
	"host",
	"http2-settings",
	"keep-alive",
	"te",
	"trailer",
	"transfer-encoding",
	"upgrade",
};

static bool
is_token(IntakeSlice text)
{
	for (size_t i = 0; i < text.len; i++)
	{
		char c = text.data[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
			memchr("!#$%&'*+-.^_`|~", c, 15) == NULL)
			return false;
	}
	return text.len > 0;
}

/* Why a call cannot have this method: a constant text; NULL: it can. */
const char *
intake_field_method_problem(IntakeSlice method)
{
	if (method.len == 0 || method.len > MOST_METHOD)
		return "it has not 1 to 20 letters";
	for (size_t i = 0; i < method.len; i++)
		if (method.data[i] < 'A' || method.data[i] > 'Z')
			return "it has other characters than capital letters";
	if (intake_slice_equal(method, intake_slice_cstr("CONNECT")) ||
		intake_slice_equal(method, intake_slice_cstr("TRACE")))
		return "it is CONNECT or TRACE";
	return NULL;
}

/* Why a header of this name cannot be sent: a constant text; NULL: it can. */
const char *
intake_field_name_problem(IntakeSlice name)
{
	IntakeSlice proxy = intake_slice_cstr("proxy-");

	if (name.len > MOST_NAME)
		return "its name is longer than 200 bytes";
	if (!is_token(name))
		return "its name has characters that no header has";
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (intake_slice_equal_nocase(name, intake_slice_cstr(reserved[i])))
			return "only the courier sets it";
	if (name.len >= proxy.len &&
		intake_slice_equal_nocase((IntakeSlice){name.data, proxy.len}, proxy))
		return "it is for proxies";
	return NULL;
}

/* The same of its value. */
const char *
intake_field_value_problem(IntakeSlice value)
{
	if (value.len > MOST_VALUE)
		return "its value is longer than 8000 bytes";
	for (size_t i = 0; i < value.len; i++)
	{
		unsigned char c = (unsigned char) value.data[i];

		if (c >= 0x80)
			return "its value has characters beyond ASCII";
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return "its value has a line break or another control character";
	}
	return NULL;
}
