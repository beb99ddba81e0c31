/*
 * peer.h
 *		Who has sent a request, when it came through proxies.
 */
#ifndef SHIM_PEER_H
#define SHIM_PEER_H

#include <sys/socket.h>

#include "common/program/ranges.h"

extern void shim_peer_find(const IntakeRanges *trust, const struct sockaddr *socket,
						   IntakeSlice headers, char *out, size_t size);

#endif
