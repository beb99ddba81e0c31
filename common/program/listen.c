/*
 * listen.c
 *		The socket that clients connect to: a port, or a path. A program has one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/program/listen.h"
#include "common/program/log.h"

#define BACKLOG 1024
#define UNIX_PREFIX "unix:"

static const char *unix_path; /* of the socket, if it has one */
static struct stat unix_file;

static int
fail(const char *listen_option, int fd)
{
	intake_log(INTAKE_ERROR, "cannot listen on %s: %m", listen_option);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Whether a text is a number that a port may have. The library would take what it is modulo 65536. */
static bool
is_port(const char *text)
{
	size_t length = strspn(text, "0123456789");

	return length >= 1 && length <= 5 && text[length] == '\0' && atoi(text) <= 65535;
}

/* Opens the socket of address:port, or says why not and returns -1. */
static int
open_port(const char *listen_option)
{
	char host[256];
	const char *colon = strrchr(listen_option, ':');
	size_t length = colon ? (size_t) (colon - listen_option) : 0;
	struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
	struct addrinfo *address = NULL;
	int yes = 1;
	int fd;

	if (colon == NULL || length >= sizeof(host))
	{
		intake_log(INTAKE_ERROR, "--listen takes address:port or unix:path, not \"%s\"",
				   listen_option);
		return -1;
	}
	memcpy(host, listen_option, length);
	host[length] = '\0';
	if (length > 1 && host[0] == '[' && host[length - 1] == ']')
	{
		memmove(host, host + 1, length - 2);
		host[length - 2] = '\0';
	}
	if (!is_port(colon + 1) || getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &address) != 0)
	{
		intake_log(INTAKE_ERROR, "--listen: \"%s\" is not an address", listen_option);
		return -1;
	}
	fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		(void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (fd < 0 || bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0)
		fd = fail(listen_option, fd);
	freeaddrinfo(address);
	return fd;
}

/* Whether what is at an address is a socket that nobody listens on: its process is gone. */
static bool
is_left_behind(const struct sockaddr_un *address)
{
	int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat file;
	bool refused = probe >= 0 && lstat(address->sun_path, &file) == 0 && S_ISSOCK(file.st_mode) &&
				   connect(probe, (const struct sockaddr *) address, sizeof(*address)) != 0 &&
				   errno == ECONNREFUSED;

	if (probe >= 0)
		close(probe);
	return refused;
}

static bool
bind_path(int fd, const struct sockaddr_un *address)
{
	if (bind(fd, (const struct sockaddr *) address, sizeof(*address)) == 0)
		return true;
	if (errno != EADDRINUSE)
		return false;
	if (is_left_behind(address) && unlink(address->sun_path) == 0)
		return bind(fd, (const struct sockaddr *) address, sizeof(*address)) == 0;
	errno = EADDRINUSE;
	return false;
}

/*
 * Opens the socket at PATH, or says why not and returns -1. Whoever may enter its directory may
 * connect, as anybody on the machine may to a port.
 */
static int
open_path(const char *listen_option, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (path[0] != '/' || strlen(path) >= sizeof(address.sun_path))
	{
		intake_log(INTAKE_ERROR, "--listen: \"%s\" is not an absolute path of at most %zu bytes",
				   path, sizeof(address.sun_path) - 1);
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || !bind_path(fd, &address) || chmod(path, 0666) != 0 ||
		stat(path, &unix_file) != 0 || listen(fd, BACKLOG) != 0)
		return fail(listen_option, fd);
	unix_path = path;
	return fd;
}

static void
report_address(int listening)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	char host[NI_MAXHOST];
	char port[NI_MAXSERV];

	if (unix_path != NULL)
		fprintf(stderr, INTAKE_PROGRAM ": listening on " UNIX_PREFIX "%s\n", unix_path);
	else if (getsockname(listening, (struct sockaddr *) &address, &length) == 0 &&
			 getnameinfo((struct sockaddr *) &address, length, host, sizeof(host), port,
						 sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		fprintf(stderr,
				address.ss_family == AF_INET6 ? INTAKE_PROGRAM ": listening on http://[%s]:%s\n"
											  : INTAKE_PROGRAM ": listening on http://%s:%s\n",
				host, port);
}

/*
 * Opens the socket that --listen names, not blocking, and says where. Returns -1 when it cannot,
 * having said why.
 */
int
intake_listen_open(const char *listen_option)
{
	size_t prefix = strlen(UNIX_PREFIX);
	int fd = strncmp(listen_option, UNIX_PREFIX, prefix) == 0
				 ? open_path(listen_option, listen_option + prefix)
				 : open_port(listen_option);

	if (fd >= 0)
		report_address(fd);
	return fd;
}

/* Whether it is the file of our socket, and not a later one that got the same inode number. */
static bool
is_own_file(const struct stat *file)
{
	return file->st_dev == unix_file.st_dev && file->st_ino == unix_file.st_ino &&
		   file->st_ctim.tv_sec == unix_file.st_ctim.tv_sec &&
		   file->st_ctim.tv_nsec == unix_file.st_ctim.tv_nsec;
}

/* Nobody can connect any more. */
void
intake_listen_close(int fd)
{
	struct stat file;

	close(fd);
	if (unix_path != NULL && stat(unix_path, &file) == 0 && is_own_file(&file))
		(void) unlink(unix_path);
}
