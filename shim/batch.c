/*
 * batch.c
 *		The queue between HTTP and the database. Each thread has its own.
 *
 * Natural batching: while a call is under way, requests gather here, and the next one takes all
 * of them, up to a bound. A busy sender sends again when it has its answer, so the next call
 * waits a moment for as many as have just been answered: without that, a thread's senders fall
 * into two halves, one of which waits while the other is served, in twice as many calls. A lone
 * request goes at once.
 *
 * When a call is slow, requests that have waited for it too long go on another connection. To do
 * that sooner would make smaller batches, which cost more than they gain. While no connection is up
 * nothing waits here: requests are refused, and the sender tries again.
 *
 * A callback may have to wait for a transaction that has its key. So callbacks have a queue of their own,
 * go alone, and leave one connection to webhooks, where there are two.
 */
#include <stdatomic.h>

#include "common/program/clock.h"
#include "batch.h"
#include "metrics.h"

#define PATIENCE 0.05    /* seconds that a request waits for the end of a call */
#define RETURN_TIME 3e-4 /* seconds in which a sender that was answered sends again */

static _Thread_local ShimRequest *first;
static _Thread_local ShimRequest *last;
static _Thread_local size_t waiting;
static _Thread_local size_t under_way; /* requests that were taken and are not answered */
static _Thread_local size_t expected;  /* those that waited when a call ended, and its own */
static _Thread_local double ended_at;  /* that call */
static _Thread_local int connections;  /* that are up */

static _Thread_local ShimRequest *first_callback;
static _Thread_local ShimRequest *last_callback;
static _Thread_local int callbacks; /* that were taken and are not answered */

static size_t max_count;
static int max_callbacks;
static atomic_size_t all_count; /* of the queues of all threads */

static size_t
weight(const ShimRequest *request)
{
	return sizeof(ShimRequest) + request->body.length + request->headers.length;
}

void
shim_batch_init(size_t max_requests, int max_connections)
{
	max_count = max_requests;
	max_callbacks = max_connections > 1 ? max_connections - 1 : 1;
}

static void
append(ShimRequest **head, ShimRequest **tail, ShimRequest *request)
{
	if (*head == NULL)
		*head = request;
	else
		(*tail)->next = request;
	*tail = request;
}

/*
 * Puts a request into the queue; its done is called later. Returns false, and keeps nothing,
 * when the database is away.
 */
bool
shim_batch_submit(ShimRequest *request)
{
	if (connections == 0)
		return false;
	request->next = NULL;
	request->submitted_at = intake_clock_seconds();
	atomic_fetch_add(&all_count, 1);
	if (request->callback)
		append(&first_callback, &last_callback, request);
	else
	{
		append(&first, &last, request);
		waiting++;
	}
	return true;
}

/* The same as shim_batch_wait, of webhooks. */
static double
wait_for_webhooks(void)
{
	if (first == NULL)
		return INTAKE_LONG;
	if (under_way > 0)
		return first->submitted_at + PATIENCE - intake_clock_seconds();
	if (waiting >= expected || waiting >= max_count)
		return 0;
	return ended_at + RETURN_TIME - intake_clock_seconds();
}

/* Whether a callback goes next: one that may, and has come before webhooks that would go now. */
static bool
is_turn_of_callback(void)
{
	return first_callback != NULL && callbacks < max_callbacks &&
		   (wait_for_webhooks() > 0 || first_callback->submitted_at <= first->submitted_at);
}

/* Seconds until there is a batch to take, if no more requests come: 0 or less is now. */
double
shim_batch_wait(void)
{
	return is_turn_of_callback() ? 0 : wait_for_webhooks();
}

static ShimRequest *
take_callback(void)
{
	ShimRequest *callback = first_callback;

	first_callback = callback->next;
	callback->next = NULL;
	callbacks++;
	atomic_fetch_sub(&all_count, 1);
	return callback;
}

/* Takes the first requests, so many and of so many bytes at most, but at least one. */
static ShimRequest *
take(size_t most, size_t most_bytes)
{
	ShimRequest *batch = first;
	ShimRequest *request = first;
	size_t taken = 1;
	size_t taken_bytes = weight(first);

	while (request->next != NULL && taken < most &&
		   taken_bytes + weight(request->next) <= most_bytes)
	{
		request = request->next;
		taken++;
		taken_bytes += weight(request);
	}
	first = request->next;
	request->next = NULL;
	waiting -= taken;
	under_way += taken;
	atomic_fetch_sub(&all_count, taken);
	return batch;
}

/* Takes a batch: only when shim_batch_wait says that there is one. */
ShimRequest *
shim_batch_take(void)
{
	return is_turn_of_callback() ? take_callback() : take(max_count, SHIM_CALL_BYTES);
}

/* Hands back a batch that has its answers. */
void
shim_batch_finish(ShimRequest *batch)
{
	if (batch->callback)
	{
		callbacks--;
		batch->done(batch);
		return;
	}
	ended_at = intake_clock_seconds();
	expected = waiting;
	for (ShimRequest *request = batch; request != NULL; request = request->next)
	{
		under_way--;
		expected++;
	}
	batch->done(batch);
}

/* The same with an answer of 503 to all. */
void
shim_batch_refuse(ShimRequest *batch)
{
	for (ShimRequest *request = batch; request != NULL; request = request->next)
		request->status = 503;
	shim_batch_finish(batch);
}

/* A connection came up, or went down; with the last one the queue is answered 503. */
void
shim_batch_connected(bool connected)
{
	shim_metrics_database(connected ? 1 : -1);
	connections += connected ? 1 : -1;
	if (connections == 0 && first != NULL)
		shim_batch_refuse(take(SIZE_MAX, SIZE_MAX));
	while (connections == 0 && first_callback != NULL)
		shim_batch_refuse(take_callback());
}

/* Whether the database can be reached. */
bool
shim_batch_is_connected(void)
{
	return connections > 0;
}

/* How many requests wait, in all threads. */
size_t
shim_batch_size(void)
{
	return atomic_load(&all_count);
}
