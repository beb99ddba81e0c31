/*
 * log.h
 *		Lines on standard error.
 */
#ifndef INTAKE_PROGRAM_LOG_H
#define INTAKE_PROGRAM_LOG_H

#include <stdbool.h>

typedef enum
{
	INTAKE_ERROR,
	INTAKE_WARNING,
	INTAKE_INFO,
	INTAKE_DEBUG
} IntakeLogLevel;

extern bool intake_log_level(const char *name);
extern void intake_log(IntakeLogLevel level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
