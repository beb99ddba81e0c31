/*
 * ranges.h
 *		A list of IP ranges, as an option names them.
 */
#ifndef INTAKE_PROGRAM_RANGES_H
#define INTAKE_PROGRAM_RANGES_H

#include "common/address.h"

/* Starts as zeros; lives as long as the program. */
typedef struct IntakeRanges
{
	IntakeRange *ranges; /* malloc'ed */
	size_t count;
	bool unix_sockets; /* who comes by one */
} IntakeRanges;

extern bool intake_ranges_add(IntakeRanges *ranges, const char *list);
extern bool intake_ranges_have(const IntakeRanges *ranges, const IntakeAddress *address);

#endif
