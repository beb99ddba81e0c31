/*
 * budget.c
 *		How many bytes are held for calls: their requests, and what has come of their answers.
 *
 * Whoever takes bytes that may wait asks first. What cannot wait is counted all the same: the courier
 * asks the database for no more than there is room for.
 */
#include <malloc.h>

#include "budget.h"

#define LARGE_PIECE (128 * 1024)
#define MUCH (16u << 20)

static size_t most;
static size_t used;
static size_t peak; /* of used since the allocator gave back */

void
courier_budget_init(size_t bytes)
{
	most = bytes;
	/* Unless it is set, the allocator raises it to the largest piece that was ever freed. */
	(void) mallopt(M_MMAP_THRESHOLD, LARGE_PIECE);
	/* Batches come and go: the memory of one is the next one's. */
	(void) mallopt(M_TRIM_THRESHOLD, MUCH);
	/*
	 * The HTTP library has a buffer for each transfer, and each time one is made the allocator would
	 * join all small pieces that lie free in its fast bins. Without them, small pieces are kept in
	 * the thread's own cache all the same.
	 */
	(void) mallopt(M_MXFAST, 0);
	/* Each look-up of a name is a thread; they need no memory of their own. */
	(void) mallopt(M_ARENA_MAX, 2);
}

/* Whether so many more may be held. */
bool
courier_budget_has(size_t bytes)
{
	return used < most && bytes <= most - used;
}

/* Somebody who holds *HELD bytes holds BYTES from now on. */
void
courier_budget_change(size_t *held, size_t bytes)
{
	used = used - *held + bytes;
	*held = bytes;
	if (used > peak)
		peak = used;
	if (peak - used > MUCH)
	{
		peak = used;
		(void) malloc_trim(0);
	}
}

size_t
courier_budget_used(void)
{
	return used;
}

size_t
courier_budget_free(void)
{
	return used < most ? most - used : 0;
}
