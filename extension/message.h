/*
 * message.h
 *		Templates: signed content, and what handshakes demand and answer. Pure.
 *
 *		{body} {timestamp} {method} {url} {secret} {token} {form_sorted}
 *		{header:NAME} {query:NAME} {form:NAME} {json:/path}, any of them |lower
 *		{sha256hex(body)}
 *		[...]		dropped as a whole when a value in it is absent
 *		\n			a line feed
 */
#ifndef INTAKE_MESSAGE_H
#define INTAKE_MESSAGE_H

#include "location.h"
#include "request.h"

/* What the variables stand for. */
typedef struct IntakeValues
{
	const IntakeRequest *request;
	IntakeSlice url;       /* the variant to use */
	IntakeSlice timestamp; /* as it was written */
	IntakeSlice secret;
	IntakeSlice token;
	IntakeSlice item; /* where relative pointers begin */
} IntakeValues;

typedef struct IntakeMessage IntakeMessage;

extern IntakeMessage *intake_message_compile(const char *text, char **error);
extern int intake_message_parts(const IntakeMessage *message);
extern int intake_message_render(const IntakeMessage *message, const IntakeValues *values,
								 IntakeSlice *out);
extern IntakeSlice intake_message_text(const IntakeMessage *message, const IntakeValues *values);
extern bool intake_message_uses_url(const IntakeMessage *message);

#endif
