/*
 * batch.c
 *		The queue between HTTP and the database.
 *
 * Natural batching: while a call is under way, requests gather here, and the next one takes all
 * of them, up to a bound. When there are as many here as under way, a second call runs beside
 * the first, so that one is worked on while the other is written to disk; smaller batches
 * would cost more than they gain. A lone request goes at once, and none waits for a call that
 * is slow. While no connection is up nothing waits here: requests are refused, and the sender
 * tries again.
 */
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "batch.h"
#include "metrics.h"

#define MAX_BATCH_BYTES (8u << 20)
#define PATIENCE 0.004 /* seconds that a request waits for others while a call is under way */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled;
static pthread_cond_t stopped; /* its own: who waits for it must not take what is for others */
static ShimRequest *first;
static ShimRequest **last = &first;
static size_t count;
static size_t bytes;
static size_t under_way; /* requests that were taken and are not answered */
static size_t max_count;
static size_t max_bytes;
static int connections; /* that are up */
static bool stopping;

static size_t
weight(const ShimRequest *request)
{
	return sizeof(ShimRequest) + request->body.length + request->headers.length;
}

void
shim_batch_init(size_t max_requests, size_t max_queue)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&filled, &attributes);
	pthread_cond_init(&stopped, &attributes);
	max_count = max_requests;
	max_bytes = max_queue;
}

/*
 * Puts a request into the queue; its done is called later, from another thread. Returns false,
 * and keeps nothing, when the database is away or the queue is full.
 */
bool
shim_batch_submit(ShimRequest *request)
{
	bool taken = false;

	pthread_mutex_lock(&mutex);
	if (connections > 0 && !stopping && (count == 0 || bytes + weight(request) <= max_bytes))
	{
		request->next = NULL;
		request->submitted_at = shim_metrics_clock();
		*last = request;
		last = &request->next;
		count++;
		bytes += weight(request);
		taken = true;
		/* The first one starts somebody's patience, and enough of them end it. */
		if (count == 1 || count == under_way)
			pthread_cond_signal(&filled);
	}
	pthread_mutex_unlock(&mutex);
	return taken;
}

static struct timespec
time_of(double seconds)
{
	return (struct timespec){(time_t) seconds,
							 (long) ((seconds - (double) (time_t) seconds) * 1e9)};
}

/* Waits until a batch is to be taken, or the daemon stops. Under the mutex. */
static void
wait_for_batch(void)
{
	while (!stopping && (first == NULL || (count < under_way && count < max_count)))
	{
		struct timespec until;

		if (first == NULL)
		{
			pthread_cond_wait(&filled, &mutex);
			continue;
		}
		until = time_of(first->submitted_at + PATIENCE);
		if (pthread_cond_timedwait(&filled, &mutex, &until) == ETIMEDOUT && first != NULL &&
			shim_metrics_clock() >= first->submitted_at + PATIENCE)
			break;
	}
}

/* Waits for requests and takes all there are, bounded; NULL when the daemon stops. */
ShimRequest *
shim_batch_take(void)
{
	ShimRequest *batch;
	ShimRequest *request;
	size_t taken = 0;
	size_t taken_bytes = 0;

	pthread_mutex_lock(&mutex);
	wait_for_batch();
	batch = first;
	for (request = first; request != NULL; request = request->next)
	{
		taken++;
		taken_bytes += weight(request);
		if (taken == max_count || request->next == NULL ||
			taken_bytes + weight(request->next) > MAX_BATCH_BYTES)
			break;
	}
	if (request != NULL)
	{
		first = request->next;
		request->next = NULL;
		if (first == NULL)
			last = &first;
		else
			pthread_cond_signal(&filled);
		count -= taken;
		bytes -= taken_bytes;
		under_way += taken;
	}
	pthread_mutex_unlock(&mutex);
	return batch;
}

/* Hands back a batch that has its answers. */
void
shim_batch_finish(ShimRequest *batch)
{
	size_t finished = 0;

	for (ShimRequest *request = batch; request != NULL; request = request->next)
		finished++;
	batch->done(batch);
	pthread_mutex_lock(&mutex);
	under_way -= finished;
	if (first != NULL)
		pthread_cond_signal(&filled);
	pthread_mutex_unlock(&mutex);
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
	ShimRequest *refused = NULL;

	shim_metrics_database(connected ? 1 : -1);
	pthread_mutex_lock(&mutex);
	connections += connected ? 1 : -1;
	if (connections == 0)
	{
		refused = first;
		first = NULL;
		last = &first;
		under_way += count;
		count = bytes = 0;
	}
	pthread_mutex_unlock(&mutex);
	if (refused != NULL)
		shim_batch_refuse(refused);
}

/* Makes shim_batch_take return what is left, and then NULL. */
void
shim_batch_stop(void)
{
	pthread_mutex_lock(&mutex);
	stopping = true;
	pthread_cond_broadcast(&filled);
	pthread_cond_broadcast(&stopped);
	pthread_mutex_unlock(&mutex);
}

bool
shim_batch_stopping(void)
{
	bool result;

	pthread_mutex_lock(&mutex);
	result = stopping;
	pthread_mutex_unlock(&mutex);
	return result;
}

/* Waits, unless the daemon stops: then returns false at once. */
bool
shim_batch_pause(double seconds)
{
	double end = shim_metrics_clock() + seconds;
	struct timespec until = time_of(end);
	bool go_on;

	pthread_mutex_lock(&mutex);
	while (!stopping && pthread_cond_timedwait(&stopped, &mutex, &until) != ETIMEDOUT)
		;
	go_on = !stopping;
	pthread_mutex_unlock(&mutex);
	return go_on;
}

void
shim_batch_size(size_t *requests, size_t *request_bytes)
{
	pthread_mutex_lock(&mutex);
	*requests = count;
	*request_bytes = bytes;
	pthread_mutex_unlock(&mutex);
}
