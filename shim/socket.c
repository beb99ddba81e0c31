/*
 * socket.c
 *		What stands between the HTTP library and its sockets.
 *
 * These functions stand before those of the C library; libpq comes by here as well.
 *
 * recv: what a client sends is read strictly before the library sees it (connection, framing).
 *
 * setsockopt: the library asks Unix sockets for options of TCP, twice for each answer, until it is
 * told that a socket has none (ENOPROTOOPT). Linux says EOPNOTSUPP, which libmicrohttpd 0.9.75
 * takes for a failure that may pass.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "connection.h"

ssize_t
recv(int socket, void *buffer, size_t length, int flags)
{
	ShimConnection *connection = shim_connection_find(socket);

	if (connection != NULL)
		return shim_connection_receive(connection, buffer, length);
	return syscall(SYS_recvfrom, socket, buffer, length, flags, NULL, NULL);
}

int
setsockopt(int socket, int level, int option, const void *value, socklen_t length)
{
	int result = (int) syscall(SYS_setsockopt, socket, level, option, value, length);

	if (result != 0 && level == IPPROTO_TCP && errno == EOPNOTSUPP)
		errno = ENOPROTOOPT;
	return result;
}
