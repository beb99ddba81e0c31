/*
 * guard.c
 *		Where calls may go: judged by the address of each connection, after names are looked up.
 *
 * A name that means another address from one look-up to the next gains nothing: what is judged is the
 * address that is connected to. What this machine has of its own is judged once a connection stands: who
 * connects to himself has the same address at both ends. Behind it is what is behind loopback.
 */
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "common/egress.h"
#include "guard.h"

static const IntakeRanges *allowed;

void
courier_guard_init(const IntakeRanges *allowed_ranges)
{
	allowed = allowed_ranges;
}

/* NULL, or why nobody may connect there. */
const char *
courier_guard_problem(const struct sockaddr *socket)
{
	IntakeAddress address;

	if (socket->sa_family == AF_INET)
		address = intake_address_of(AF_INET, &((const struct sockaddr_in *) socket)->sin_addr);
	else if (socket->sa_family == AF_INET6)
		address = intake_address_of(AF_INET6, &((const struct sockaddr_in6 *) socket)->sin6_addr);
	else
		return "not an IP address";
	return intake_ranges_have(allowed, &address) ? NULL : intake_egress_problem(&address);
}

/* The same of a connection that stands, by the addresses of its ends. */
const char *
courier_guard_problem_between(const char *remote, const char *local)
{
	IntakeAddress address;

	if (strcmp(remote, local) != 0 || !intake_address_parse(intake_slice_cstr(remote), &address) ||
		intake_ranges_have(allowed, &address))
		return NULL;
	return "this machine";
}
