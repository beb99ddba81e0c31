/*
 * metrics.h
 *		Counters, in the text format of Prometheus.
 */
#ifndef SHIM_METRICS_H
#define SHIM_METRICS_H

#include "common/program/buffer.h"

extern void shim_metrics_answer(int status);
extern void shim_metrics_batch(size_t requests, double seconds);
extern void shim_metrics_database(int connections);
extern void shim_metrics_write(IntakeBuffer *out, size_t queued, size_t held);

#endif
