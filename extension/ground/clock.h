/*
 * clock.h
 *		The clock that durations are measured by. Nobody sets it, so that a backoff, a poll or
 *		a patience lasts as long as it should when the time of day jumps. Times that are stored
 *		or shown, or that come from outside, are the wall clock's.
 */
#ifndef INTAKE_CLOCK_H
#define INTAKE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Microseconds since some moment, the same for all processes of this machine. */
static inline int64_t
intake_clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The same in milliseconds. */
static inline int64_t
intake_clock_ms(void)
{
	return intake_clock_now() / 1000;
}

#endif
