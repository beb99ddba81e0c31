/*
 * calls.h
 *		The calls that the courier holds, and whose turn it is.
 */
#ifndef COURIER_CALLS_H
#define COURIER_CALLS_H

#include "call.h"

extern void courier_calls_init(int max_transfers);
extern void courier_calls_add(CourierCall *call);
extern void courier_calls_began(CourierCall *call);
extern void courier_calls_cancel(int64_t call_id);
extern void courier_calls_run(void);
extern double courier_calls_timeout(void);
extern void courier_calls_release(void);
extern void courier_calls_stop(const char *word, const char *detail);
extern void courier_calls_abandon(void);
extern void courier_calls_forget(void);
extern CourierCallCounts courier_calls_count(void);
extern int courier_calls_free(void);
extern const CourierCall *courier_calls_next(const CourierCall *call);
extern CourierCall *courier_calls_ended(void);
extern void courier_calls_remove(CourierCall *call);

#endif
