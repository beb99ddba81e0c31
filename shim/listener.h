/*
 * listener.h
 *		The socket that clients connect to, and which thread takes the next one.
 */
#ifndef SHIM_LISTENER_H
#define SHIM_LISTENER_H

#include <stdbool.h>
#include <sys/socket.h>

extern bool shim_listener_open(const char *listen, int max_clients);
extern void shim_listener_close(void);

extern void shim_listener_serve(bool serves);
extern int shim_listener_fd(void);
extern bool shim_listener_is_turn(bool waits);
extern int shim_listener_accept(struct sockaddr_storage *address, socklen_t *length);
extern void shim_listener_leave(void);
extern bool shim_listener_is_spare(void);

#endif
