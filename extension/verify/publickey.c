/*
 * publickey.c
 *		Public keys as providers publish them, and signatures made with their other half, by
 *		libcrypto. Pure; what is read must be given back.
 *
 * Everything is brought into the form of X.509's SubjectPublicKeyInfo, which libcrypto reads:
 * PEM is that or a certificate in base64, and a JSON Web Key (RFC 7517) has the numbers of it.
 */
#include <openssl/err.h>
#include <openssl/x509.h>

#include "common/memory.h"

#include "read/encoding.h"
#include "read/json.h"
#include "read/work.h"
#include "verify/publickey.h"

#define MOST_BYTES 8192 /* of a key or certificate */

static bool
fail(const char **why, const char *what)
{
	*why = what;
	return false;
}

/* ---- DER ---- */

/* Writes tag and length of a value of LENGTH bytes; returns how many bytes that took. */
static size_t
put_der_head(unsigned char *out, unsigned char tag, size_t length)
{
	out[0] = tag;
	if (length < 128)
	{
		out[1] = (unsigned char) length;
		return 2;
	}
	out[1] = 0x82;
	out[2] = (unsigned char) (length >> 8);
	out[3] = (unsigned char) length;
	return 4;
}

/* Writes an unsigned number as INTEGER; returns how many bytes that took. */
static size_t
put_der_integer(unsigned char *out, IntakeSlice number)
{
	size_t n;
	bool pad;

	while (number.len > 1 && number.data[0] == 0)
		number = intake_slice_after(number, 1);
	pad = number.len == 0 || ((unsigned char) number.data[0] & 0x80) != 0;
	n = put_der_head(out, 0x02, number.len + pad);
	if (pad)
		out[n++] = 0;
	memcpy(out + n, number.data, number.len);
	return n + number.len;
}

/* SEQUENCE { INTEGER a, INTEGER b }. */
static IntakeSlice
der_pair(IntakeSlice a, IntakeSlice b)
{
	unsigned char *inner = palloc(a.len + b.len + 16);
	unsigned char *out = palloc(a.len + b.len + 20);
	size_t length = put_der_integer(inner, a);
	size_t head;

	length += put_der_integer(inner + length, b);
	head = put_der_head(out, 0x30, length);
	memcpy(out + head, inner, length);
	return (IntakeSlice){(char *) out, head + length};
}

/* The form that libcrypto verifies of an ECDSA signature that is two numbers of 32 bytes. */
IntakeSlice
intake_publickey_ecdsa_der(IntakeSlice signature)
{
	if (signature.len != 64)
		return INTAKE_ABSENT;
	return der_pair((IntakeSlice){signature.data, 32}, (IntakeSlice){signature.data + 32, 32});
}

/* ---- checks ---- */

static bool
check_type(IntakeKeyType type, EVP_PKEY *key, const char **why)
{
	static const int ids[] = {EVP_PKEY_ED25519, EVP_PKEY_EC, EVP_PKEY_RSA};

	if (EVP_PKEY_get_base_id(key) != ids[type])
		return fail(why, "it is a key of another kind than the scheme asks for");
	if (type == INTAKE_KEY_RSA && EVP_PKEY_get_bits(key) < 2048)
		return fail(why, "an RSA key has at least 2048 bits");
	if (type == INTAKE_KEY_RSA && EVP_PKEY_get_bits(key) > 16384)
		return fail(why, "an RSA key has at most 16384 bits");
	if (type == INTAKE_KEY_ECDSA && EVP_PKEY_get_bits(key) != 256)
		return fail(why, "the curve is not P-256");
	return true;
}

/* Takes over what libcrypto read, or NULL. */
static bool
accept_key(IntakeKeyType type, EVP_PKEY *read, IntakePublicKey *key, const char **why)
{
	ERR_clear_error();
	*why = "it is not a public key";
	if (read == NULL || !check_type(type, read, why))
	{
		EVP_PKEY_free(read);
		return false;
	}
	key->key = read;
	key->id = INTAKE_ABSENT;
	return true;
}

static EVP_PKEY *
read_info(IntakeSlice der)
{
	const unsigned char *place = (const unsigned char *) der.data;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &place, (long) der.len);

	if (key != NULL && place != (const unsigned char *) der.data + der.len)
	{
		EVP_PKEY_free(key);
		key = NULL;
	}
	return key;
}

static EVP_PKEY *
read_certificate(IntakeSlice der)
{
	const unsigned char *place = (const unsigned char *) der.data;
	X509 *certificate = d2i_X509(NULL, &place, (long) der.len);
	EVP_PKEY *key = certificate ? X509_get_pubkey(certificate) : NULL;

	X509_free(certificate);
	return key;
}

/* Reads a key from bytes: the 32 of Ed25519, or a SubjectPublicKeyInfo. */
bool
intake_publickey_read_bytes(IntakeKeyType type, IntakeSlice bytes, IntakePublicKey *key,
							const char **why)
{
	if (type == INTAKE_KEY_ED25519 && bytes.len == 32)
		return accept_key(type,
						  EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
													  (const unsigned char *) bytes.data, 32),
						  key, why);
	return accept_key(type, read_info(bytes), key, why);
}

/* ---- PEM ---- */

/* The base64 text between the lines of PEM, without white space; *LABEL is what they say. */
static IntakeSlice
pem_text(IntakeSlice text, IntakeSlice *label)
{
	IntakeSlice rest;
	IntakeSlice body;
	char *out = palloc(text.len + 1);
	size_t n = 0;

	(void) intake_slice_cut(text, "-----BEGIN ", &rest);
	*label = intake_slice_cut(rest, "-----", &rest);
	if (rest.data == NULL)
		return INTAKE_ABSENT;
	body = intake_slice_cut(rest, "-----END ", &rest);
	if (rest.data == NULL)
		return INTAKE_ABSENT;
	for (size_t i = 0; i < body.len; i++)
		if (memchr(" \t\r\n", body.data[i], 4) == NULL)
			out[n++] = body.data[i];
	return (IntakeSlice){out, n};
}

static bool
read_pem(IntakeKeyType type, IntakeSlice text, IntakePublicKey *key, const char **why)
{
	unsigned char *bytes = palloc(MOST_BYTES);
	IntakeSlice label;
	IntakeSlice base64 = pem_text(text, &label);
	IntakeSlice der = {(char *) bytes, 0};

	if (base64.data == NULL ||
		!intake_encoding_decode(INTAKE_BASE64, base64, bytes, MOST_BYTES, &der.len))
		return fail(why, "it is not PEM");
	if (intake_slice_equal(label, intake_slice_cstr("CERTIFICATE")))
		return accept_key(type, read_certificate(der), key, why);
	if (intake_slice_equal(label, intake_slice_cstr("PUBLIC KEY")))
		return accept_key(type, read_info(der), key, why);
	return fail(why, "it is neither PUBLIC KEY nor CERTIFICATE; a private key is not for here");
}

/* ---- JSON Web Keys ---- */

static IntakeSlice
jwk_member(IntakeSlice jwk, const char *name)
{
	IntakePath path;
	IntakeSlice value = INTAKE_ABSENT;

	if (!intake_json_pointer(name, &path) || intake_json_find(jwk, &path, &value, 1) == 0)
		return INTAKE_ABSENT;
	return intake_json_scalar(value);
}

static bool
jwk_bytes(IntakeSlice jwk, const char *name, IntakeSlice *bytes)
{
	IntakeSlice text = jwk_member(jwk, name);
	unsigned char *out = palloc(text.len + 1);

	bytes->data = (char *) out;
	return text.data != NULL && text.len < MOST_BYTES / 4 &&
		   intake_encoding_decode(INTAKE_BASE64URL, text, out, text.len, &bytes->len);
}

static bool
read_jwk_ec(IntakeSlice jwk, IntakePublicKey *key, const char **why)
{
	/* SubjectPublicKeyInfo of a point of P-256, up to the point. */
	static const unsigned char head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48,
										 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48,
										 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
	unsigned char der[sizeof(head) + 64];
	IntakeSlice x;
	IntakeSlice y;

	if (!intake_slice_equal(jwk_member(jwk, "/crv"), intake_slice_cstr("P-256")) ||
		!jwk_bytes(jwk, "/x", &x) || !jwk_bytes(jwk, "/y", &y) || x.len != 32 || y.len != 32)
		return fail(why, "it is not a JSON Web Key of curve P-256");
	memcpy(der, head, sizeof(head));
	memcpy(der + sizeof(head), x.data, 32);
	memcpy(der + sizeof(head) + 32, y.data, 32);
	return intake_publickey_read_bytes(INTAKE_KEY_ECDSA, (IntakeSlice){(char *) der, sizeof(der)},
									   key, why);
}

static bool
read_jwk_rsa(IntakeSlice jwk, IntakePublicKey *key, const char **why)
{
	static const unsigned char method[] = {0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86,
										   0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00};
	IntakeSlice modulus;
	IntakeSlice exponent;
	IntakeSlice pair;
	unsigned char *inner;
	unsigned char *der;
	size_t n;
	size_t head;

	if (!jwk_bytes(jwk, "/n", &modulus) || !jwk_bytes(jwk, "/e", &exponent))
		return fail(why, "it is not a JSON Web Key of RSA");
	pair = der_pair(modulus, exponent);
	inner = palloc(sizeof(method) + pair.len + 8);
	der = palloc(sizeof(method) + pair.len + 16);
	memcpy(inner, method, sizeof(method));
	n = sizeof(method);
	n += put_der_head(inner + n, 0x03, pair.len + 1);
	inner[n++] = 0;
	memcpy(inner + n, pair.data, pair.len);
	n += pair.len;
	head = put_der_head(der, 0x30, n);
	memcpy(der + head, inner, n);
	return intake_publickey_read_bytes(INTAKE_KEY_RSA, (IntakeSlice){(char *) der, head + n}, key,
									   why);
}

static bool
read_jwk(IntakeKeyType type, IntakeSlice jwk, IntakePublicKey *key, const char **why)
{
	static const char *const types[] = {"OKP", "EC", "RSA"};
	IntakeSlice x;
	bool ok;

	if (!intake_slice_equal(jwk_member(jwk, "/kty"), intake_slice_cstr(types[type])))
		return fail(why, "it is a JSON Web Key of another kind than the scheme asks for");
	if (type == INTAKE_KEY_ECDSA)
		ok = read_jwk_ec(jwk, key, why);
	else if (type == INTAKE_KEY_RSA)
		ok = read_jwk_rsa(jwk, key, why);
	else
		ok = jwk_bytes(jwk, "/x", &x) && x.len == 32 &&
			 intake_publickey_read_bytes(type, x, key, why);
	if (ok)
		key->id = jwk_member(jwk, "/kid");
	return ok;
}

/* Reads the keys of a set that are of the type; what else is in it is passed over. */
static int
read_jwks(IntakeKeyType type, IntakeSlice text, IntakePublicKey *keys, const char **why)
{
	IntakeSlice members[INTAKE_KEYS_MAX];
	IntakePath path;
	int found;
	int count = 0;

	(void) intake_json_pointer("/keys/*", &path);
	found = intake_json_find(text, &path, members, INTAKE_KEYS_MAX);
	if (found == 0)
		return read_jwk(type, text, keys, why) ? 1 : 0;
	for (int i = 0; i < found; i++)
		count += read_jwk(type, members[i], &keys[count], why);
	return count;
}

/*
 * Reads keys of a type from PEM (a public key or a certificate), a JSON Web Key, or a set of
 * those; KEYS has room for INTAKE_KEYS_MAX. Returns how many there are; 0, with the cause in
 * *WHY, where there is none, and -1 where TEXT is none of these forms.
 */
int
intake_publickey_read(IntakeKeyType type, IntakeSlice text, IntakePublicKey *keys, const char **why)
{
	while (text.len > 0 && memchr(" \t\r\n", text.data[0], 4) != NULL)
		text = intake_slice_after(text, 1);
	if (intake_slice_starts(text, intake_slice_cstr("-----BEGIN ")))
		return read_pem(type, text, keys, why) ? 1 : 0;
	if (text.len > 0 && text.data[0] == '{')
	{
		*why = "it is not valid JSON";
		return intake_json_valid(text) ? read_jwks(type, text, keys, why) : 0;
	}
	return -1;
}

/* ---- verifying ---- */

/* The parts one behind the other; a single one as it is. */
static IntakeSlice
in_one_piece(const IntakeSlice *parts, int count)
{
	size_t length = 0;
	char *out;

	if (count == 1)
		return parts[0];
	for (int i = 0; i < count; i++)
		length += parts[i].len;
	out = palloc(length + 1);
	length = 0;
	for (int i = 0; i < count; i++)
	{
		memcpy(out + length, parts[i].data, parts[i].len);
		length += parts[i].len;
	}
	intake_work_charge(length / 8);
	return (IntakeSlice){out, length};
}

/*
 * Prepares the message that the parts are, one behind the other, for keys of a type. ALGORITHM is
 * the digest for ECDSA and RSA; Ed25519 takes its message in one piece and has its digest inside.
 */
bool
intake_publickey_prepare(IntakeKeyType type, IntakeAlgorithm algorithm, const IntakeSlice *parts,
						 int count, IntakeSigned *content)
{
	if (type != INTAKE_KEY_ED25519)
		return intake_digest_plain(algorithm, parts, count, &content->digest);
	content->message = in_one_piece(parts, count);
	return true;
}

static bool
verify_message(EVP_PKEY *key, IntakeSlice message, IntakeSlice signature)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool ok = context != NULL && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
			  EVP_DigestVerify(context, (const unsigned char *) signature.data, signature.len,
							   (const unsigned char *) message.data, message.len) == 1;

	EVP_MD_CTX_free(context);
	intake_work_charge(2 * message.len);
	return ok;
}

/* A context that verifies digests of an algorithm. It may be used over and over. */
static EVP_PKEY_CTX *
digest_context(IntakePublicKey *key, IntakeAlgorithm algorithm)
{
	EVP_PKEY_CTX *context = key->contexts[algorithm];

	if (context != NULL)
		return context;
	context = EVP_PKEY_CTX_new(key->key, NULL);
	if (context == NULL || EVP_PKEY_verify_init(context) != 1 ||
		EVP_PKEY_CTX_set_signature_md(context, intake_digest_method(algorithm)) != 1)
	{
		EVP_PKEY_CTX_free(context);
		return NULL;
	}
	key->contexts[algorithm] = context;
	return context;
}

static bool
verify_digest(IntakePublicKey *key, IntakeAlgorithm algorithm, const IntakeDigest *digest,
			  IntakeSlice signature)
{
	EVP_PKEY_CTX *context = digest_context(key, algorithm);

	return context != NULL && EVP_PKEY_verify(context, (const unsigned char *) signature.data,
											  signature.len, digest->bytes, digest->len) == 1;
}

/* Whether SIGNATURE (of ECDSA: in DER) is that of a message prepared for keys of that type. */
bool
intake_publickey_verify(IntakePublicKey *key, IntakeAlgorithm algorithm,
						const IntakeSigned *content, IntakeSlice signature)
{
	bool ok = EVP_PKEY_get_base_id(key->key) == EVP_PKEY_ED25519
				  ? verify_message(key->key, content->message, signature)
				  : verify_digest(key, algorithm, &content->digest, signature);

	ERR_clear_error();
	intake_work_charge(INTAKE_WORK_PUBLIC_KEY);
	return ok;
}

/* Gives back what libcrypto holds for a key. */
void
intake_publickey_free(IntakePublicKey *key)
{
	for (int i = 0; i < 3; i++)
		EVP_PKEY_CTX_free(key->contexts[i]);
	EVP_PKEY_free(key->key);
}
