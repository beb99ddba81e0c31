/*
 * reason.c
 *		The words for why a request was not verified. Pure.
 */
#include "verify/signature.h"

/* As rejections and verify_explain have it. */
const char *
intake_reason_name(IntakeReason reason)
{
	static const char *const names[] = {
		"ok",
		"no_secret",
		"bad_secret",
		"expired_secret",
		"no_signature",
		"malformed_signature",
		"unknown_tag",
		"no_timestamp",
		"bad_timestamp",
		"stale_timestamp",
		"future_timestamp",
		"missing_part",
		"malformed_part",
		"requirement",
		"no_public_url",
		"other_query",
		"no_verify_token",
		"mismatch",
		"too_many_fields",
		"too_costly",
	};

	return names[reason];
}
