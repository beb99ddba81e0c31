/*
 * scheme.h
 *		How a provider signs: a row of intake.scheme, compiled. Pure.
 */
#ifndef INTAKE_SCHEME_H
#define INTAKE_SCHEME_H

#include "read/encoding.h"
#include "read/location.h"
#include "read/timestamp.h"
#include "verify/digest.h"
#include "verify/publickey.h"
#include "verify/requirement.h"
#include "verify/template.h"
#include "verify/volatile.h"

/* A row as it is stored; NULL where the column is. See sql/20_configuration.sql for the meanings. */
typedef struct IntakeSchemeRow
{
	const char *kind;
	const char *algorithm;
	const char *key;
	const char *const *signature_from;
	int n_signature_from;
	const char *prefix;
	const char *format;
	const char *item_sep;
	const char *kv_sep;
	const char *tag;
	const char *group_sep;
	const char *encoding;
	const char *message;
	const char *timestamp_from;
	const char *timestamp_unit;
	int64_t tolerance; /* microseconds; -1: no window */
	const IntakePair *require;
	int n_require;
	const char *each;
	const char *const *url_variants;
	int n_url_variants;
	const char *const *url_fields;
	int n_url_fields;
	const char *content;
	const char *json_from;
	const char *signs;
	const char *borders;
	const char *const *volatiles;
	int n_volatiles;
	const char *verified;   /* NULL: as the rest of the row tells */
	const IntakePair *when; /* of a variant */
	int n_when;
} IntakeSchemeRow;

typedef enum
{
	INTAKE_HMAC,
	INTAKE_HASH,
	INTAKE_TOKEN,
	INTAKE_BASIC,
	INTAKE_PUBLIC_KEY, /* ed25519, ecdsa, rsa */
	INTAKE_JWT,
	INTAKE_UNSIGNED /* none */
} IntakeSchemeKind;

typedef enum
{
	INTAKE_PLAIN,
	INTAKE_KV,
	INTAKE_LIST,
	INTAKE_JSON_ITEM
} IntakeSignatureFormat;

typedef enum
{
	INTAKE_KEY_DECODED, /* by key_encoding, behind key_prefix */
	INTAKE_KEY_SHA1,    /* the secret's SHA-1 */
	INTAKE_KEY_NFKD     /* the secret, which whoever prepares a key has normalised */
} IntakeKeyForm;

/* What a body must be. */
typedef enum
{
	INTAKE_CONTENT_UNSAID, /* as the places of key and type tell */
	INTAKE_CONTENT_JSON,   /* an object or an array */
	INTAKE_CONTENT_FORM,
	INTAKE_CONTENT_ANY
} IntakeContent;

/* What of a request is known to come from the sender. */
typedef enum
{
	INTAKE_VERIFIED_NONE = 'n',
	INTAKE_VERIFIED_ORIGIN = 'o',    /* who sent it, but not what */
	INTAKE_VERIFIED_SIGNATURE = 's', /* the body, too */
	INTAKE_VERIFIED_FETCHED = 'f'    /* no delivery: somebody has asked the sender for it */
} IntakeVerified;

typedef struct IntakeScheme
{
	IntakeSchemeKind kind;
	IntakeAlgorithm algorithm;
	const char *jwt_algorithm; /* as the header of a token must say */
	bool key_is_shared;        /* a JSON Web Token by HMAC */
	IntakeKeyType key_type;
	IntakeKeyForm key_form;
	IntakeEncoding key_encoding;
	IntakeSlice key_prefix;
	IntakePlace *signatures;
	int n_signatures;
	IntakeSlice prefix;
	IntakeSignatureFormat format;
	const char *item_sep;
	const char *kv_sep;
	const char *tag;       /* NULL: any */
	const char *group_sep; /* or NULL */
	IntakeEncoding encoding;
	IntakeTemplate *message;
	bool has_timestamp;
	IntakePlace timestamp;
	IntakeTimeUnit unit;
	int64_t tolerance;
	IntakeRequirement *require;
	int n_require;
	IntakePath *each;              /* or NULL */
	bool toggle_port;              /* try the URL without or with its default port, too */
	bool decode_url;               /* try the URL with some escapes decoded, too */
	const char *const *url_fields; /* that the sender adds to the query */
	int n_url_fields;
	IntakeContent content;
	bool signs_plain;          /* the body before it was packed */
	IntakeSlice json_from;     /* the field of a form that has the JSON, or absent */
	bool reads_body;           /* as JSON or as a form, while it is verified */
	const char *const *fields; /* of a form, sorted: that it may have; NULL: any */
	int n_fields;
	IntakeVolatile volatiles;
	IntakeVolatile item_volatiles; /* likewise in an item, where deliveries are split */
	bool signs_body;               /* the bytes of the body are in what is signed */
	bool binds_body;               /* another body has another signature */
	bool loose;                    /* parts may move */
	bool uses_url;       /* nothing verifies unless the URL is known that the sender called */
	bool query_is_fixed; /* it must be that of the public URL, and url_fields */
	bool uses_token;     /* nor unless the source has a token */
	IntakeVerified verified;
	IntakeRequirement *when; /* of a variant: what a request must meet */
	int n_when;
	bool guarded;              /* set by its source: what is signed is accepted once, */
	bool typed;                /* and once for each type, which is not signed, */
	bool shared;               /* or for each key, where events share a signature */
	struct IntakeScheme *next; /* of a variant: the next one, at last the scheme itself */
} IntakeScheme;

extern IntakeScheme *intake_scheme_compile(const IntakeSchemeRow *row, const char **why);
extern void intake_scheme_release(IntakeScheme *scheme);
extern const IntakeScheme *intake_scheme_for(const IntakeScheme *scheme,
											 const IntakeRequest *request);
extern bool intake_scheme_header_is_credential(const IntakeScheme *scheme, IntakeSlice name);

#endif
