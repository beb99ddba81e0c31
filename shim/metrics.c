/*
 * metrics.c
 *		Counters, in the text format of Prometheus.
 */
#include <stdatomic.h>
#include <stdio.h>

#include "common/program/metric.h"
#include "metrics.h"

static atomic_ullong answers[600];
static atomic_ullong batches;
static atomic_ullong batched_requests;
static atomic_ullong batch_microseconds;
static atomic_int database_connections;

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
write_answers(IntakeBuffer *out)
{
	static const char head[] = "# HELP intake_shim_answers_total Answers by HTTP status.\n"
							   "# TYPE intake_shim_answers_total counter\n";
	char text[128];

	intake_buffer_append(out, head, sizeof(head) - 1);
	for (int status = 100; status < 600; status++)
	{
		unsigned long long count = answers[status];
		int n = snprintf(text, sizeof(text), "intake_shim_answers_total{status=\"%d\"} %llu\n",
						 status, count);

		if (count > 0)
			intake_buffer_append(out, text, (size_t) n);
	}
}

void
shim_metrics_write(IntakeBuffer *out, size_t queued, size_t held)
{
	write_answers(out);
	intake_metric_write(out, "intake_shim_batches_total", "counter", "Calls to the database.",
						(double) batches);
	intake_metric_write(out, "intake_shim_batched_requests_total", "counter",
						"Requests in those calls.", (double) batched_requests);
	intake_metric_write(out, "intake_shim_batch_seconds_total", "counter",
						"Time spent in those calls.", (double) batch_microseconds / 1e6);
	intake_metric_write(out, "intake_shim_queued_requests", "gauge",
						"Requests that wait for the database.", (double) queued);
	intake_metric_write(out, "intake_shim_queued_bytes", "gauge",
						"Bytes held, which --max-queue bounds.", (double) held);
	intake_metric_write(out, "intake_shim_database_connections", "gauge",
						"Connections that are up.", (double) database_connections);
}
