/*
 * server.h
 *		The HTTP side. Knows nothing of the database.
 */
#ifndef SHIM_SERVER_H
#define SHIM_SERVER_H

#include <stdbool.h>

#include "options.h"

extern int shim_server_init(const ShimOptions *options);
extern bool shim_server_start(void);
extern void shim_server_accept(void);
extern int shim_server_fd(void);
extern double shim_server_timeout(void);
extern void shim_server_run(void);
extern bool shim_server_busy(void);
extern void shim_server_drain(void);

#endif
