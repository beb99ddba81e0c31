/*
 * retry.h
 *		When what has failed is tried again. Pure: time and chance are arguments.
 */
#ifndef INTAKE_RETRY_H
#define INTAKE_RETRY_H

#include <stdint.h>

/*
 * Delay in microseconds before the next try, after ATTEMPTS (1 or more) failed ones:
 * least(BACKOFF_MAX, BACKOFF * 2^(ATTEMPTS-1)) times CHANCE, a number in [0, 1).
 */
extern int64_t intake_retry_delay(int32_t attempts, int64_t backoff, int64_t backoff_max,
								  double chance);

#endif
