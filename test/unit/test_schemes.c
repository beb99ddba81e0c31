/*
 * test_schemes.c
 *		Schemes, secrets, tokens and handshakes.
 */
#include <string.h>

#include "verify/handshake.h"
#include "verify/signature.h"
#include "check.h"

#define BODY "{\"id\":1}"

static const char *const places[] = {"header:x-sig"};

static IntakeSchemeRow
plain_row(void)
{
	IntakeSchemeRow row = {0};

	row.kind = "hmac";
	row.algorithm = "sha256";
	row.signature_from = places;
	row.n_signature_from = 1;
	row.encoding = "hex";
	row.message = "{body}";
	row.tolerance = -1;
	return row;
}

static bool
compiles(IntakeSchemeRow row)
{
	const char *error = NULL;

	return intake_scheme_compile(&row, &error) != NULL;
}

static void
test_rows(void)
{
	IntakeSchemeRow row = plain_row();

	CHECK(compiles(row));
	row.kind = "rot13";
	CHECK(!compiles(row));
	row = plain_row();
	row.algorithm = "md5";
	CHECK(!compiles(row));
	row = plain_row();
	row.message = "{nothing}";
	CHECK(!compiles(row));
	row.message = "{timestamp}.{body}";
	CHECK(!compiles(row));
	row.timestamp_from = "header:x-time";
	CHECK(!compiles(row));
	row.timestamp_unit = "s";
	CHECK(compiles(row));
	row.timestamp_from = "sig:t";
	CHECK(!compiles(row));
	row = plain_row();
	row.message = "[{body}";
	CHECK(!compiles(row));
	row.message = "{body";
	CHECK(!compiles(row));
	row = plain_row();
	row.format = "kv";
	CHECK(!compiles(row));
	row = plain_row();
	row.kind = "hash";
	CHECK(!compiles(row));
	row.message = "{secret}{body}";
	CHECK(compiles(row));
	row = plain_row();
	row.key = "base32";
	CHECK(!compiles(row));
}

static IntakeReason
verdict_of(IntakeSchemeRow row, const char *headers, const char *secret)
{
	IntakeRequest request = {0};
	IntakeKey keys[2];
	IntakeKey *pointers[2] = {&keys[0], &keys[1]};
	IntakeVerdict verdict;
	const char *why;
	const char *error = NULL;
	IntakeScheme *scheme = intake_scheme_compile(&row, &error);

	request.method = intake_slice_cstr("POST");
	request.headers = intake_slice_cstr(headers);
	request.body = intake_slice_cstr(BODY);
	request.now = INT64_C(1700000000) * 1000000;
	(void) intake_signing_key_prepare(scheme, intake_slice_cstr("another:one"), &keys[0], &why);
	(void) intake_signing_key_prepare(scheme, intake_slice_cstr(secret), &keys[1], &why);
	intake_signature_verify(scheme, &request, INTAKE_ABSENT, pointers, secret ? 2 : 0, &verdict);
	intake_signing_key_release(&keys[0]);
	intake_signing_key_release(&keys[1]);
	CHECK(secret == NULL || strstr(verdict.detail, secret) == NULL);
	return verdict.reason;
}

static void
sign(const char *key, char *hex)
{
	IntakeDigest digest;
	IntakeSlice body = intake_slice_cstr(BODY);

	IntakeMac mac = {INTAKE_SHA256, intake_slice_cstr(key)};

	CHECK(intake_digest_mac(mac, &body, 1, &digest));
	intake_encoding_hex(digest.bytes, digest.len, hex);
}

static void
test_signatures(void)
{
	IntakeSchemeRow row = plain_row();
	char hex[130];
	char headers[8192];

	sign("key one", hex);
	snprintf(headers, sizeof(headers), "X-Sig: %s\r\n", hex);
	CHECK(verdict_of(row, headers, "key one") == INTAKE_OK);
	CHECK(verdict_of(row, headers, "key two") == INTAKE_MISMATCH);
	CHECK(verdict_of(row, headers, NULL) == INTAKE_NO_SECRET);
	CHECK(verdict_of(row, "", "key one") == INTAKE_NO_SIGNATURE);
	CHECK(verdict_of(row, "X-Sig:\r\n", "key one") == INTAKE_MISMATCH);
	snprintf(headers, sizeof(headers), "x-sig: 00\r\nX-SIG: %s\r\n", hex);
	CHECK(verdict_of(row, headers, "key one") == INTAKE_OK);
	snprintf(headers, sizeof(headers), "X-Sig: %.60s\r\n", hex);
	CHECK(verdict_of(row, headers, "key one") == INTAKE_MISMATCH);
	row.prefix = "sha256=";
	CHECK(verdict_of(row, headers, "key one") == INTAKE_UNKNOWN_TAG);
	row = plain_row();
	headers[0] = '\0';
	for (int i = 0; i < 101; i++)
		strcat(headers, "X-Sig: 00\r\n");
	CHECK(verdict_of(row, headers, "key one") == INTAKE_MALFORMED_SIGNATURE);
}

static void
test_tokens(void)
{
	IntakeSchemeRow row = {0};

	row.kind = "token";
	row.signature_from = places;
	row.n_signature_from = 1;
	CHECK(verdict_of(row, "X-Sig: s3same\r\n", "s3same") == INTAKE_OK);
	CHECK(verdict_of(row, "X-Sig: s3samE\r\n", "s3same") == INTAKE_MISMATCH);
	CHECK(verdict_of(row, "X-Sig: s3sam\r\n", "s3same") == INTAKE_MISMATCH);
	CHECK(verdict_of(row, "X-Sig: s3same\r\nX-Sig: forged\r\n", "s3same") == INTAKE_MISMATCH);
	row.kind = "basic";
	row.n_signature_from = 0;
	CHECK(verdict_of(row, "Authorization: Basic dTpwYXNz\r\n", "u:pass") == INTAKE_OK);
	CHECK(verdict_of(row, "Authorization: basic dTpwYXNz\r\n", "u:pass") == INTAKE_OK);
	CHECK(verdict_of(row, "Authorization: Bearer dTpwYXNz\r\n", "u:pass") == INTAKE_MISMATCH);
}

static bool
challenge(const char *query, const char *token, const char *expected)
{
	static const IntakePair pairs[] = {{"query:hub.mode", "subscribe"},
									   {"query:hub.verify_token", "{token}"}};
	IntakeHandshakeRow row = {.method = "GET",
							  .require = pairs,
							  .n_require = 2,
							  .status = 200,
							  .content_type = "text/plain",
							  .body = "{query:hub.challenge}"};
	IntakeRequest request = {0};
	IntakeAnswer answer = {0};
	const char *error = NULL;

	request.method = intake_slice_cstr("GET");
	request.query = intake_slice_cstr(query);
	request.headers = request.body = intake_slice_cstr("");
	if (!intake_handshake_answer(intake_handshake_compile(&row, &error), 1, &request,
								 intake_slice_cstr(token), (IntakeMac){0}, false, &answer))
		return expected == NULL;
	return expected != NULL && intake_slice_equal(answer.body, intake_slice_cstr(expected));
}

static void
test_handshakes(void)
{
	CHECK(challenge("hub.mode=subscribe&hub.verify_token=T&hub.challenge=a%20b", "T", "a b"));
	CHECK(challenge("hub.mode=subscribe&hub.verify_token=X&hub.challenge=1", "T", NULL));
	CHECK(challenge("hub.mode=subscribe&hub.verify_token=&hub.challenge=1", NULL, NULL));
	CHECK(challenge("hub.mode=subscribe&hub.verify_token=T", "T", NULL));
	CHECK(challenge("hub.verify_token=T&hub.challenge=1", "T", NULL));
}

static void
test_credentials(void)
{
	IntakeSchemeRow row = plain_row();
	const char *error = NULL;
	IntakeScheme *scheme = intake_scheme_compile(&row, &error);

	CHECK(intake_scheme_header_is_credential(scheme, intake_slice_cstr("X-SIG")));
	CHECK(intake_scheme_header_is_credential(scheme, intake_slice_cstr("Authorization")));
	CHECK(intake_scheme_header_is_credential(NULL, intake_slice_cstr("cookie")));
	CHECK(!intake_scheme_header_is_credential(scheme, intake_slice_cstr("X-Sig-Time")));
}

void
test_schemes(void)
{
	test_rows();
	test_signatures();
	test_tokens();
	test_handshakes();
	test_credentials();
}
