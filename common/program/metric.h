/*
 * metric.h
 *		A metric, in the text format of Prometheus.
 */
#ifndef INTAKE_PROGRAM_METRIC_H
#define INTAKE_PROGRAM_METRIC_H

#include "common/program/buffer.h"

extern void intake_metric_write(IntakeBuffer *out, const char *name, const char *type,
								const char *help, double value);

#endif
