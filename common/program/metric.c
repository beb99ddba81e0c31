/*
 * metric.c
 *		A metric, in the text format of Prometheus.
 */
#include <stdio.h>

#include "common/program/metric.h"

/* Appends a metric that has one value. NAME and HELP are the program's own, and short. */
void
intake_metric_write(IntakeBuffer *out, const char *name, const char *type, const char *help,
					double value)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", name, help, name,
					 type, name, value);

	intake_buffer_append(out, text, (size_t) n);
}
