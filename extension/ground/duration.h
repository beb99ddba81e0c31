/*
 * duration.h
 *		Lengths of time that people write as intervals.
 */
#ifndef INTAKE_DURATION_H
#define INTAKE_DURATION_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* Bounds, in microseconds: of everything, and of what a job may take. */
#define INTAKE_DURATION_LONGEST (INT64CONST(315576000) * USECS_PER_SEC) /* 10 years */
#define INTAKE_TIMEOUT_SHORTEST INT64CONST(1000)
#define INTAKE_TIMEOUT_LONGEST (24 * USECS_PER_DAY)

extern int64 intake_duration_usecs(const Interval *interval);
extern void intake_duration_check(const char *parameter, const Interval *value);

#endif
