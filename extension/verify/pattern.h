/*
 * pattern.h
 *		Expressions whose language is simple enough to compare with others. Pure.
 *
 * A POSIX extended regular expression is one of them where it is anchored at both ends, has only
 * characters and sets of characters in it, each with how often it comes (*, +, ?, {m,n}), and
 * where each byte of a text has one place that it can belong to. Such a pattern looks at texts of
 * any length, byte by byte, and needs no memory; verify/borders.c compares the languages of two.
 */
#ifndef INTAKE_PATTERN_H
#define INTAKE_PATTERN_H

#include "common/slice.h"

/* A set of bytes. */
typedef struct IntakeBytes
{
	uint64_t bits[4];
} IntakeBytes;

#define INTAKE_UNBOUNDED (-1)

/* Bytes of a set, from LEAST of them to MOST, or INTAKE_UNBOUNDED. */
typedef struct IntakeRun
{
	IntakeBytes set;
	int least;
	int most;
} IntakeRun;

typedef struct IntakePattern
{
	int count;
	IntakeRun *runs;
} IntakePattern;

static inline bool
intake_bytes_have(const IntakeBytes *set, unsigned char byte)
{
	return (set->bits[byte >> 6] >> (byte & 63) & 1) != 0;
}

static inline void
intake_bytes_add(IntakeBytes *set, int first, int last)
{
	for (int byte = first; byte <= last; byte++)
		set->bits[byte >> 6] |= UINT64_C(1) << (byte & 63);
}

static inline bool
intake_bytes_meet(const IntakeBytes *a, const IntakeBytes *b)
{
	return ((a->bits[0] & b->bits[0]) | (a->bits[1] & b->bits[1]) | (a->bits[2] & b->bits[2]) |
			(a->bits[3] & b->bits[3])) != 0;
}

extern bool intake_pattern_parse(const char *expression, IntakePattern *pattern);
extern bool intake_pattern_matches(const IntakePattern *pattern, IntakeSlice text);

#endif
