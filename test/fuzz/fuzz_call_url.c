/* URLs of calls: what is put together of the parts reads the same, and the parts are clean. */
#include "fuzz.h"
#include "read/call_url.h"

static bool
has_any(IntakeSlice text, const char *bytes)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] <= ' ' || text.data[i] == 0x7f || strchr(bytes, text.data[i]) != NULL)
			return true;
	return false;
}

static void
check_host(IntakeSlice host)
{
	PROMISE(host.len > 0 && !has_any(host, "/\\?#@%"));
	for (size_t i = 0; i < host.len; i++)
		PROMISE(host.data[i] < 'A' || host.data[i] > 'Z');
}

void
fuzz(IntakeSlice input)
{
	IntakeCallUrl url;
	IntakeCallUrl again;
	char *text = palloc(input.len + 100);
	int length;

	if (intake_call_url_parse(input, &url) == NULL)
	{
		check_host(url.host);
		PROMISE(url.port >= 1 && url.port <= 65535);
		PROMISE(url.target.data[0] == '/' && !has_any(url.target, "#\\"));
		length = sprintf(text, "%s://%.*s:%d%.*s", url.https ? "https" : "http", (int) url.host.len,
						 url.host.data, url.port, (int) url.target.len, url.target.data);
		if (length <= INTAKE_CALL_URL_MAX)
			PROMISE(intake_call_url_parse((IntakeSlice){text, (size_t) length}, &again) == NULL &&
					again.https == url.https && again.port == url.port &&
					intake_slice_equal(again.host, url.host) &&
					intake_slice_equal(again.target, url.target));
	}
	if (intake_call_url_parse_host(input, &url) == NULL)
		check_host(url.host);
}
