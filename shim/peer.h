/*
 * peer.h
 *		Who has sent a request, when it came through proxies.
 */
#ifndef SHIM_PEER_H
#define SHIM_PEER_H

#include <sys/socket.h>

#include "common/address.h"

/* The proxies that are believed. Starts as zeros; lives as long as the program. */
typedef struct ShimTrust
{
	IntakeRange *ranges; /* malloc'ed */
	size_t count;
	bool unix_sockets; /* who comes by one */
} ShimTrust;

extern bool shim_peer_trust(ShimTrust *trust, const char *list);
extern void shim_peer_find(const ShimTrust *trust, const struct sockaddr *socket,
						   IntakeSlice headers, char *out, size_t size);

#endif
