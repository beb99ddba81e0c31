/*
 * template.h
 *		Templates: signed content, and what handshakes demand and answer. Pure.
 *
 *		{body} {timestamp} {method} {secret} {token} {form_sorted}
 *		{url} {endpoint} {path}		the URL as it was called; without its query; from its path on
 *		{qsh}						Atlassian's hash of method, path and query
 *		{header:NAME} {query:NAME} {form:NAME} {json:/path} {jwt:/path}
 *		{header_list:NAME}			name:value;... of the headers that header NAME lists
 *		{...|lower}					in lower case
 *		{sha256hex(x+y)}			a digest of variables, one behind the other: sha1, sha256,
 *									sha512, or hmac by the key and algorithm of the scheme;
 *									hex, base64, base64url
 *		{crc32(x)}					CRC-32 in decimal
 *		[...]						dropped as a whole when a value in it is absent
 *		\n							a line feed; \ before {}[]\ takes their meaning away
 */
#ifndef INTAKE_TEMPLATE_H
#define INTAKE_TEMPLATE_H

#include "read/location.h"
#include "read/request.h"
#include "read/encoding.h"
#include "verify/digest.h"
#include "verify/pattern.h"

/* What the variables stand for. */
typedef struct IntakeValues
{
	const IntakeRequest *request;
	IntakeSlice url;       /* the variant to use */
	IntakeSlice timestamp; /* as it was written */
	IntakeSlice secret;
	IntakeSlice token;
	IntakeMac mac;           /* for hmac...(), or without a key */
	IntakeSlice item;        /* where relative pointers begin */
	IntakeSlice form_sorted; /* of the body, where it is made already */
	bool lasting;            /* parts of the body may be cut out: what is absent is empty */
} IntakeValues;

typedef enum
{
	INTAKE_PART_BODY,
	INTAKE_PART_TIMESTAMP,
	INTAKE_PART_METHOD,
	INTAKE_PART_URL,
	INTAKE_PART_ENDPOINT,
	INTAKE_PART_PATH,
	INTAKE_PART_SECRET,
	INTAKE_PART_TOKEN,
	INTAKE_PART_FORM_SORTED,
	INTAKE_PART_QSH,
	INTAKE_PART_LITERAL,
	INTAKE_PART_LOCATION,
	INTAKE_PART_HEADER_LIST,
	INTAKE_PART_DIGEST,
	INTAKE_PART_HMAC,
	INTAKE_PART_CRC32,
	INTAKE_PART_OPEN, /* [ */
	INTAKE_PART_CLOSE /* ] */
} IntakePartKind;

typedef struct IntakeTemplate IntakeTemplate;

typedef struct IntakePart
{
	IntakePartKind kind;
	IntakeSlice text; /* as it stands in the template */
	bool lower;
	IntakeSlice literal; /* or the name of INTAKE_PART_HEADER_LIST */
	IntakePlace *place;
	const IntakePattern *pattern; /* of what may stand there, or NULL */
	IntakeAlgorithm algorithm;    /* of INTAKE_PART_DIGEST */
	IntakeEncoding encoding;
	IntakeTemplate *arguments; /* of functions */
} IntakePart;

struct IntakeTemplate
{
	int count;
	IntakePart parts[];
};

#define INTAKE_RENDER_ABSENT (-1)    /* a value outside of brackets is not there */
#define INTAKE_RENDER_MALFORMED (-2) /* a value is not what its pattern says */

extern IntakeTemplate *intake_template_compile(const char *text, const char **why);
extern int intake_template_render(const IntakeTemplate *message, const IntakeValues *values,
								  IntakeSlice *out);
extern IntakeSlice intake_template_text(const IntakeTemplate *message, const IntakeValues *values);
extern bool intake_template_uses(const IntakeTemplate *message, const char *variable);
extern bool intake_template_reads(const IntakeTemplate *message, IntakePlaceKind kind);
extern void intake_template_find_time(IntakeTemplate *message, const IntakePlace *place);
extern bool intake_template_expect(IntakeTemplate *message, const IntakePlace *place,
								   const IntakePattern *pattern);
extern const IntakePart *intake_template_malformed(const IntakeTemplate *message,
												   const IntakeValues *values);

#endif
