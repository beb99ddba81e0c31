/*
 * budget.c
 *		How many bytes are held for clients, over all threads.
 *
 * Whoever holds bytes for a client notes how many, and changes that number here before it takes
 * more, or after it has let some go. What is counted is what the allocator gave, not what is used
 * of it. Beyond the bound nothing is given: what asks for it is refused, and lets go what it has. A
 * part is kept for what is small, which is nearly all that is ever sent.
 *
 * What was let go must not stay with the allocator, where larger pieces could not use it: large
 * pieces are given back to the system one by one, small ones when much has gone.
 */
#include <malloc.h>
#include <stdatomic.h>

#include "budget.h"

#define LARGE_PIECE (128 * 1024)
#define MUCH (8u << 20)

static size_t most;
static atomic_size_t used;
static atomic_size_t peak; /* of used since the allocator gave back */
static atomic_uint refusals;

void
shim_budget_init(size_t bytes)
{
	most = bytes;
	/* Setting it also keeps it: the allocator would raise it to the largest piece ever let go. */
	(void) mallopt(M_MMAP_THRESHOLD, LARGE_PIECE);
}

static void
let_go(size_t bytes)
{
	size_t now = atomic_fetch_sub(&used, bytes) - bytes;
	size_t before = atomic_load_explicit(&peak, memory_order_relaxed);

	if (now + MUCH < before && atomic_compare_exchange_strong(&peak, &before, now))
		(void) malloc_trim(0);
}

static bool
take(size_t bytes)
{
	size_t now = atomic_fetch_add(&used, bytes) + bytes;

	if (now > most)
	{
		atomic_fetch_sub(&used, bytes);
		atomic_fetch_add(&refusals, 1);
		return false;
	}
	if (now > atomic_load_explicit(&peak, memory_order_relaxed))
		atomic_store_explicit(&peak, now, memory_order_relaxed);
	return true;
}

/*
 * Changes what somebody holds, *HELD, to BYTES. Returns false, and changes nothing, when there is
 * no room for more.
 */
bool
shim_budget_change(size_t *held, size_t bytes)
{
	if (bytes > *held && !take(bytes - *held))
		return false;
	if (bytes < *held)
		let_go(*held - bytes);
	*held = bytes;
	return true;
}

/* The most that may be held where something large is among it. */
size_t
shim_budget_large(void)
{
	return most - most / 16;
}

/* Whether there is room for so many bytes more of something large now; takes none. */
bool
shim_budget_has_large(size_t bytes)
{
	if (atomic_load(&used) + bytes <= shim_budget_large())
		return true;
	atomic_fetch_add(&refusals, 1);
	return false;
}

size_t
shim_budget_used(void)
{
	return atomic_load(&used);
}

/* How often there was no room. */
unsigned
shim_budget_refusals(void)
{
	return atomic_load_explicit(&refusals, memory_order_relaxed);
}
