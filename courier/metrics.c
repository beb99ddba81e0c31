/*
 * metrics.c
 *		Counters, in the text format of Prometheus.
 */
#include <stdio.h>

#include "budget.h"
#include "common/program/metric.h"
#include "metrics.h"

#define WORDS 16 /* of errors that are told apart */

typedef struct ErrorCount
{
	char word[32];
	unsigned long long count;
} ErrorCount;

static unsigned long long answers[600]; /* by status; 0: ended with an error */
static ErrorCount errors[WORDS];
static unsigned long long connections;
static unsigned long long exchanges;
static double exchange_seconds;
static double call_seconds;
static int database_links;

void
courier_metrics_connection(void)
{
	connections++;
}

/* Adds to the number of connections to the database that are up. */
void
courier_metrics_database(int links)
{
	database_links += links;
}

static void
count_error(const char *error)
{
	size_t length = strcspn(error, ":");

	if (length >= sizeof(errors[0].word))
		return;
	for (int i = 0; i < WORDS; i++)
	{
		if (errors[i].word[0] == '\0')
			memcpy(errors[i].word, error, length);
		if (strlen(errors[i].word) == length && memcmp(errors[i].word, error, length) == 0)
		{
			errors[i].count++;
			return;
		}
	}
}

/* A call has ended. */
void
courier_metrics_answer(const CourierCall *call)
{
	call_seconds += (double) call->duration / 1e6;
	if (call->error[0] != '\0')
		count_error(call->error);
	else if (call->status > 0 && call->status < 600)
		answers[call->status]++;
}

void
courier_metrics_exchange(double seconds)
{
	exchanges++;
	exchange_seconds += seconds;
}

static void
append_head(IntakeBuffer *out, const char *name, const char *help)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "# HELP %s %s\n# TYPE %s counter\n", name, help, name);

	intake_buffer_append(out, text, (size_t) n);
}

static void
write_answers(IntakeBuffer *out)
{
	char text[128];

	append_head(out, "intake_courier_answers_total", "Answers of hosts by HTTP status.");
	for (int status = 100; status < 600; status++)
	{
		int n = snprintf(text, sizeof(text), "intake_courier_answers_total{status=\"%d\"} %llu\n",
						 status, answers[status]);

		if (answers[status] > 0)
			intake_buffer_append(out, text, (size_t) n);
	}
	append_head(out, "intake_courier_errors_total", "Calls that ended with an error, by its word.");
	for (int i = 0; i < WORDS && errors[i].word[0] != '\0'; i++)
	{
		int n = snprintf(text, sizeof(text), "intake_courier_errors_total{error=\"%s\"} %llu\n",
						 errors[i].word, errors[i].count);

		intake_buffer_append(out, text, (size_t) n);
	}
}

void
courier_metrics_write(IntakeBuffer *out, CourierCallCounts counts)
{
	write_answers(out);
	intake_metric_write(out, "intake_courier_call_seconds_total", "counter",
						"Time spent in calls that have ended.", call_seconds);
	intake_metric_write(out, "intake_courier_connections_total", "counter",
						"Connections to hosts that were begun.", (double) connections);
	intake_metric_write(out, "intake_courier_exchanges_total", "counter",
						"Exchanges with the database.", (double) exchanges);
	intake_metric_write(out, "intake_courier_exchange_seconds_total", "counter",
						"Time spent in those exchanges.", exchange_seconds);
	intake_metric_write(out, "intake_courier_database_connections", "gauge",
						"Connections to the database that are up.", database_links);
	intake_metric_write(out, "intake_courier_running_calls", "gauge", "Calls under way.",
						counts.running);
	intake_metric_write(out, "intake_courier_waiting_calls", "gauge",
						"Calls that wait for their turn at their host.", counts.waiting);
	intake_metric_write(out, "intake_courier_ended_calls", "gauge",
						"Answers that wait for the database.", counts.ended);
	intake_metric_write(out, "intake_courier_held_bytes", "gauge",
						"Bytes held, which --max-held bounds.", (double) courier_budget_used());
}
