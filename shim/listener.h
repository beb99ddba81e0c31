/*
 * listener.h
 *		The socket that clients connect to, and which thread serves whom.
 */
#ifndef SHIM_LISTENER_H
#define SHIM_LISTENER_H

#include <stdbool.h>
#include <sys/socket.h>

#define SHIM_MAX_THREADS 64

extern bool shim_listener_open(const char *listen, int threads, int max_clients);
extern void shim_listener_run(int stop);
extern void shim_listener_close(void);

extern void shim_listener_join(int index);
extern void shim_listener_serve(bool serves);
extern int shim_listener_fd(void);
extern int shim_listener_take(struct sockaddr_storage *address, socklen_t *length);
extern void shim_listener_leave(void);
extern bool shim_listener_is_spare(void);

#endif
