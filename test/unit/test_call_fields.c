/*
 * test_call_fields.c
 *		Methods and headers of calls, and where secrets stand in them.
 */
#include <string.h>

#include "common/memory.h"
#include "calls/field.h"
#include "calls/secret_place.h"
#include "check.h"

static bool
name_is(const char *text, const char *why)
{
	const char *problem = intake_field_name_problem(intake_slice_cstr(text));

	return why == NULL ? problem == NULL : problem != NULL && strstr(problem, why) != NULL;
}

static bool
value_is(const char *text, const char *why)
{
	const char *problem = intake_field_value_problem(intake_slice_cstr(text));

	return why == NULL ? problem == NULL : problem != NULL && strstr(problem, why) != NULL;
}

static bool
is_method(const char *text)
{
	return intake_field_method_problem(intake_slice_cstr(text)) == NULL;
}

static void
test_fields(void)
{
	CHECK(name_is("X-Y", NULL));
	CHECK(name_is("authorization", NULL));
	CHECK(name_is("!#$%&'*+-.^_`|~", NULL));
	CHECK(name_is("", "characters"));
	CHECK(name_is("X Y", "characters"));
	CHECK(name_is("X:", "characters"));
	CHECK(name_is(":authority", "characters"));
	CHECK(name_is("X\r\nY", "characters"));
	CHECK(name_is("X\xc3\xa4", "characters"));
	CHECK(name_is("Host", "courier"));
	CHECK(name_is("HOST", "courier"));
	CHECK(name_is("content-length", "courier"));
	CHECK(name_is("Transfer-Encoding", "courier"));
	CHECK(name_is("Connection", "courier"));
	CHECK(name_is("Keep-Alive", "courier"));
	CHECK(name_is("TE", "courier"));
	CHECK(name_is("Trailer", "courier"));
	CHECK(name_is("Upgrade", "courier"));
	CHECK(name_is("HTTP2-Settings", "courier"));
	CHECK(name_is("Expect", "courier"));
	CHECK(name_is("Accept-Encoding", "courier"));
	CHECK(name_is("Proxy-Authorization", "proxies"));
	CHECK(name_is("proxy-", "proxies"));
	CHECK(name_is("proxy", NULL));
	CHECK(name_is("X-Host", NULL));
	CHECK(intake_field_name_problem((IntakeSlice){"X\0Y", 3}) != NULL);
	CHECK(value_is("", NULL));
	CHECK(value_is("a b\tc ~", NULL));
	CHECK(value_is("a\r\nX: y", "line break"));
	CHECK(value_is("a\n", "line break"));
	CHECK(value_is("a\r", "line break"));
	CHECK(value_is("a\x01", "line break"));
	CHECK(value_is("a\x7f", "line break"));
	CHECK(value_is("\xc3\xa4", "ASCII"));
	CHECK(value_is("\xc2\x85", "ASCII"));
	CHECK(intake_field_value_problem((IntakeSlice){"a\0", 2}) != NULL);
	CHECK(is_method("GET") && is_method("PROPFIND") && is_method("QUERY"));
	CHECK(!is_method("") && !is_method("get") && !is_method("GET ") && !is_method("G\r\nT"));
	CHECK(!is_method("CONNECT") && !is_method("TRACE") && !is_method("ABCDEFGHIJKLMNOPQRSTU"));
}

/* Whether a text is a place; or a secret can stand in it. */
static bool
is_place(const char *text)
{
	IntakeSecretPlace place;

	return intake_secret_place_parse(intake_slice_cstr(text), &place) == NULL;
}

static bool
can_stand(const char *text, const char *secret)
{
	IntakeSecretPlace place;

	return intake_secret_place_parse(intake_slice_cstr(text), &place) == NULL &&
		   intake_secret_place_check(&place, intake_slice_cstr(secret)) == NULL;
}

static bool
takes(const char *text, const char *header)
{
	IntakeSecretPlace place;

	return intake_secret_place_parse(intake_slice_cstr(text), &place) == NULL &&
		   intake_secret_place_takes(&place, intake_slice_cstr(header));
}

static void
test_places(void)
{
	CHECK(is_place("bearer") && is_place("basic") && is_place("url"));
	CHECK(is_place("standard-webhooks") && is_place("header:X-Api-Key") && is_place("query:key"));
	CHECK(!is_place("") && !is_place("Bearer") && !is_place("bearer:") && !is_place("header"));
	CHECK(!is_place("header:") && !is_place("header:Host") && !is_place("header:X\r\nY"));
	CHECK(!is_place("header:Idempotency-Key") && !is_place("header:content-type"));
	CHECK(!is_place("query:") && !is_place("query:a=b") && !is_place("query:a&b"));
	CHECK(can_stand("bearer", "sk-1234"));
	CHECK(!can_stand("bearer", "sk 1234") && !can_stand("bearer", "abc"));
	CHECK(!can_stand("bearer", "sk-1234\n") && !can_stand("bearer", "s\xc3\xa4 1234"));
	CHECK(!can_stand("header:X-Key", "a\r\nb: c") && can_stand("header:X-Key", "Token abc"));
	CHECK(can_stand("basic", "user:p\xc3\xa4ss") && can_stand("basic", "sk_live:"));
	CHECK(!can_stand("basic", "password"));
	CHECK(can_stand("query:key", "a&b=\xc3\xa4"));
	CHECK(can_stand("url", "https://hooks.example.com/T/B/x?a=b"));
	CHECK(!can_stand("url", "hooks.example.com/T") && !can_stand("url", "https://u:p@x/"));
	CHECK(can_stand("standard-webhooks", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
	CHECK(!can_stand("standard-webhooks", "whsec_!!!!") &&
		  !can_stand("standard-webhooks", "whsec_"));
	CHECK(takes("bearer", "AUTHORIZATION") && !takes("bearer", "X-Api-Key"));
	CHECK(takes("header:X-Api-Key", "x-api-key") && !takes("header:X-Api-Key", "Authorization"));
	CHECK(takes("standard-webhooks", "Webhook-Signature"));
	CHECK(!takes("url", "Authorization") && !takes("query:Authorization", "Authorization"));
}

/* Whether a secret in a place makes these header lines, and of a target this one. */
static bool
makes(const char *text, const char *secret, const char *headers, const char *target,
	  const char *whole)
{
	IntakeSecretPlace place;
	IntakePresented what = {intake_slice_cstr("msg_p5jXN8AQM9LWM0D4loKWxJek"),
							intake_slice_cstr("{\"test\": 2432232314}"), 1614265330};

	return intake_secret_place_parse(intake_slice_cstr(text), &place) == NULL &&
		   intake_slice_equal(intake_secret_place_headers(&place, intake_slice_cstr(secret), &what),
							  intake_slice_cstr(headers)) &&
		   intake_slice_equal(intake_secret_place_target(&place, intake_slice_cstr(secret),
														 intake_slice_cstr(target)),
							  intake_slice_cstr(whole));
}

static void
test_presenting(void)
{
	CHECK(makes("bearer", "sk-1", "Authorization: Bearer sk-1\r\n", "/a?b", "/a?b"));
	CHECK(makes("basic", "user:pass", "Authorization: Basic dXNlcjpwYXNz\r\n", "/", "/"));
	CHECK(makes("header:X-Api-Key", "sk-1", "X-Api-Key: sk-1\r\n", "/", "/"));
	CHECK(makes("query:key", "a b&/\xc3\xa4~", "", "/", "/?key=a%20b%26%2F%C3%A4~"));
	CHECK(makes("query:key", "abcd", "", "/x?y=z", "/x?y=z&key=abcd"));
	CHECK(makes("url", "https://x/services/T/B", "", "/", "/services/T/B"));
	CHECK(makes("url", "https://x/bot1:A", "", "/sendMessage", "/bot1:A/sendMessage"));
	CHECK(makes("url", "https://x/a/", "", "/b?c", "/a/b?c"));
	CHECK(makes("url", "https://x/a/", "", "/?c", "/a/?c"));
	CHECK(makes("url", "https://x/a?k=1", "", "/b?c=2", "/a/b?k=1&c=2"));
	CHECK(makes("url", "https://x/a?k=1", "", "/", "/a?k=1"));
	CHECK(makes("url", "https://x", "", "/b", "/b"));
	CHECK(makes("standard-webhooks", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
				"webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek\r\nwebhook-timestamp: 1614265330\r\n"
				"webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=\r\n",
				"/", "/"));
}

void
test_call_fields(void)
{
	test_fields();
	test_places();
	test_presenting();
	intake_memory_reset();
}
