/*
 * server.h
 *		The HTTP side. Knows nothing of the database.
 */
#ifndef SHIM_SERVER_H
#define SHIM_SERVER_H

#include <stdbool.h>

#include "options.h"

extern bool shim_server_start(const ShimOptions *options);
extern void shim_server_drain(double seconds);
extern void shim_server_stop(void);

#endif
