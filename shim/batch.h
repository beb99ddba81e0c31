/*
 * batch.h
 *		The queue between HTTP and the database.
 */
#ifndef SHIM_BATCH_H
#define SHIM_BATCH_H

#include "request.h"

extern void shim_batch_init(size_t max_requests, int max_connections);
extern bool shim_batch_submit(ShimRequest *request);
extern double shim_batch_wait(void);
extern ShimRequest *shim_batch_take(void);
extern void shim_batch_finish(ShimRequest *batch);
extern void shim_batch_refuse(ShimRequest *batch);
extern void shim_batch_connected(bool connected);
extern bool shim_batch_is_connected(void);
extern size_t shim_batch_size(void);

#endif
