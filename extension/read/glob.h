/*
 * glob.h
 *		Matching of source and type patterns. Pure.
 */
#ifndef INTAKE_GLOB_H
#define INTAKE_GLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"

/* A pattern, looked at once. The bytes are not copied. */
typedef struct IntakeGlob
{
	const char *pattern;
	size_t length;
	uint64_t head; /* what stands before the first wildcard, its first bytes */
	uint64_t mask; /* which bits of that count */
	bool any;      /* it is "*", which what is absent matches, too */
	bool wild;     /* it has a wildcard; else it is a text */
} IntakeGlob;

extern bool intake_glob_match(const char *pattern, size_t pattern_length, const char *text,
							  size_t length);
extern IntakeGlob intake_glob_read(const char *pattern);
extern uint64_t intake_glob_head(IntakeSlice text);
extern bool intake_glob_matches(const IntakeGlob *glob, IntakeSlice text);

#endif
