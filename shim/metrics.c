/*
 * metrics.c
 *		Counters, in the text format of Prometheus.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "metrics.h"

static atomic_ullong answers[600];
static atomic_ullong batches;
static atomic_ullong batched_requests;
static atomic_ullong batch_microseconds;
static atomic_int database_connections;

/* Seconds of a clock that never goes back. */
double
shim_metrics_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

void
shim_metrics_answer(int status)
{
	if (status > 0 && status < 600)
		answers[status]++;
}

void
shim_metrics_batch(size_t requests, double seconds)
{
	batches++;
	batched_requests += requests;
	batch_microseconds += (unsigned long long) (seconds * 1e6);
}

/* Adds to the number of connections that are up. */
void
shim_metrics_database(int connections)
{
	database_connections += connections;
}

static void
write_one(ShimBuffer *out, const char *name, const char *type, const char *help, double value)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", name, help, name,
					 type, name, value);

	shim_buffer_append(out, text, (size_t) n);
}

static void
write_answers(ShimBuffer *out)
{
	static const char head[] = "# HELP intake_shim_answers_total Answers by HTTP status.\n"
							   "# TYPE intake_shim_answers_total counter\n";
	char text[128];

	shim_buffer_append(out, head, sizeof(head) - 1);
	for (int status = 100; status < 600; status++)
	{
		unsigned long long count = answers[status];
		int n = snprintf(text, sizeof(text), "intake_shim_answers_total{status=\"%d\"} %llu\n",
						 status, count);

		if (count > 0)
			shim_buffer_append(out, text, (size_t) n);
	}
}

void
shim_metrics_write(ShimBuffer *out, size_t queued, size_t held)
{
	write_answers(out);
	write_one(out, "intake_shim_batches_total", "counter", "Calls to the database.",
			  (double) batches);
	write_one(out, "intake_shim_batched_requests_total", "counter", "Requests in those calls.",
			  (double) batched_requests);
	write_one(out, "intake_shim_batch_seconds_total", "counter", "Time spent in those calls.",
			  (double) batch_microseconds / 1e6);
	write_one(out, "intake_shim_queued_requests", "gauge", "Requests that wait for the database.",
			  (double) queued);
	write_one(out, "intake_shim_queued_bytes", "gauge", "Bytes held, which --max-queue bounds.",
			  (double) held);
	write_one(out, "intake_shim_database_connections", "gauge", "Connections that are up.",
			  (double) database_connections);
}
