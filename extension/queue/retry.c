/*
 * retry.c
 *		When what has failed is tried again. Pure: time and chance are arguments.
 */
#include "queue/retry.h"

int64_t
intake_retry_delay(int32_t attempts, int64_t backoff, int64_t backoff_max, double chance)
{
	int64_t delay = backoff < backoff_max ? backoff : backoff_max;

	for (int32_t i = 1; i < attempts && delay < backoff_max && delay > 0; i++)
		delay = delay > backoff_max / 2 ? backoff_max : delay * 2;
	return (int64_t) ((double) delay * chance);
}
