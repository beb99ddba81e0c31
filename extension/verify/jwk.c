/*
 * jwk.c
 *		Public keys as JSON Web Keys (RFC 7517), and sets of them. Pure; palloc'ed.
 *
 * Providers publish sets in which keys of several kinds and uses stand. Those that are not for
 * verifying signatures of the scheme's kind are passed over; one that is, and is no good, spoils
 * the set: nobody would notice that it is missing before its turn comes.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include "common/memory.h"

#include "read/encoding.h"
#include "read/json.h"
#include "verify/jwk.h"

#define MOST_MEMBERS 64  /* of a set, whatever they are for */
#define MOST_NUMBER 4096 /* characters of one: 24576 bits */
#define POINT_SIZE 32    /* of a coordinate */

static bool
fail(const char **why, const char *what)
{
	*why = what;
	return false;
}

/* ---- members ---- */

static IntakeSlice
member(IntakeSlice jwk, const char *name)
{
	IntakePath path;
	IntakeSlice value = INTAKE_ABSENT;

	(void) intake_json_pointer(name, &path);
	(void) intake_json_find(jwk, &path, &value, 1);
	return value;
}

/* What a member that is a string says; absent where it is not there, or no string. */
static IntakeSlice
text_of(IntakeSlice jwk, const char *name)
{
	IntakeSlice value = member(jwk, name);

	return value.len > 0 && value.data[0] == '"' ? intake_json_scalar(value) : INTAKE_ABSENT;
}

static bool
says(IntakeSlice jwk, const char *name, const char *value)
{
	IntakeSlice text = text_of(jwk, name);

	return text.data != NULL && intake_slice_equal(text, intake_slice_cstr(value));
}

static bool
read_number(IntakeSlice jwk, const char *name, IntakeSlice *bytes)
{
	IntakeSlice text = text_of(jwk, name);
	unsigned char *out = palloc(text.len + 1);

	bytes->data = (char *) out;
	return text.len > 0 && text.len <= MOST_NUMBER &&
		   intake_encoding_decode(INTAKE_BASE64URL, text, out, text.len, &bytes->len);
}

/* ---- keys ---- */

/* Has libcrypto make a key of its parameters; NULL where they are none. */
static EVP_PKEY *
make_key(const char *name, OSSL_PARAM_BLD *builder)
{
	OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, name, NULL);
	EVP_PKEY *key = NULL;

	if (parameters == NULL || context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
		EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(context);
	OSSL_PARAM_free(parameters);
	return key;
}

static bool
read_ecdsa(IntakeSlice jwk, IntakePublicKey *key, const char **why)
{
	unsigned char point[1 + 2 * POINT_SIZE] = {0x04}; /* not compressed */
	OSSL_PARAM_BLD *builder;
	EVP_PKEY *made = NULL;
	IntakeSlice x;
	IntakeSlice y;

	if (!read_number(jwk, "/x", &x) || !read_number(jwk, "/y", &y) || x.len != POINT_SIZE ||
		y.len != POINT_SIZE)
		return fail(why, "it is not a JSON Web Key of curve P-256");
	memcpy(point + 1, x.data, POINT_SIZE);
	memcpy(point + 1 + POINT_SIZE, y.data, POINT_SIZE);
	builder = OSSL_PARAM_BLD_new();
	if (builder != NULL &&
		OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
		OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)))
		made = make_key("EC", builder);
	OSSL_PARAM_BLD_free(builder);
	return intake_publickey_accept(INTAKE_KEY_ECDSA, made, key, why);
}

static BIGNUM *
number_of(IntakeSlice bytes)
{
	return BN_bin2bn((const unsigned char *) bytes.data, (int) bytes.len, NULL);
}

static bool
read_rsa(IntakeSlice jwk, IntakePublicKey *key, const char **why)
{
	IntakeSlice modulus;
	IntakeSlice exponent;
	OSSL_PARAM_BLD *builder;
	EVP_PKEY *made = NULL;
	BIGNUM *n;
	BIGNUM *e;

	if (!read_number(jwk, "/n", &modulus) || !read_number(jwk, "/e", &exponent))
		return fail(why, "it is not a JSON Web Key of RSA");
	builder = OSSL_PARAM_BLD_new();
	n = number_of(modulus);
	e = number_of(exponent);
	if (builder != NULL && n != NULL && e != NULL &&
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1)
		made = make_key("RSA", builder);
	BN_free(n);
	BN_free(e);
	OSSL_PARAM_BLD_free(builder);
	return intake_publickey_accept(INTAKE_KEY_RSA, made, key, why);
}

static bool
read_ed25519(IntakeSlice jwk, IntakePublicKey *key, const char **why)
{
	IntakeSlice x;

	if (!read_number(jwk, "/x", &x) || x.len != POINT_SIZE)
		return fail(why, "it is not a JSON Web Key of curve Ed25519");
	return intake_publickey_read_bytes(INTAKE_KEY_ED25519, x, key, why);
}

/* Whether a key is for verifying signatures of a type, as far as it tells. */
static bool
is_for(IntakeKeyType type, IntakeSlice jwk)
{
	static const char *const types[] = {"OKP", "EC", "RSA"};
	static const char *const curves[] = {"Ed25519", "P-256", NULL};

	return jwk.len > 0 && jwk.data[0] == '{' && says(jwk, "/kty", types[type]) &&
		   (curves[type] == NULL || says(jwk, "/crv", curves[type])) &&
		   (member(jwk, "/use").data == NULL || says(jwk, "/use", "sig"));
}

static bool
read_key(IntakeKeyType type, IntakeSlice jwk, IntakePublicKey *key, const char **why)
{
	static bool (*const readers[])(IntakeSlice, IntakePublicKey *,
								   const char **) = {read_ed25519, read_ecdsa, read_rsa};

	if (intake_json_repeats_name(jwk))
		return fail(why, "a JSON Web Key has two members of one name");
	if (member(jwk, "/d").data != NULL)
		return fail(why, "it is a private key, which is not for here");
	if (member(jwk, "/kid").data != NULL && text_of(jwk, "/kid").data == NULL)
		return fail(why, "the kid of a JSON Web Key is not a string");
	if (!readers[type](jwk, key, why))
		return false;
	key->id = text_of(jwk, "/kid");
	return true;
}

/* ---- sets ---- */

/* Reads the keys of a set that are for a type; returns how many, -1 where one is no good. */
static int
read_members(IntakeKeyType type, const IntakeSlice *members, int found, IntakePublicKey *keys,
			 const char **why)
{
	int count = 0;

	for (int i = 0; i < found; i++)
	{
		if (!is_for(type, members[i]))
			continue;
		if (count < INTAKE_KEYS_MAX && read_key(type, members[i], &keys[count], why))
		{
			count++;
			continue;
		}
		if (count == INTAKE_KEYS_MAX)
			*why = "the set has more than 16 keys of the kind that the scheme asks for";
		while (count > 0)
			intake_publickey_free(&keys[--count]);
		return -1;
	}
	return count;
}

static int
read_set(IntakeKeyType type, IntakeSlice text, IntakePublicKey *keys, const char **why)
{
	IntakeSlice members[MOST_MEMBERS + 1];
	IntakePath path;
	int found;
	int count;

	(void) intake_json_pointer("/keys/*", &path);
	found = intake_json_find(text, &path, members, MOST_MEMBERS + 1);
	if (found > MOST_MEMBERS)
		return fail(why, "the set has more than 64 keys");
	count = read_members(type, members, found, keys, why);
	if (count == 0)
		*why = "the set has no key of the kind that the scheme asks for";
	return count > 0 ? count : 0;
}

/*
 * Reads a key, or those of a set, of a type; KEYS has room for INTAKE_KEYS_MAX. Returns how many
 * there are: 0, with the cause in *WHY, where one cannot be used.
 */
int
intake_jwk_read(IntakeKeyType type, IntakeSlice text, IntakePublicKey *keys, const char **why)
{
	if (!intake_json_valid(text))
		return fail(why, "it is not one valid JSON object");
	if (member(text, "/keys").data != NULL && !intake_json_repeats_name(text))
		return read_set(type, text, keys, why);
	if (!is_for(type, text))
		return fail(why, "it is a JSON Web Key of another kind than the scheme asks for");
	return read_key(type, text, keys, why) ? 1 : 0;
}
