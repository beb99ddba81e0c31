/*
 * keycheck.c
 *		Public keys under which anybody can sign. Pure.
 *
 * libcrypto reads any numbers that have the form of a key. What is wrong with them would show in
 * no test: the genuine sender's signatures may verify, and forged ones do.
 */
#include <openssl/bn.h>
#include <openssl/core_names.h>

#include "common/slice.h"
#include "verify/keycheck.h"

#define LEAST_RSA_BITS 2048
#define MOST_RSA_BITS 16384
#define MOST_EXPONENT_BITS 64 /* a longer one makes verifying as slow as signing */
#define MOST_SMALL_FACTOR 256

/* ---- Ed25519 ---- */

/* The field of the curve -x² + y² = 1 + d x² y² (RFC 8032): numbers modulo 2^255 - 19. */
typedef struct Field
{
	BN_CTX *context;
	BIGNUM *prime;
	BIGNUM *d;
} Field;

static bool
open_field(Field *field)
{
	static const char d[] = "52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3";

	field->context = BN_CTX_new();
	field->prime = BN_new();
	field->d = NULL;
	return field->context != NULL && field->prime != NULL && BN_set_bit(field->prime, 255) &&
		   BN_sub_word(field->prime, 19) && BN_hex2bn(&field->d, d) > 0;
}

static void
close_field(Field *field)
{
	BN_CTX_free(field->context);
	BN_free(field->prime);
	BN_free(field->d);
}

/*
 * What is wrong with a point, given by its y. With u = y² - 1 and v = d y² + 1, x² is u / v: so y
 * is on the curve where u v is a square. Doubling a point three times gives the neutral element
 * where y (y² - 1) (d y⁴ + 2 y² - 1) is 0.
 */
static const char *
check_point(const Field *field, const BIGNUM *y)
{
	const BIGNUM *p = field->prime;
	BN_CTX *context = field->context;
	BIGNUM *square = BN_CTX_get(context);
	BIGNUM *u = BN_CTX_get(context);
	BIGNUM *v = BN_CTX_get(context);
	BIGNUM *w = BN_CTX_get(context);

	if (BN_cmp(y, p) >= 0)
		return "it is not how a point of the curve is written";
	if (w == NULL || !BN_mod_sqr(square, y, p, context) ||
		!BN_mod_sub(u, square, BN_value_one(), p, context) ||
		!BN_mod_mul(v, field->d, square, p, context) || !BN_mod_mul(w, v, square, p, context) ||
		!BN_mod_add(w, w, square, p, context) || !BN_mod_add(w, w, u, p, context) ||
		!BN_mod_add(v, v, BN_value_one(), p, context))
		return "it could not be checked";
	if (BN_is_zero(y) || BN_is_zero(u) || BN_is_zero(w))
		return "it is a point of small order, under which one signature fits everything";
	if (!BN_mod_mul(v, u, v, p, context) || BN_kronecker(v, p, context) != 1)
		return "it is not a point of the curve";
	return NULL;
}

/* What is wrong with a key of Ed25519, or NULL. */
const char *
intake_keycheck_ed25519(EVP_PKEY *key)
{
	const char *problem = "it could not be checked";
	unsigned char bytes[32];
	size_t length = sizeof(bytes);
	BIGNUM *y = NULL;
	Field field;

	if (open_field(&field) && EVP_PKEY_get_raw_public_key(key, bytes, &length) == 1)
	{
		BN_CTX_start(field.context);
		bytes[31] &= 0x7F; /* the sign of x */
		y = BN_lebin2bn(bytes, sizeof(bytes), NULL);
		if (y != NULL)
			problem = check_point(&field, y);
		BN_CTX_end(field.context);
	}
	BN_free(y);
	close_field(&field);
	return problem;
}

/* ---- ECDSA ---- */

/* What is wrong with a key of ECDSA, or NULL: among others, the point at infinity is a key to
 * libcrypto. */
const char *
intake_keycheck_ecdsa(EVP_PKEY *key)
{
	EVP_PKEY_CTX *context;
	char curve[64];
	bool ok;

	if (EVP_PKEY_get_group_name(key, curve, sizeof(curve), NULL) != 1 ||
		strcmp(curve, "prime256v1") != 0)
		return "the curve is not P-256";
	context = EVP_PKEY_CTX_new(key, NULL);
	ok = context != NULL && EVP_PKEY_public_check(context) == 1;
	EVP_PKEY_CTX_free(context);
	return ok ? NULL : "it is not a point of the curve";
}

/* ---- RSA ---- */

static bool
has_small_factor(const BIGNUM *modulus)
{
	for (BN_ULONG factor = 3; factor < MOST_SMALL_FACTOR; factor += 2)
		if (BN_mod_word(modulus, factor) == 0)
			return true;
	return false;
}

static const char *
check_numbers(const BIGNUM *modulus, const BIGNUM *exponent)
{
	if (BN_num_bits(modulus) < LEAST_RSA_BITS)
		return "an RSA key has at least 2048 bits";
	if (BN_num_bits(modulus) > MOST_RSA_BITS)
		return "an RSA key has at most 16384 bits";
	if (!BN_is_odd(modulus) || has_small_factor(modulus))
		return "the modulus of an RSA key has no small factors";
	if (!BN_is_odd(exponent) || BN_is_one(exponent) || BN_num_bits(exponent) > MOST_EXPONENT_BITS)
		return "the exponent of an RSA key is odd, at least 3, and has at most 64 bits";
	return NULL;
}

/* What is wrong with a key of RSA, or NULL. */
const char *
intake_keycheck_rsa(EVP_PKEY *key)
{
	const char *problem = "it could not be checked";
	BIGNUM *modulus = NULL;
	BIGNUM *exponent = NULL;

	if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &modulus) == 1 &&
		EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1)
		problem = check_numbers(modulus, exponent);
	BN_free(modulus);
	BN_free(exponent);
	return problem;
}
