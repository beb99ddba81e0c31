/*
 * batch.c
 *		The queue between HTTP and the database.
 *
 * Natural batching: while a call is under way, requests gather here, and the next one takes all
 * of them, up to a bound. When there are as many here as under way, a second call runs beside
 * the first, so that one is worked on while the other is written to disk; smaller batches
 * would cost more than they gain. A lone request goes at once, and none waits long for a call
 * that is slow. While no connection is up nothing waits here: requests are refused, and the
 * sender tries again.
 */
#include "batch.h"
#include "metrics.h"

#define MAX_BATCH_BYTES (8u << 20)
#define EARLY 32       /* requests that are worth a call while more come in */
#define PATIENCE 0.004 /* seconds that a request waits for others while a call is under way */

static ShimRequest *first;
static ShimRequest **last = &first;
static size_t count;
static size_t bytes;
static size_t under_way; /* requests that were taken and are not answered */
static size_t max_count;
static size_t max_bytes;
static int connections; /* that are up */
static void (*ready)(void);

static size_t
weight(const ShimRequest *request)
{
	return sizeof(ShimRequest) + request->body.length + request->headers.length;
}

/* READY is called when there is a batch that should not wait for the requests that come in now. */
void
shim_batch_init(size_t max_requests, size_t max_queue, void (*call_when_ready)(void))
{
	ready = call_when_ready;
	max_count = max_requests;
	max_bytes = max_queue;
}

/*
 * Puts a request into the queue; its done is called later. Returns false, and keeps nothing,
 * when the database is away or the queue is full.
 */
bool
shim_batch_submit(ShimRequest *request)
{
	if (connections == 0 || (count > 0 && bytes + weight(request) > max_bytes))
		return false;
	request->next = NULL;
	request->submitted_at = shim_metrics_clock();
	*last = request;
	last = &request->next;
	count++;
	bytes += weight(request);
	if (count >= EARLY && count >= under_way)
		ready();
	return true;
}

/* Seconds until there is a batch to take, if no more requests come: 0 or less is now. */
double
shim_batch_wait(void)
{
	if (first == NULL)
		return 1;
	if (count >= under_way || count >= max_count)
		return 0;
	return first->submitted_at + PATIENCE - shim_metrics_clock();
}

/* Takes all there are, bounded; NULL when it is better to wait, or nothing is there. */
ShimRequest *
shim_batch_take(void)
{
	ShimRequest *batch = first;
	ShimRequest *request = first;
	size_t taken = 1;
	size_t taken_bytes;

	if (shim_batch_wait() > 0)
		return NULL;
	taken_bytes = weight(request);
	while (request->next != NULL && taken < max_count &&
		   taken_bytes + weight(request->next) <= MAX_BATCH_BYTES)
	{
		request = request->next;
		taken++;
		taken_bytes += weight(request);
	}
	first = request->next;
	request->next = NULL;
	if (first == NULL)
		last = &first;
	count -= taken;
	bytes -= taken_bytes;
	under_way += taken;
	return batch;
}

/* Hands back a batch that has its answers. */
void
shim_batch_finish(ShimRequest *batch)
{
	for (ShimRequest *request = batch; request != NULL; request = request->next)
		under_way--;
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
	ShimRequest *refused = first;

	shim_metrics_database(connected ? 1 : -1);
	connections += connected ? 1 : -1;
	if (connections > 0 || refused == NULL)
		return;
	first = NULL;
	last = &first;
	under_way += count;
	count = bytes = 0;
	shim_batch_refuse(refused);
}

void
shim_batch_size(size_t *requests, size_t *request_bytes)
{
	*requests = count;
	*request_bytes = bytes;
}
