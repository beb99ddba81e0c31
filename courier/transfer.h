/*
 * transfer.h
 *		Calls on the network (libcurl). Knows nothing of the database.
 */
#ifndef COURIER_TRANSFER_H
#define COURIER_TRANSFER_H

#include "call.h"
#include "options.h"

extern bool courier_transfer_init(const CourierOptions *options, CourierBegan began);
extern void courier_transfer_start(CourierCall *call);
extern void courier_transfer_stop(CourierCall *call);
extern int courier_transfer_fd(void);
extern double courier_transfer_timeout(void);
extern void courier_transfer_run(void);
extern CourierCall *courier_transfer_take(void);

#endif
