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
#include "verify/digest.h"

/* What the variables stand for. */
typedef struct IntakeValues
{
	const IntakeRequest *request;
	IntakeSlice url;       /* the variant to use */
	IntakeSlice timestamp; /* as it was written */
	IntakeSlice secret;
	IntakeSlice token;
	IntakeMac *mac;          /* for hmac...(), or NULL */
	IntakeSlice item;        /* where relative pointers begin */
	IntakeSlice form_sorted; /* of the body, where it is made already */
} IntakeValues;

typedef struct IntakeTemplate IntakeTemplate;

extern IntakeTemplate *intake_template_compile(const char *text, char **error);
extern int intake_template_parts(const IntakeTemplate *message);
extern int intake_template_render(const IntakeTemplate *message, const IntakeValues *values,
								  IntakeSlice *out);
extern IntakeSlice intake_template_text(const IntakeTemplate *message, const IntakeValues *values);
extern bool intake_template_uses(const IntakeTemplate *message, const char *variable);
extern bool intake_template_uses_place(const IntakeTemplate *message, const IntakePlace *place);
extern const IntakePlace *intake_template_place(const IntakeTemplate *message, int index);
extern IntakeSlice intake_template_header_list(const IntakeTemplate *message, int index);

#endif
