/*
 * connection.h
 *		The clients' connections, and an end for those that take too long.
 */
#ifndef SHIM_CONNECTION_H
#define SHIM_CONNECTION_H

#include <stdbool.h>

typedef struct ShimConnection ShimConnection;

extern void shim_connection_init(double request_timeout);

extern ShimConnection *shim_connection_open(int socket);
extern void shim_connection_close(ShimConnection *connection);
extern void shim_connection_begin(ShimConnection *connection);
extern void shim_connection_busy(ShimConnection *connection);
extern void shim_connection_idle(ShimConnection *connection);
extern double shim_connection_look(void);
extern void shim_connection_refuse(ShimConnection *connection, const char *status_line);

#endif
