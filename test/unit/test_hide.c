/*
 * test_hide.c
 *		What answers must not show of the secret of their call.
 */
#include "common/memory.h"
#include "calls/hide.h"
#include "check.h"

/* Whether an answer is shown so. */
static bool
shows(const char *where, const char *secret, const char *answer, const char *shown)
{
	IntakeHidden hidden = {.count = 0};
	IntakeSecretPlace place;
	bool same;

	if (intake_secret_place_parse(intake_slice_cstr(where), &place) != NULL)
		return false;
	intake_hide_learn(&hidden, &place, intake_slice_cstr(secret));
	same = intake_slice_equal(intake_hide(&hidden, intake_slice_cstr(answer)),
							  intake_slice_cstr(shown));
	intake_hide_forget(&hidden);
	return same && hidden.count == 0;
}

void
test_hide(void)
{
	IntakeHidden nothing = {.count = 0};
	IntakeSlice text = intake_slice_cstr("text");

	CHECK(shows("bearer", "sk-12345", "a sk-12345sk-12345 sk-1234", "a **************** sk-1234"));
	CHECK(shows("bearer", "sk-12345", "", ""));
	CHECK(shows("header:X", "a/b\"c\\d/e", "a/b\"c\\d/e a/b\\\"c\\\\d/e a\\/b\\\"c\\\\d\\/e",
				"********* *********** *************"));
	CHECK(shows("header:X", "1234567", "1234567", "1234567"));
	CHECK(shows("basic", "user:password", "Basic dXNlcjpwYXNzd29yZA== user:password user password",
				"Basic ******************** ************* user ********"));
	CHECK(shows("basic", "user:pass", "user:pass pass", "********* pass"));
	CHECK(shows("query:key", "a b/12345", "/x?key=a%20b%2F12345 a b/12345",
				"/x?key=************* *********"));
	CHECK(
		shows("url", "https://x.example/a/T0/0123456789abcdef/",
			  "/a/T0/0123456789abcdef/y 0123456789abcdef \\/a\\/T0\\/0123456789abcdef x.example T0",
			  "**********************/y **************** ************************* x.example T0"));
	CHECK(shows("url", "https://x.example/", "/", "/"));
	CHECK(shows("standard-webhooks", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
				"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
				"**************************************"));
	CHECK(intake_hide(&nothing, text).data == text.data);
	CHECK(intake_hide(&nothing, (IntakeSlice){0}).data == NULL);
	intake_memory_reset();
}
