/*
 * clock.h
 *		Seconds of a clock that never goes back.
 */
#ifndef INTAKE_PROGRAM_CLOCK_H
#define INTAKE_PROGRAM_CLOCK_H

#include <time.h>

#define INTAKE_LONG 3600.0 /* seconds to wait where nothing is due */

static inline double
intake_clock_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

#endif
