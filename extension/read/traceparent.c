/*
 * traceparent.c
 *		The header by which systems tell each other which trace a request belongs to.
 *
 * W3C Trace Context: a version, the trace's id, the id of the span that sends, and flags, in lower-case
 * hexadecimal digits with a hyphen between. A later version may have more behind another hyphen.
 */
#include <stdio.h>
#include <string.h>

#include "read/traceparent.h"

#define TRACE_AT 3
#define TRACE_DIGITS 32
#define SPAN_AT 36
#define SPAN_DIGITS 16
#define FLAGS_AT 53
#define LENGTH 55
#define KNOWN_FLAGS 3 /* sampled, random */

static bool
is_hex(IntakeSlice text, size_t at, size_t digits)
{
	for (size_t i = at; i < at + digits; i++)
		if (strchr("0123456789abcdef", text.data[i]) == NULL || text.data[i] == '\0')
			return false;
	return true;
}

static bool
is_zero(IntakeSlice text, size_t at, size_t digits)
{
	for (size_t i = at; i < at + digits; i++)
		if (text.data[i] != '0')
			return false;
	return true;
}

static bool
has_version(IntakeSlice text)
{
	if (!is_hex(text, 0, 2) || memcmp(text.data, "ff", 2) == 0)
		return false;
	return text.len == LENGTH || (memcmp(text.data, "00", 2) != 0 && text.data[LENGTH] == '-');
}

/* Whether a text is one. */
bool
intake_traceparent_is(IntakeSlice text)
{
	if (text.data == NULL || text.len < LENGTH || !has_version(text))
		return false;
	return text.data[TRACE_AT - 1] == '-' && text.data[SPAN_AT - 1] == '-' &&
		   text.data[FLAGS_AT - 1] == '-' && is_hex(text, TRACE_AT, TRACE_DIGITS) &&
		   !is_zero(text, TRACE_AT, TRACE_DIGITS) && is_hex(text, SPAN_AT, SPAN_DIGITS) &&
		   !is_zero(text, SPAN_AT, SPAN_DIGITS) && is_hex(text, FLAGS_AT, 2);
}

/* Makes the one of a SPAN, which is not 0, of the same trace, into INTAKE_TRACEPARENT_SIZE bytes. */
void
intake_traceparent_next(IntakeSlice text, uint64_t span, char *out)
{
	unsigned flags = 0;

	(void) sscanf(text.data + FLAGS_AT, "%2x", &flags);
	(void) snprintf(out, INTAKE_TRACEPARENT_SIZE, "00-%.*s-%016llx-%02x", TRACE_DIGITS,
					text.data + TRACE_AT, (unsigned long long) span, flags & KNOWN_FLAGS);
}
