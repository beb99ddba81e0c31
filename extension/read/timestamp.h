/*
 * timestamp.h
 *		Reading the times that senders sign. Pure.
 */
#ifndef INTAKE_TIMESTAMP_H
#define INTAKE_TIMESTAMP_H

#include "common/slice.h"

typedef enum
{
	INTAKE_SECONDS,
	INTAKE_MILLISECONDS,
	INTAKE_ISO8601,
	INTAKE_HTTP_DATE
} IntakeTimeUnit;

extern bool intake_timestamp_unit(const char *name, IntakeTimeUnit *unit);
extern bool intake_timestamp_read(IntakeTimeUnit unit, IntakeSlice text, int64_t *microseconds);

#endif
