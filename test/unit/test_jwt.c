/*
 * test_jwt.c
 *		JSON Web Tokens that are nearly right.
 */
#include <string.h>

#include "common/memory.h"
#include "verify/jwt.h"
#include "check.h"

#define SECRET "the secret"
#define HEADER "{\"alg\":\"HS256\"}"
#define CLAIMS "{\"iss\":\"me\"}"

static const char *const places[] = {"header:authorization"};

static const char *
base64url(const void *bytes, size_t count)
{
	char *out = palloc(intake_encoding_size(count));

	(void) intake_encoding_encode(INTAKE_BASE64URL, (IntakeSlice){bytes, count}, out);
	return out;
}

/* The token of texts that stand for header and claims, signed. */
static char *
signed_token(const char *header, const char *claims)
{
	char *out = palloc(strlen(header) + strlen(claims) + 100);
	IntakeMac mac = {INTAKE_SHA256, intake_slice_cstr(SECRET)};
	IntakeDigest digest;
	IntakeSlice content;

	sprintf(out, "%s.%s", header, claims);
	content = intake_slice_cstr(out);
	CHECK(intake_digest_mac(mac, &content, 1, &digest));
	strcat(strcat(out, "."), base64url(digest.bytes, digest.len));
	return out;
}

static char *
token_of(const char *header, const char *claims)
{
	return signed_token(base64url(header, strlen(header)), base64url(claims, strlen(claims)));
}

/* Whether a text is a token that verifies with the secret. */
static bool
verifies(const char *text)
{
	IntakeSchemeRow row = {.kind = "jwt",
						   .algorithm = "HS256",
						   .signature_from = places,
						   .n_signature_from = 1,
						   .tolerance = -1};
	const char *error = NULL;
	const char *why;
	IntakeScheme *scheme = intake_scheme_compile(&row, &error);
	IntakeKey key;
	IntakeJwt token;
	bool ok;

	CHECK(intake_signing_key_prepare(scheme, intake_slice_cstr(SECRET), &key, &why));
	ok =
		intake_jwt_read(intake_slice_cstr(text), &token) && intake_jwt_verify(&token, scheme, &key);
	intake_signing_key_release(&key);
	return ok;
}

static void
test_headers(void)
{
	CHECK(verifies(token_of(HEADER, CLAIMS)));
	CHECK(verifies(token_of("{\"typ\":\"JWT\",\"alg\":\"HS256\",\"kid\":\"k\"}", CLAIMS)));
	CHECK(!verifies(token_of("{}", CLAIMS)));
	CHECK(!verifies(token_of("{\"alg\":\"none\"}", CLAIMS)));
	CHECK(!verifies(token_of("{\"alg\":\"hs256\"}", CLAIMS)));
	CHECK(!verifies(token_of("{\"alg\":\"HS256 \"}", CLAIMS)));
	CHECK(!verifies(token_of("{\"alg\":\"HS512\"}", CLAIMS)));
	CHECK(!verifies(token_of("{\"Alg\":\"HS256\"}", CLAIMS)));
	CHECK(!verifies(token_of("{\"alg\":[\"HS256\"]}", CLAIMS)));
	CHECK(!verifies(token_of("{\"alg\":\"none\",\"alg\":\"HS256\"}", CLAIMS)));
	CHECK(!verifies(token_of("{\"alg\":\"HS256\",\"alg\":\"HS256\"}", CLAIMS)));
	CHECK(!verifies(token_of("{\"alg\":\"HS256\",\"\\u0061lg\":\"HS256\"}", CLAIMS)));
	CHECK(!verifies(token_of("{\"alg\":\"HS256\",\"x\":1,\"x\":1}", CLAIMS)));
	CHECK(!verifies(token_of("{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", CLAIMS)));
	CHECK(!verifies(token_of("{\"alg\":\"HS256\",\"crit\":[]}", CLAIMS)));
	CHECK(!verifies(token_of("{\"alg\":\"HS256\",\"b64\":false}", CLAIMS)));
	CHECK(!verifies(token_of("{\"alg\":\"HS256\",\"kid\":7}", CLAIMS)));
	CHECK(!verifies(token_of("{\"alg\":\"HS256\",\"kid\":null}", CLAIMS)));
	CHECK(!verifies(token_of("[\"HS256\"]", CLAIMS)));
	CHECK(!verifies(token_of(HEADER " x", CLAIMS)));
	CHECK(!verifies(token_of(HEADER HEADER, CLAIMS)));
	CHECK(!verifies(token_of("", CLAIMS)));
}

static void
test_claims(void)
{
	CHECK(!verifies(token_of(HEADER, "{\"iss\":\"me\",\"iss\":\"you\"}")));
	CHECK(!verifies(token_of(HEADER, "{\"iss\":\"me\",\"i\\u0073s\":\"you\"}")));
	CHECK(verifies(token_of(HEADER, "{\"iss\":\"me\",\"is\":1,\"issu\":2,\"\":3}")));
	CHECK(verifies(token_of(HEADER, "{\"a\":{\"b\":1},\"b\":{\"b\":1}}")));
	CHECK(!verifies(token_of(HEADER, "\"text\"")));
	CHECK(!verifies(token_of(HEADER, "[]")));
	CHECK(!verifies(token_of(HEADER, CLAIMS "x")));
	CHECK(!verifies(token_of(HEADER, "")));
	CHECK(!verifies(token_of(HEADER, "{\"iss\":\"\xff\"}")));
	/* Claims that are signed as they are. */
	CHECK(!verifies(signed_token(base64url(HEADER, strlen(HEADER)), CLAIMS)));
}

/* A token has one way to be written. */
static void
test_encoding(void)
{
	const char *header = base64url(HEADER, strlen(HEADER));
	char *good = token_of(HEADER, CLAIMS);
	char text[400];

	CHECK(strlen(header) % 4 == 0 && strlen(base64url(CLAIMS, strlen(CLAIMS))) % 4 == 0);
	snprintf(text, sizeof(text), "%s=", good);
	CHECK(!verifies(text));
	snprintf(text, sizeof(text), "%s.", good);
	CHECK(!verifies(text));
	snprintf(text, sizeof(text), "%s.x", good);
	CHECK(!verifies(text));
	snprintf(text, sizeof(text), "%s ", good);
	CHECK(!verifies(text));
	snprintf(text, sizeof(text), ".%s", good);
	CHECK(!verifies(text));
	CHECK(!verifies(signed_token("eyJhbGciOiJIUzI1NiIgfQ==", "eyJpc3MiOiJtZSJ9")));
	CHECK(verifies(signed_token("eyJhbGciOiJIUzI1NiIgfQ", "eyJpc3MiOiJtZSJ9")));
	CHECK(!verifies(signed_token("eyJhbGciOiJIUzI1NiIgfR", "eyJpc3MiOiJtZSJ9")));
	good[strlen(good) - 1] ^= 1; /* a bit that stands for nothing, or for another digest */
	CHECK(!verifies(good));
	CHECK(!verifies(""));
	CHECK(!verifies(".."));
}

void
test_jwt(void)
{
	test_headers();
	test_claims();
	test_encoding();
}
