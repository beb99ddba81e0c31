/*
 * call_url.h
 *		The URL of a call: a narrow grammar, so that everybody who reads it reads the same. Pure.
 */
#ifndef INTAKE_CALL_URL_H
#define INTAKE_CALL_URL_H

#include "common/slice.h"

#define INTAKE_CALL_URL_MAX 8000 /* bytes of a URL */

typedef struct IntakeCallUrl
{
	bool https;
	IntakeSlice host; /* in lower case, palloc'ed; IPv6 in brackets, in its shortest form */
	int port;
	IntakeSlice target; /* path and query, from the slash on; within the text that was parsed */
} IntakeCallUrl;

extern const char *intake_call_url_parse(IntakeSlice url, IntakeCallUrl *out);
extern const char *intake_call_url_parse_host(IntakeSlice text, IntakeCallUrl *out);

#endif
