/*
 * pem.c
 *		Public keys in PEM (RFC 7468). Pure; palloc'ed.
 *
 * A text has one key: a PUBLIC KEY, or a CERTIFICATE, behind which may stand those that issued it,
 * each the one before, as servers hand them out. That they did is verified; so nothing in the text
 * is a second key, which somebody would take for one that verifies.
 */
#include <openssl/x509v3.h>

#include "common/memory.h"

#include "read/encoding.h"
#include "verify/pem.h"

#define MOST_BYTES 8192 /* of a key or certificate */
#define MOST_ISSUERS 8

/* What stands between a line of BEGIN and its line of END. */
typedef struct Block
{
	IntakeSlice label;
	IntakeSlice der;
} Block;

static bool
fail(const char **why, const char *what)
{
	*why = what;
	return false;
}

static IntakeSlice
without_space(IntakeSlice text)
{
	char *out = palloc(text.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		if (memchr(" \t\r\n", text.data[i], 4) == NULL)
			out[n++] = text.data[i];
	return (IntakeSlice){out, n};
}

static void
skip_space(IntakeSlice *text)
{
	while (text->len > 0 && memchr(" \t\r\n", text->data[0], 4) != NULL)
		*text = intake_slice_after(*text, 1);
}

/* Takes a literal off the text. */
static bool
take(IntakeSlice *text, IntakeSlice literal)
{
	if (!intake_slice_starts(*text, literal))
		return false;
	*text = intake_slice_after(*text, literal.len);
	return true;
}

/* Takes a block off the text, and the space behind it. */
static bool
take_block(IntakeSlice *text, Block *block)
{
	unsigned char *bytes = palloc(MOST_BYTES);
	IntakeSlice dashes = intake_slice_cstr("-----");
	IntakeSlice base64;

	if (!take(text, intake_slice_cstr("-----BEGIN ")))
		return false;
	block->label = intake_slice_cut(*text, "-----", text);
	if (text->data == NULL)
		return false;
	base64 = without_space(intake_slice_cut(*text, "-----END ", text));
	if (text->data == NULL || !take(text, block->label) || !take(text, dashes))
		return false;
	skip_space(text);
	block->der.data = (char *) bytes;
	return intake_encoding_decode(INTAKE_BASE64, base64, bytes, MOST_BYTES, &block->der.len);
}

static X509 *
read_certificate(const Block *block)
{
	const unsigned char *place = (const unsigned char *) block->der.data;
	X509 *certificate = d2i_X509(NULL, &place, (long) block->der.len);

	if (certificate == NULL || place == (const unsigned char *) block->der.data + block->der.len)
		return certificate;
	X509_free(certificate);
	return NULL;
}

/* Whether a certificate was issued by another one; nobody has issued one that issued itself. */
static bool
is_issued_by(X509 *certificate, X509 *issuer)
{
	return X509_check_issued(certificate, certificate) != X509_V_OK &&
		   X509_check_issued(issuer, certificate) == X509_V_OK &&
		   X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;
}

/* Whether TEXT is nothing but the certificates that issued one, in order. Frees that one. */
static bool
are_its_issuers(X509 *certificate, IntakeSlice text)
{
	bool ok = true;

	for (int i = 0; ok && text.len > 0; i++)
	{
		X509 *issuer = NULL;
		Block block;

		ok = i < MOST_ISSUERS && take_block(&text, &block) &&
			 intake_slice_equal(block.label, intake_slice_cstr("CERTIFICATE")) &&
			 (issuer = read_certificate(&block)) != NULL && is_issued_by(certificate, issuer);
		X509_free(certificate);
		certificate = issuer;
	}
	X509_free(certificate);
	return ok;
}

static bool
read_chain(IntakeKeyType type, const Block *first, IntakeSlice rest, IntakePublicKey *key,
		   const char **why)
{
	X509 *certificate = read_certificate(first);
	EVP_PKEY *public_key = certificate ? X509_get_pubkey(certificate) : NULL;

	if (certificate != NULL && !are_its_issuers(certificate, rest))
	{
		EVP_PKEY_free(public_key);
		return fail(why, "behind the certificate stands something else than those that issued it");
	}
	return intake_publickey_accept(type, public_key, key, why);
}

/*
 * Reads the key of a text that begins with -----BEGIN. Returns false, with the cause in *WHY, where
 * it has none, or something else besides.
 */
bool
intake_pem_read(IntakeKeyType type, IntakeSlice text, IntakePublicKey *key, const char **why)
{
	Block block;

	if (!take_block(&text, &block))
		return fail(why, "it is not PEM");
	if (intake_slice_equal(block.label, intake_slice_cstr("CERTIFICATE")))
		return read_chain(type, &block, text, key, why);
	if (!intake_slice_equal(block.label, intake_slice_cstr("PUBLIC KEY")))
		return fail(why, "it is neither PUBLIC KEY nor CERTIFICATE; a private key is not for here");
	if (text.len > 0)
		return fail(why, "behind the public key stands something else");
	return intake_publickey_read_info(type, block.der, key, why);
}
