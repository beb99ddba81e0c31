/*
 * budget.c
 *		How many bytes are held for clients, over all threads.
 *
 * Whoever holds bytes for a client notes how many, and changes that number here before it takes
 * more, or after it has let some go. Counted is what was allocated, not what is used of it. Beyond
 * the bound there is nothing more: a request that needs some is refused, and frees what it holds. A
 * part of the budget is kept for small requests, which nearly all are.
 *
 * Freed memory must not stay with the allocator, where larger pieces could not use it: large pieces
 * are given back to the system one by one, small ones when much has been freed.
 */
#include <malloc.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

#include "budget.h"
#include "listener.h"
#include "common/program/log.h"

#define LARGE_PIECE (128 * 1024)
#define MUCH (8u << 20)

static size_t most;
static atomic_size_t used;
static atomic_size_t peak; /* of used since the allocator gave back */
static atomic_uint refusals;

/* One for each thread: readable when there was no room, since its clients may make some. */
static int wake_fds[SHIM_MAX_THREADS];
static int n_threads;
static atomic_bool woken; /* they are readable, and no thread has looked yet */
static _Thread_local int own_fd;

/* For all threads, so many: BYTES may be held. Returns false when that cannot be, having said why. */
bool
shim_budget_init(size_t bytes, int threads)
{
	most = bytes;
	while (n_threads < threads &&
		   (wake_fds[n_threads] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) >= 0)
		n_threads++;
	if (n_threads < threads)
		intake_log(INTAKE_ERROR, "cannot serve clients: %m");
	/* Unless it is set, the allocator raises it to the largest piece that was ever freed. */
	(void) mallopt(M_MMAP_THRESHOLD, LARGE_PIECE);
	return n_threads == threads;
}

/* The thread is number INDEX. */
void
shim_budget_join(int index)
{
	own_fd = wake_fds[index];
}

static void
let_go(size_t bytes)
{
	size_t now = atomic_fetch_sub(&used, bytes) - bytes;
	size_t before = atomic_load_explicit(&peak, memory_order_relaxed);

	if (now + MUCH < before && atomic_compare_exchange_strong(&peak, &before, now))
		(void) malloc_trim(0);
}

/* A request found no room: clients that do nothing are to make some. */
void
shim_budget_press(void)
{
	atomic_fetch_add(&refusals, 1);
	if (!atomic_exchange(&woken, true))
		for (int i = 0; i < n_threads; i++)
			(void) eventfd_write(wake_fds[i], 1);
}

static bool
take(size_t bytes)
{
	size_t now = atomic_fetch_add(&used, bytes) + bytes;

	if (now > most)
	{
		atomic_fetch_sub(&used, bytes);
		shim_budget_press();
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
	shim_budget_press();
	return false;
}

size_t
shim_budget_used(void)
{
	return atomic_load(&used);
}

/* Becomes readable when there was no room; the thread is awake then. */
int
shim_budget_fd(void)
{
	return own_fd;
}

void
shim_budget_wake(void)
{
	eventfd_t count;

	(void) eventfd_read(own_fd, &count);
}

/* How often there was no room, for who looks among its clients then. */
unsigned
shim_budget_look(void)
{
	atomic_store(&woken, false);
	return atomic_load(&refusals);
}

/* How often there was no room. */
unsigned
shim_budget_refusals(void)
{
	return atomic_load_explicit(&refusals, memory_order_relaxed);
}
