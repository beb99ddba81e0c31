/*
 * publickey.c
 *		Public keys, and signatures made with their other half, by libcrypto. Pure; what is read
 *		must be given back.
 *
 * However a key is written, it gets in through intake_publickey_accept, which refuses those that
 * are none (keycheck.c).
 */
#include <openssl/err.h>
#include <openssl/x509.h>

#include "common/memory.h"

#include "read/work.h"
#include "verify/keycheck.h"
#include "verify/publickey.h"

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

/* ---- reading ---- */

/* What is wrong with a key for verifying signatures of a type, or NULL. */
static const char *
problem_of(IntakeKeyType type, EVP_PKEY *key)
{
	static const struct
	{
		int id;
		const char *(*check)(EVP_PKEY *);
	} types[] = {
		[INTAKE_KEY_ED25519] = {EVP_PKEY_ED25519, intake_keycheck_ed25519},
		[INTAKE_KEY_ECDSA] = {EVP_PKEY_EC, intake_keycheck_ecdsa},
		[INTAKE_KEY_RSA] = {EVP_PKEY_RSA, intake_keycheck_rsa},
	};

	if (key == NULL)
		return "it is not a public key";
	if (EVP_PKEY_get_base_id(key) != types[type].id)
		return "it is a key of another kind than the scheme asks for";
	return types[type].check(key);
}

/*
 * Takes over what libcrypto has read, NULL where it could not. Returns false, with the cause in
 * *WHY, where it is no key of the type that can be relied on.
 */
bool
intake_publickey_accept(IntakeKeyType type, EVP_PKEY *read, IntakePublicKey *key, const char **why)
{
	const char *problem = problem_of(type, read);

	ERR_clear_error();
	if (problem != NULL)
	{
		*why = problem;
		EVP_PKEY_free(read);
		return false;
	}
	key->key = read;
	key->id = INTAKE_ABSENT;
	return true;
}

/* Reads a SubjectPublicKeyInfo of X.509, with nothing behind it. */
bool
intake_publickey_read_info(IntakeKeyType type, IntakeSlice der, IntakePublicKey *key,
						   const char **why)
{
	const unsigned char *place = (const unsigned char *) der.data;
	EVP_PKEY *read = d2i_PUBKEY(NULL, &place, (long) der.len);

	if (read != NULL && place != (const unsigned char *) der.data + der.len)
	{
		EVP_PKEY_free(read);
		read = NULL;
	}
	return intake_publickey_accept(type, read, key, why);
}

/* Reads a key from bytes: the 32 of Ed25519, or a SubjectPublicKeyInfo. */
bool
intake_publickey_read_bytes(IntakeKeyType type, IntakeSlice bytes, IntakePublicKey *key,
							const char **why)
{
	if (type != INTAKE_KEY_ED25519 || bytes.len != 32)
		return intake_publickey_read_info(type, bytes, key, why);
	return intake_publickey_accept(
		type,
		EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *) bytes.data, 32),
		key, why);
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
