/*
 * wire.c
 *		Whether a session may be given secrets: nobody must be able to read them on their way.
 *
 * A courier gets requests with the credentials in them. So it is let in over a Unix socket, over
 * loopback, or over a connection that is encrypted, and over no other.
 */
#include "postgres.h"

#include <netinet/in.h>

#include "libpq/libpq-be.h"
#include "miscadmin.h"

#include "calls/wire.h"
#include "ground/settings.h"

static bool
is_loopback(const struct sockaddr *address)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) address;
	uint32 v4;

	if (address->sa_family == AF_INET)
		v4 = ((const struct sockaddr_in *) address)->sin_addr.s_addr;
	else if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		memcpy(&v4, &v6->sin6_addr.s6_addr[12], sizeof(v4));
	else
		return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
	return (ntohl(v4) >> 24) == IN_LOOPBACKNET;
}

static bool
is_encrypted(Port *port)
{
#ifdef ENABLE_GSS
	if (be_gssapi_get_enc(port))
		return true;
#endif
	return port->ssl_in_use;
}

/* Raises an error where what this session is given could be read on its way. */
void
intake_wire_require_private(void)
{
	const struct sockaddr *address;

	if (MyProcPort == NULL || intake_settings_allow_plain_credentials)
		return;
	address = (const struct sockaddr *) &MyProcPort->raddr.addr;
	if (address->sa_family == AF_UNIX || is_loopback(address) || is_encrypted(MyProcPort))
		return;
	ereport(ERROR, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
					errmsg("the connection of a courier is not encrypted"),
					errdetail("Requests have secrets in them."),
					errhint("Connect with sslmode=verify-full, or over a Unix socket.")));
}
