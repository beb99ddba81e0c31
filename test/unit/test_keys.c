/*
 * test_keys.c
 *		Secrets and public keys: what is one, and what is refused although it looks like one.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "common/memory.h"
#include "verify/signing_key.h"
#include "check.h"

static const char *const places[] = {"header:x-sig"};

/* ---- asking ---- */

/* What is wrong with a secret of a kind whose key is written in a form; "ok" where nothing is. */
static const char *
problem(const char *kind, const char *form, IntakeSlice secret)
{
	IntakeSchemeRow row = {.kind = kind,
						   .key = form,
						   .signature_from = places,
						   .n_signature_from = 1,
						   .algorithm = strcmp(kind, "jwt") == 0 ? "HS256" : "sha256",
						   .encoding = "hex",
						   .message = "{secret}{body}",
						   .tolerance = -1};
	const char *error = NULL;
	const char *why = "no cause is given";
	IntakeScheme *scheme = intake_scheme_compile(&row, &error);
	IntakeKey key;

	if (!intake_signing_key_prepare(scheme, secret, &key, &why))
	{
		CHECK(key.n_public_keys == 0);
		return why;
	}
	intake_signing_key_release(&key);
	return "ok";
}

static bool
takes(const char *kind, const char *form, const char *secret)
{
	return strcmp(problem(kind, form, intake_slice_cstr(secret)), "ok") == 0;
}

/* Whether a secret is refused because of something that WHY has a part of. */
static bool
refuses(const char *kind, const char *form, const char *secret, const char *why)
{
	const char *found = problem(kind, form, intake_slice_cstr(secret));

	if (strstr(found, why) != NULL)
		return true;
	printf("expected \"%s\", found \"%s\"\n", why, found);
	return false;
}

/* ---- shared secrets ---- */

static void
test_secrets(void)
{
	static const char *const kinds[] = {"hmac", "hash", "token", "jwt"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
	{
		CHECK(takes(kinds[i], "raw", "hush"));
		CHECK(takes(kinds[i], "raw", "with a space inside"));
		CHECK(takes(kinds[i], "raw", "geh\xC3\xB6rt"));
		CHECK(refuses(kinds[i], "raw", "", "empty"));
		CHECK(refuses(kinds[i], "raw", "x", "shorter than 4"));
		CHECK(refuses(kinds[i], "raw", "xyz", "shorter than 4"));
		CHECK(refuses(kinds[i], "raw", "    ", "a space"));
		CHECK(refuses(kinds[i], "raw", "secret\n", "a line break"));
		CHECK(refuses(kinds[i], "raw", "sec\x01ret", "a control character"));
		CHECK(refuses(kinds[i], "raw", "sec\xC2\x85ret", "a control character"));
		CHECK(refuses(kinds[i], "raw", "-----BEGIN PUBLIC KEY-----\nAAAA", "PEM"));
	}
}

/* Characters that nobody sees, at either end, and alone. */
static void
test_unseen(void)
{
	static const char *const characters[] = {" ",
											 "\xC2\xA0",
											 "\xC2\xAD",
											 "\xE1\x9A\x80",
											 "\xE2\x80\x80",
											 "\xE2\x80\x8B",
											 "\xE2\x80\x8F",
											 "\xE2\x80\xA8",
											 "\xE2\x80\xAF",
											 "\xE2\x81\x9F",
											 "\xE2\x81\xA0",
											 "\xE3\x80\x80",
											 "\xEF\xBB\xBF"};
	char text[32];

	for (size_t i = 0; i < sizeof(characters) / sizeof(characters[0]); i++)
	{
		const char *c = characters[i];

		snprintf(text, sizeof(text), "%ssecret", c);
		CHECK(refuses("hmac", "raw", text, "a space"));
		snprintf(text, sizeof(text), "secret%s", c);
		CHECK(refuses("hmac", "raw", text, "a space"));
		snprintf(text, sizeof(text), "%s%s%s%s", c, c, c, c);
		CHECK(refuses("hmac", "raw", text, "a space"));
		snprintf(text, sizeof(text), "sec%sret", c);
		CHECK(takes("hmac", "raw", text));
	}
	CHECK(takes("hmac", "raw", "\xE2\x80\x90secret\xE2\x80\xA7"));
	CHECK(takes("hmac", "raw", "secret\xE2\x82\xAC"));
}

static void
test_encoded(void)
{
	CHECK(takes("hmac", "base64:whsec_", "whsec_+/+/+w=="));
	CHECK(takes("hmac", "base64:whsec_", "+/+/+w=="));
	CHECK(takes("hmac", "base64:whsec_", "whsec_+/+/+w"));
	CHECK(takes("hmac", "base64:whsec_", "v1,whsec_-_-_-w"));
	CHECK(refuses("hmac", "base64:whsec_", "whsec_aGk=", "its key is shorter than 4"));
	CHECK(refuses("hmac", "base64:whsec_", "whsec_aA==", "its key is shorter than 4"));
	CHECK(refuses("hmac", "base64:whsec_", "whsec_", "its key is shorter than 4"));
	CHECK(refuses("hmac", "base64", "aGV5", "its key is shorter than 4"));
	CHECK(refuses("hmac", "base64:whsec_", "v1,+/+/+w==", "encoding"));
	CHECK(refuses("hmac", "base64:whsec_", "whsec_+/+/+x==", "encoding"));
	CHECK(refuses("hmac", "base64:whsec_", "whsec_+/+/+w=", "encoding"));
	CHECK(refuses("hmac", "base64:whsec_", "whsec_+/+/+w==!", "encoding"));
	CHECK(refuses("hmac", "base64", "+/+/+w== +/+/+w==", "encoding"));
	CHECK(takes("hmac", "hex", "00ff00ff"));
	CHECK(refuses("hmac", "hex", "00ff00", "its key is shorter than 4"));
	CHECK(refuses("hmac", "hex", "00ff00f", "encoding"));
	CHECK(refuses("hmac", "hex", "00ff00ff0x", "encoding"));
	CHECK(takes("hmac", "raw:sha1", "hush"));
	CHECK(refuses("hmac", "raw:sha1", "hus", "shorter than 4"));
	CHECK(refuses("hmac", "raw:nfkd", "hus", "shorter than 4"));
}

static void
test_basic(void)
{
	CHECK(takes("basic", "raw", "u:pass"));
	CHECK(takes("basic", "raw", "user:pass:word"));
	CHECK(refuses("basic", "raw", "userpass", "user:password"));
	CHECK(refuses("basic", "raw", ":", "shorter than 4"));
	CHECK(refuses("basic", "raw", ":password", "no user"));
	CHECK(refuses("basic", "raw", "user:", "password is shorter than 4"));
	CHECK(refuses("basic", "raw", "user:pas", "password is shorter than 4"));
}

static void
test_wiping(void)
{
	IntakeSchemeRow row = {.kind = "hmac",
						   .algorithm = "sha256",
						   .key = "hex",
						   .signature_from = places,
						   .n_signature_from = 1,
						   .encoding = "hex",
						   .message = "{body}"};
	const char *why;
	const char *error = NULL;
	IntakeKey key;
	IntakeSlice bytes;

	CHECK(intake_signing_key_prepare(intake_scheme_compile(&row, &error),
									 intake_slice_cstr("61626364"), &key, &why));
	bytes = key.bytes;
	CHECK(bytes.len == 4 && memcmp(bytes.data, "abcd", 4) == 0);
	intake_signing_key_release(&key);
	CHECK(memcmp(bytes.data, "\0\0\0\0", 4) == 0);
}

/* ---- writing keys ---- */

static const char *
encoded(IntakeEncoding encoding, const void *bytes, size_t count)
{
	char *out = palloc(intake_encoding_size(count));

	(void) intake_encoding_encode(encoding, (IntakeSlice){bytes, count}, out);
	return out;
}

static const char *
pem(const char *label, const void *der, size_t length)
{
	const char *base64 = encoded(INTAKE_BASE64, der, length);
	char *out = palloc(strlen(base64) + 100);

	sprintf(out, "-----BEGIN %s-----\n%s\n-----END %s-----\n", label, base64, label);
	return out;
}

static const char *
joined(const char *a, const char *b)
{
	char *out = palloc(strlen(a) + strlen(b) + 1);

	return strcat(strcpy(out, a), b);
}

static IntakeSlice
info_of(EVP_PKEY *key)
{
	unsigned char *der = NULL;
	int length = i2d_PUBKEY(key, &der);
	char *copy = palloc(length + 1);

	CHECK(length > 0);
	memcpy(copy, der, length);
	OPENSSL_free(der);
	return (IntakeSlice){copy, length};
}

static const char *
pem_of(EVP_PKEY *key)
{
	IntakeSlice info = info_of(key);

	return pem("PUBLIC KEY", info.data, info.len);
}

/* A certificate of a subject's key, by an issuer. */
static X509 *
certify(const char *subject, EVP_PKEY *key, const char *issuer, EVP_PKEY *issuer_key)
{
	X509 *certificate = X509_new();
	X509_NAME *name = X509_NAME_new();
	X509_NAME *by = X509_NAME_new();

	(void) X509_set_version(certificate, 2);
	(void) X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	(void) X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	(void) X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *) subject, -1,
									  -1, 0);
	(void) X509_NAME_add_entry_by_txt(by, "CN", MBSTRING_ASC, (const unsigned char *) issuer, -1,
									  -1, 0);
	(void) X509_set_subject_name(certificate, name);
	(void) X509_set_issuer_name(certificate, by);
	(void) X509_set_pubkey(certificate, key);
	CHECK(X509_sign(certificate, issuer_key, EVP_sha256()) > 0);
	X509_NAME_free(name);
	X509_NAME_free(by);
	return certificate;
}

/* The certificate in PEM, with some bytes behind it. Frees it. */
static const char *
pem_of_certificate(X509 *certificate, size_t behind)
{
	unsigned char *der = NULL;
	int length = i2d_X509(certificate, &der);
	char *copy = palloc(length + behind + 1);

	CHECK(length > 0);
	memcpy(copy, der, length);
	OPENSSL_free(der);
	X509_free(certificate);
	return pem("CERTIFICATE", copy, length + behind);
}

/* ---- Ed25519 ---- */

/* Checks that a point is refused, or taken, in each form that a key can come in. */
static void
check_point(const unsigned char *point, bool fine)
{
	static const unsigned char head[] = {0x30, 0x2A, 0x30, 0x05, 0x06, 0x03,
										 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00};
	unsigned char info[sizeof(head) + 32];
	char jwk[200];
	char set[220];

	memcpy(info, head, sizeof(head));
	memcpy(info + sizeof(head), point, 32);
	snprintf(jwk, sizeof(jwk), "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"}",
			 encoded(INTAKE_BASE64URL, point, 32));
	snprintf(set, sizeof(set), "{\"keys\":[%s]}", jwk);
	CHECK(takes("ed25519", "hex", encoded(INTAKE_HEX, point, 32)) == fine);
	CHECK(takes("ed25519", "base64", encoded(INTAKE_BASE64, point, 32)) == fine);
	CHECK(takes("ed25519", "base64:whpk_", joined("whpk_", encoded(INTAKE_BASE64, point, 32))) ==
		  fine);
	CHECK(takes("ed25519", "hex", encoded(INTAKE_HEX, info, sizeof(info))) == fine);
	CHECK(takes("ed25519", "base64", encoded(INTAKE_BASE64, info, sizeof(info))) == fine);
	CHECK(takes("ed25519", "hex", pem("PUBLIC KEY", info, sizeof(info))) == fine);
	CHECK(takes("ed25519", "hex", jwk) == fine);
	CHECK(takes("ed25519", "hex", set) == fine);
}

static void
check_hex(const char *hex, bool fine)
{
	unsigned char point[32];
	size_t length;

	CHECK(intake_encoding_decode(INTAKE_HEX, intake_slice_cstr(hex), point, 32, &length));
	check_point(point, fine);
}

static void
test_ed25519(void)
{
	/* All points whose order divides 8, and all ways to write them. */
	static const char *const small[] = {
		"0100000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000080",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	};
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	unsigned char point[33];
	size_t length = 32;

	for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++)
		check_hex(small[i], false);
	CHECK(refuses("ed25519", "hex", small[0], "small order"));
	/* y = 2 is on no point of the curve, y = 3 on two; 2^255 - 1 is 18 in another dress. */
	CHECK(refuses("ed25519", "hex",
				  "0200000000000000000000000000000000000000000000000000000000000000",
				  "not a point"));
	check_hex("0300000000000000000000000000000000000000000000000000000000000000", true);
	check_hex("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", false);
	CHECK(EVP_PKEY_get_raw_public_key(key, point, &length) == 1);
	check_point(point, true);
	/* RFC 8032, 7.1, test 1 */
	check_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", true);
	point[32] = 0;
	CHECK(refuses("ed25519", "hex", encoded(INTAKE_HEX, point, 33), "not a public key"));
	CHECK(refuses("ed25519", "hex", encoded(INTAKE_HEX, point, 31), "not a public key"));
	CHECK(refuses("ed25519", "hex", joined(encoded(INTAKE_HEX, point, 32), " x"), "neither PEM"));
	CHECK(refuses("ed25519", "base64", joined(encoded(INTAKE_BASE64, point, 32), "\nx"),
				  "neither PEM"));
	CHECK(refuses("ed25519", "hex",
				  "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":"
				  "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
				  "another kind"));
	EVP_PKEY_free(key);
}

/* ---- ECDSA ---- */

static const char *
info_base64(EVP_PKEY *key)
{
	IntakeSlice info = info_of(key);

	return encoded(INTAKE_BASE64, info.data, info.len);
}

static void
check_curve(const char *curve, bool fine)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve);

	CHECK(takes("ecdsa", "base64", info_base64(key)) == fine);
	CHECK(takes("ecdsa", "base64", pem_of(key)) == fine);
	EVP_PKEY_free(key);
}

/* P-256 with another generator, under which everybody knows the private key of a point. */
static const char *
other_generator(void)
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *point = EC_POINT_dup(EC_GROUP_get0_generator(group), group);
	BIGNUM *order = BN_dup(EC_GROUP_get0_order(group));
	EC_KEY *ec = EC_KEY_new();
	EVP_PKEY *key = EVP_PKEY_new();
	const char *text;

	CHECK(EC_POINT_dbl(group, point, point, NULL) == 1);
	CHECK(EC_GROUP_set_generator(group, point, order, BN_value_one()) == 1);
	EC_GROUP_set_curve_name(group, NID_undef);
	EC_GROUP_set_asn1_flag(group, OPENSSL_EC_EXPLICIT_CURVE);
	CHECK(EC_KEY_set_group(ec, group) == 1 && EC_KEY_set_public_key(ec, point) == 1);
	CHECK(EVP_PKEY_set1_EC_KEY(key, ec) == 1);
	text = info_base64(key);
	EVP_PKEY_free(key);
	EC_KEY_free(ec);
	BN_free(order);
	EC_POINT_free(point);
	EC_GROUP_free(group);
	return text;
}

static const char *
ec_jwk(const unsigned char *point, const char *more)
{
	char *out = palloc(400);

	snprintf(out, 400, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"%s}",
			 encoded(INTAKE_BASE64URL, point, 32), encoded(INTAKE_BASE64URL, point + 32, 32), more);
	return out;
}

static void
test_ecdsa(void)
{
	/* The algorithm, and the point at infinity. */
	static const unsigned char infinity[] = {0x30, 0x19, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48,
											 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48,
											 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x02, 0x00, 0x00};
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	unsigned char point[66];
	IntakeSlice info;
	size_t length;

	check_curve("P-256", true);
	check_curve("P-224", false);
	check_curve("P-384", false);
	check_curve("secp256k1", false);
	check_curve("brainpoolP256r1", false);
	CHECK(refuses("ecdsa", "base64", other_generator(), "P-256"));
	CHECK(!takes("ecdsa", "base64", encoded(INTAKE_BASE64, infinity, sizeof(infinity))));
	CHECK(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point),
										  &length) == 1);
	CHECK(length == 65);
	CHECK(takes("ecdsa", "base64", ec_jwk(point + 1, "")));
	CHECK(takes("ecdsa", "base64",
				joined(ec_jwk(point + 1, ",\"kid\":\"k\",\"use\":\"sig\""), "\n")));
	CHECK(refuses("ecdsa", "base64", ec_jwk(point + 1, ",\"use\":\"enc\""), "another kind"));
	CHECK(refuses("ecdsa", "base64", ec_jwk(point + 1, ",\"kid\":7"), "not a string"));
	CHECK(refuses("ecdsa", "base64", ec_jwk(point + 1, ",\"d\":\"AAAA\""), "private"));
	CHECK(refuses("ecdsa", "base64", ec_jwk(point + 1, ",\"x\":\"AAAA\""), "one name"));
	CHECK(refuses("ecdsa", "base64", ec_jwk(point + 1, ",\"\\u0078\":\"AAAA\""), "one name"));
	CHECK(refuses("ecdsa", "base64", joined(ec_jwk(point + 1, ""), "x"), "not one valid"));
	CHECK(refuses("ecdsa", "base64", joined(ec_jwk(point + 1, ""), ec_jwk(point + 1, "")),
				  "not one valid"));
	info = info_of(key);
	CHECK(refuses("ecdsa", "base64", encoded(INTAKE_BASE64, info.data, info.len + 1),
				  "not a public key"));
	CHECK(
		refuses("ecdsa", "base64", pem("PUBLIC KEY", info.data, info.len + 1), "not a public key"));
	CHECK(refuses("rsa", "base64", encoded(INTAKE_BASE64, info.data, info.len), "another kind"));
	point[64] ^= 1;
	CHECK(!takes("ecdsa", "base64", ec_jwk(point + 1, "")));
	memset(point, 0, sizeof(point));
	CHECK(!takes("ecdsa", "base64", ec_jwk(point + 1, "")));
	EVP_PKEY_free(key);
}

/* ---- RSA ---- */

static EVP_PKEY *
rsa_of(const BIGNUM *n, const BIGNUM *e)
{
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM *parameters;
	EVP_PKEY *key = NULL;

	CHECK(OSSL_PARAM_BLD_push_BN(builder, "n", n) && OSSL_PARAM_BLD_push_BN(builder, "e", e));
	parameters = OSSL_PARAM_BLD_to_param(builder);
	CHECK(EVP_PKEY_fromdata_init(context) == 1 &&
		  EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) == 1);
	OSSL_PARAM_free(parameters);
	OSSL_PARAM_BLD_free(builder);
	EVP_PKEY_CTX_free(context);
	return key;
}

static const char *
number(const BIGNUM *n)
{
	unsigned char *bytes = palloc(BN_num_bytes(n) + 1);

	return encoded(INTAKE_BASE64URL, bytes, BN_bn2bin(n, bytes));
}

static const char *
rsa_jwk(const BIGNUM *n, const BIGNUM *e, const char *more)
{
	char *out = palloc(8192);

	snprintf(out, 8192, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"%s}", number(n), number(e),
			 more);
	return out;
}

/* Checks a modulus and an exponent in each form. WHY is a part of the cause; "ok": none. */
static void
check_rsa(const BIGNUM *n, const BIGNUM *e, const char *why)
{
	EVP_PKEY *key = rsa_of(n, e);

	CHECK(refuses("rsa", "base64", pem_of(key), why));
	CHECK(refuses("rsa", "base64", info_base64(key), why));
	CHECK(refuses("rsa", "base64", rsa_jwk(n, e, ""), why));
	CHECK(refuses("rsa", "base64", joined(joined("{\"keys\":[", rsa_jwk(n, e, "")), "]}"), why));
	EVP_PKEY_free(key);
}

static void
check_exponent(const BIGNUM *n, const char *hex, const char *why)
{
	BIGNUM *e = NULL;

	CHECK(BN_hex2bn(&e, hex) > 0);
	check_rsa(n, e, why);
	BN_free(e);
}

static void
test_exponents(const BIGNUM *n)
{
	check_exponent(n, "10001", "ok");
	check_exponent(n, "3", "ok");
	check_exponent(n, "11", "ok");
	check_exponent(n, "1", "exponent");
	check_exponent(n, "2", "exponent");
	check_exponent(n, "10000", "exponent");
	check_exponent(n, "FFFFFFFFFFFFFFFF", "ok");
	check_exponent(n, "10000000000000001", "exponent");
}

static void
test_moduli(const BIGNUM *good, const BIGNUM *e)
{
	BIGNUM *n = BN_dup(good);
	EVP_PKEY *small = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t) 1024);
	BIGNUM *of_small = NULL;

	CHECK(BN_add_word(n, 1));
	check_rsa(n, e, "small factors");
	CHECK(BN_copy(n, good) && BN_mul_word(n, 251));
	check_rsa(n, e, "small factors");
	CHECK(BN_one(n) && BN_lshift(n, n, 16384) && BN_add_word(n, 1));
	check_rsa(n, e, "at most 16384");
	CHECK(BN_one(n) && BN_lshift(n, n, 512) && BN_add_word(n, 1));
	check_rsa(n, e, "at least 2048");
	CHECK(EVP_PKEY_get_bn_param(small, "n", &of_small) == 1);
	check_rsa(of_small, e, "at least 2048");
	BN_free(of_small);
	EVP_PKEY_free(small);
	BN_free(n);
}

static const char *
repeated(const char *first, const char *text, int count, const char *last)
{
	char *out = palloc(strlen(first) + (strlen(text) + 1) * count + strlen(last) + 1);

	strcpy(out, first);
	for (int i = 0; i < count; i++)
		strcat(strcat(out, i > 0 ? "," : ""), text);
	return strcat(out, last);
}

/* Sets: what is not for the scheme is passed over, what is for it and bad is not. */
static void
test_sets(const BIGNUM *n, const BIGNUM *e)
{
	const char *good = rsa_jwk(n, e, ",\"kid\":\"a\",\"alg\":\"RS256\",\"use\":\"sig\"");
	const char *bad = rsa_jwk(n, BN_value_one(), ",\"kid\":\"b\"");
	const char *other = "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"},"
						"{\"kty\":\"oct\",\"k\":\"AAAA\"},7,{},null";
	const char *encrypting = rsa_jwk(n, BN_value_one(), ",\"use\":\"enc\"");

	CHECK(takes("rsa", "raw", good));
	CHECK(takes("rsa", "raw", repeated("{\"keys\":[", good, 16, "]}")));
	CHECK(takes("rsa", "raw", repeated(" \n{\"keys\":[", good, 1, "],\"more\":1}\n")));
	CHECK(takes("rsa", "raw",
				joined(joined(joined("{\"keys\":[", other), ","),
					   joined(joined(encrypting, ","), joined(good, "]}")))));
	CHECK(refuses("rsa", "raw", repeated("{\"keys\":[", good, 17, "]}"), "more than 16"));
	CHECK(refuses("rsa", "raw", repeated("{\"keys\":[", "{}", 65, "]}"), "more than 64"));
	CHECK(refuses("rsa", "raw", joined(joined("{\"keys\":[", good), joined(joined(",", bad), "]}")),
				  "exponent"));
	CHECK(refuses("rsa", "raw", joined(joined("{\"keys\":[", other), "]}"), "no key of the kind"));
	CHECK(refuses("rsa", "raw", "{\"keys\":[]}", "no key of the kind"));
	CHECK(
		refuses("rsa", "raw", repeated("{\"keys\":[", good, 1, "],\"keys\":[]}"), "another kind"));
	CHECK(refuses("rsa", "raw", repeated("{\"keys\":[", good, 1, "]} x"), "not one valid"));
	CHECK(refuses("rsa", "raw", repeated("{\"keys\":[", good, 1, "]}{}"), "not one valid"));
	CHECK(refuses("rsa", "raw", repeated("[", good, 2, "]"), "not a public key"));
	CHECK(refuses("rsa", "raw", rsa_jwk(n, e, ",\"d\":\"AAAA\""), "private"));
}

static void
test_pem(EVP_PKEY *key)
{
	const char *one = pem_of(key);
	IntakeSlice info = info_of(key);

	CHECK(takes("rsa", "raw", one));
	CHECK(takes("rsa", "raw", joined(joined("\r\n ", one), " \r\n\t\n")));
	CHECK(refuses("rsa", "raw", joined(one, one), "behind the public key"));
	CHECK(refuses("rsa", "raw", joined(one, "x"), "behind the public key"));
	CHECK(refuses("rsa", "raw", joined(one, "# a comment\n"), "behind the public key"));
	CHECK(!takes("rsa", "raw", joined("the key:\n", one)));
	CHECK(!takes("rsa", "raw", joined("-", one)));
	CHECK(refuses("rsa", "raw", pem("PRIVATE KEY", info.data, info.len), "private"));
	CHECK(refuses("rsa", "raw", pem("RSA PUBLIC KEY", info.data, info.len), "neither PUBLIC KEY"));
	CHECK(refuses("rsa", "raw", pem("CERTIFICATE", info.data, info.len), "not a public key"));
	CHECK(refuses("rsa", "raw", "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----",
				  "not PEM"));
	CHECK(refuses("rsa", "raw", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END CERTIFICATE-----",
				  "not PEM"));
	CHECK(
		refuses("rsa", "raw", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY", "not PEM"));
	CHECK(refuses("rsa", "raw", "-----BEGIN PUBLIC KEY-----", "not PEM"));
	CHECK(refuses("rsa", "raw", "-----BEGIN ", "not PEM"));
}

/* Certificates: one, or one with those that issued it. */
static void
test_certificates(EVP_PKEY *key)
{
	EVP_PKEY *authority = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	const char *alone = pem_of_certificate(certify("me", key, "me", key), 0);
	const char *leaf = pem_of_certificate(certify("leaf", key, "middle", authority), 0);
	const char *middle = pem_of_certificate(certify("middle", authority, "root", authority), 0);
	const char *root = pem_of_certificate(certify("root", authority, "root", authority), 0);
	const char *forged = pem_of_certificate(certify("middle", key, "root", authority), 0);
	const char *behind = "behind the certificate";

	CHECK(takes("rsa", "raw", alone));
	CHECK(takes("rsa", "raw", leaf));
	CHECK(takes("rsa", "raw", joined(leaf, middle)));
	CHECK(takes("rsa", "raw", joined(leaf, joined("\n", joined(middle, root)))));
	CHECK(refuses("rsa", "raw", joined(leaf, "x"), behind));
	CHECK(refuses("rsa", "raw", joined(leaf, alone), behind));
	CHECK(refuses("rsa", "raw", joined(alone, leaf), behind));
	CHECK(refuses("rsa", "raw", joined(alone, alone), behind));
	CHECK(refuses("rsa", "raw", joined(leaf, leaf), behind));
	CHECK(refuses("rsa", "raw", joined(leaf, root), behind));
	CHECK(refuses("rsa", "raw", joined(leaf, forged), behind));
	CHECK(refuses("rsa", "raw", joined(middle, leaf), behind));
	CHECK(refuses("rsa", "raw", joined(leaf, joined(middle, joined(root, root))), behind));
	CHECK(refuses("rsa", "raw", joined(leaf, pem_of(key)), behind));
	CHECK(refuses("rsa", "raw", joined(pem_of(key), leaf), "behind the public key"));
	CHECK(!takes("rsa", "raw", joined(middle, root)));
	CHECK(refuses("rsa", "raw", pem_of_certificate(certify("me", key, "me", key), 1),
				  "not a public key"));
	EVP_PKEY_free(authority);
}

static void
test_rsa(void)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t) 2048);
	BIGNUM *n = NULL;
	BIGNUM *e = NULL;

	CHECK(EVP_PKEY_get_bn_param(key, "n", &n) == 1 && EVP_PKEY_get_bn_param(key, "e", &e) == 1);
	test_exponents(n);
	test_moduli(n, e);
	test_sets(n, e);
	test_pem(key);
	test_certificates(key);
	BN_free(n);
	BN_free(e);
	EVP_PKEY_free(key);
}

void
test_keys(void)
{
	test_secrets();
	test_unseen();
	test_encoded();
	test_basic();
	test_wiping();
	test_ed25519();
	test_ecdsa();
	test_rsa();
}
