/*
 * log.h
 *		Lines on standard error.
 */
#ifndef SHIM_LOG_H
#define SHIM_LOG_H

#include <stdbool.h>

typedef enum
{
	SHIM_ERROR,
	SHIM_WARNING,
	SHIM_INFO,
	SHIM_DEBUG
} ShimLogLevel;

extern bool shim_log_level(const char *name);
extern void shim_log(ShimLogLevel level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
