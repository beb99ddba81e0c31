/*
 * tcp_option.c
 *		A setsockopt for the HTTP library, which asks Unix sockets for options of TCP.
 *
 * It does so twice for each answer, until it is told that a socket has none (ENOPROTOOPT). Linux
 * says EOPNOTSUPP, which libmicrohttpd 0.9.75 takes for a failure that may pass.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Stands before that of the C library; libpq comes by here as well. */
int
setsockopt(int socket, int level, int option, const void *value, socklen_t length)
{
	int result = (int) syscall(SYS_setsockopt, socket, level, option, value, length);

	if (result != 0 && level == IPPROTO_TCP && errno == EOPNOTSUPP)
		errno = ENOPROTOOPT;
	return result;
}
