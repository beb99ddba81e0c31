/*
 * guard.c
 *		Where calls may go: judged by the address of each connection, after names are looked up.
 *
 * A name that means another address from one look-up to the next gains nothing: what is judged is the
 * address that is connected to.
 */
#include <netinet/in.h>
#include <stddef.h>

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
