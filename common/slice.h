/*
 * slice.h
 *		A run of bytes that belongs to somebody else. Pure.
 */
#ifndef INTAKE_SLICE_H
#define INTAKE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

typedef struct IntakeSlice
{
	const char *data; /* NULL: absent; any bytes otherwise, not terminated */
	size_t len;
} IntakeSlice;

#define INTAKE_ABSENT ((IntakeSlice){NULL, 0})

static inline IntakeSlice
intake_slice_cstr(const char *text)
{
	return (IntakeSlice){text, text ? strlen(text) : 0};
}

static inline bool
intake_slice_equal(IntakeSlice a, IntakeSlice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Letters of ASCII compare without case. */
static inline bool
intake_slice_equal_nocase(IntakeSlice a, IntakeSlice b)
{
	return a.len == b.len && (a.len == 0 || strncasecmp(a.data, b.data, a.len) == 0);
}

static inline bool
intake_slice_starts(IntakeSlice text, IntakeSlice prefix)
{
	return text.len >= prefix.len &&
		   (prefix.len == 0 || memcmp(text.data, prefix.data, prefix.len) == 0);
}

/* Without N bytes at its start; the caller knows that they are there. */
static inline IntakeSlice
intake_slice_after(IntakeSlice text, size_t n)
{
	return (IntakeSlice){text.data + n, text.len - n};
}

/* Without spaces and tabs around it. */
static inline IntakeSlice
intake_slice_trim(IntakeSlice text)
{
	while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
		text = intake_slice_after(text, 1);
	while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
		text.len--;
	return text;
}

/*
 * Cuts TEXT at the first SEPARATOR, which is not empty: returns what stands before it, and
 * leaves what follows in *REST, absent when there is no separator.
 */
static inline IntakeSlice
intake_slice_cut(IntakeSlice text, const char *separator, IntakeSlice *rest)
{
	size_t n = strlen(separator);
	const char *place = text.data;
	const char *end = text.data ? text.data + text.len : NULL;

	while (place != NULL && (size_t) (end - place) >= n &&
		   (place = (const char *) memchr(place, separator[0], end - place)) != NULL)
	{
		if ((size_t) (end - place) >= n && memcmp(place, separator, n) == 0)
		{
			*rest = (IntakeSlice){place + n, end - place - n};
			return (IntakeSlice){text.data, place - text.data};
		}
		place++;
	}
	*rest = INTAKE_ABSENT;
	return text;
}

#endif
