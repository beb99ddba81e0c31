/*
 * glob.h
 *		Matching of source and type patterns. Pure.
 */
#ifndef INTAKE_GLOB_H
#define INTAKE_GLOB_H

#include <stdbool.h>
#include <stddef.h>

extern bool intake_glob_match(const char *pattern, size_t pattern_length, const char *text,
							  size_t length);

#endif
