/*
 * listen.h
 *		The socket that clients connect to: a port, or a path.
 */
#ifndef INTAKE_PROGRAM_LISTEN_H
#define INTAKE_PROGRAM_LISTEN_H

extern int intake_listen_open(const char *listen_option);
extern void intake_listen_close(int fd);

#endif
