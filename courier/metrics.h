/*
 * metrics.h
 *		Counters, in the text format of Prometheus.
 */
#ifndef COURIER_METRICS_H
#define COURIER_METRICS_H

#include "call.h"

extern void courier_metrics_connection(void);
extern void courier_metrics_database(int links);
extern void courier_metrics_answer(const CourierCall *call);
extern void courier_metrics_exchange(double seconds);
extern void courier_metrics_write(IntakeBuffer *out, CourierCallCounts counts);

#endif
