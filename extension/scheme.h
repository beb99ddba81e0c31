/*
 * scheme.h
 *		How a provider signs: a row of intake.scheme, compiled. Pure.
 */
#ifndef INTAKE_SCHEME_H
#define INTAKE_SCHEME_H

#include "digest.h"
#include "encoding.h"
#include "location.h"
#include "message.h"
#include "timestamp.h"

/* A location, and the template that it must equal. */
typedef struct IntakePair
{
	const char *location;
	const char *value;
} IntakePair;

/* A row as it is stored; NULL where the column is. See sql/20_tables.sql for the meanings. */
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
} IntakeSchemeRow;

typedef enum
{
	INTAKE_HMAC,
	INTAKE_HASH,
	INTAKE_TOKEN,
	INTAKE_BASIC
} IntakeSchemeKind;

typedef enum
{
	INTAKE_PLAIN,
	INTAKE_KV,
	INTAKE_LIST
} IntakeSignatureFormat;

typedef enum
{
	INTAKE_KEY_DECODED, /* by key_encoding, behind key_prefix */
	INTAKE_KEY_SHA1,    /* the secret's SHA-1 */
	INTAKE_KEY_NFKD     /* the secret, which must be ASCII */
} IntakeKeyForm;

/* A requirement: the first value at a location equals a rendered template. */
typedef struct IntakeRequirement
{
	IntakeLocation location;
	IntakeMessage *value; /* NULL: any value will do */
} IntakeRequirement;

typedef struct IntakeScheme
{
	IntakeSchemeKind kind;
	IntakeAlgorithm algorithm;
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
	IntakeMessage *message;
	bool has_timestamp;
	IntakePlace timestamp;
	IntakeTimeUnit unit;
	int64_t tolerance;
	IntakeRequirement *require;
	int n_require;
	IntakePath *each; /* or NULL */
	bool toggle_port; /* try the URL without or with its default port, too */
} IntakeScheme;

extern IntakeScheme *intake_scheme_compile(const IntakeSchemeRow *row, char **error);
extern bool intake_scheme_requirement(const IntakePair *pair, IntakeRequirement *requirement,
									  char **error);
extern bool intake_scheme_meets(const IntakeRequirement *requirement, const IntakeValues *values);
extern bool intake_scheme_header_is_credential(const IntakeScheme *scheme, IntakeSlice name);

#endif
