/*
 * timestamp.h
 *		The times that senders sign, read and written. Pure.
 */
#ifndef INTAKE_TIMESTAMP_H
#define INTAKE_TIMESTAMP_H

#include "common/slice.h"

/* How a time is written. */
typedef enum
{
	INTAKE_SECONDS,      /* 10 digits */
	INTAKE_MILLISECONDS, /* 13 digits */
	INTAKE_ISO8601,      /* 2026-11-30T03:05:15.123Z, +01:00 or +0100; with a fraction or without */
	INTAKE_ISO8601_LOCAL, /* the same without a zone: UTC */
	INTAKE_HTTP_DATE      /* Mon, 30 Nov 2026 03:05:15 GMT */
} IntakeTimeUnit;

#define INTAKE_TIMESTAMP_TEXT 64 /* bytes of a time as it is written here, and of its NUL */

extern bool intake_timestamp_unit(const char *name, IntakeTimeUnit *unit);
extern bool intake_timestamp_read(IntakeTimeUnit unit, IntakeSlice text, int64_t *microseconds);
extern int intake_timestamp_write(IntakeTimeUnit unit, int64_t microseconds, char *out);

#endif
