/*
 * connection.h
 *		The clients' connections: what comes in, and an end for those that take too long.
 */
#ifndef SHIM_CONNECTION_H
#define SHIM_CONNECTION_H

#include <sys/types.h>

typedef struct ShimConnection ShimConnection;

extern void shim_connection_init(double request_timeout);

extern ShimConnection *shim_connection_open(int socket);
extern void shim_connection_close(ShimConnection *connection);
extern ShimConnection *shim_connection_find(int socket);
extern ssize_t shim_connection_receive(ShimConnection *connection, char *buffer, size_t length);
extern void shim_connection_answer(ShimConnection *connection);
extern void shim_connection_finish(ShimConnection *connection);
extern void shim_connection_refuse(ShimConnection *connection, int status);
extern void shim_connection_turn_away(int socket, int status);
extern double shim_connection_look(void);

#endif
