/*
 * link.h
 *		A connection to PostgreSQL that does one thing at a time. Knows nothing of calls.
 */
#ifndef COURIER_LINK_H
#define COURIER_LINK_H

#include <poll.h>

#include "common/program/connector.h"

typedef struct pg_result PGresult; /* as libpq has it */
typedef struct CourierLink CourierLink;

/* How something came to its end. */
typedef enum
{
	LINK_ENDED, /* the server is ready for the next; the result may be an error */
	LINK_LOST,  /* nobody knows whether the server has done it */
	LINK_LATE   /* the same; the link has waited long enough */
} CourierLinkOutcome;

typedef void (*CourierLinkEnded)(const PGresult *result, CourierLinkOutcome outcome);

typedef enum
{
	LINK_DOWN,
	LINK_IDLE,
	LINK_BUSY
} CourierLinkState;

struct CourierLink
{
	CourierLinkState state;
	PGconn *connection; /* NULL where it is down */
	IntakeConnector own;
	IntakeConnector *connector; /* its own, or the other link's: see courier_link_hand_over */
	CourierLinkEnded ended;     /* BUSY: is told */
	PGresult *result;           /* BUSY: what has come */
	bool unsent;                /* BUSY: some of it waits for the socket */
	double sent_at;
	double patience; /* seconds */
};

extern void courier_link_start(CourierLink *link, const char *conninfo, int wake_fd,
							   bool (*prepare)(PGconn *connection));
extern void courier_link_send(CourierLink *link, bool sent, double patience,
							  CourierLinkEnded ended);
extern void courier_link_renew(CourierLink *link);
extern void courier_link_hand_over(CourierLink *from, CourierLink *to);
extern struct pollfd courier_link_poll(const CourierLink *link);
extern double courier_link_timeout(const CourierLink *link);
extern void courier_link_run(CourierLink *link, const struct pollfd *poller);
extern void courier_link_stop(CourierLink *link);

#endif
