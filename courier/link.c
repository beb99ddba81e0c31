/*
 * link.c
 *		A connection to PostgreSQL that does one thing at a time. Knows nothing of calls.
 *
 *		DOWN	a helper connects, however long it takes (common/program/connector.c)
 *		IDLE	the loop watches whether the server closes it
 *		BUSY	something was sent; its end is told when the server is ready for the next: then its
 *				transaction has committed
 */
#include <libpq-fe.h>
#include <stddef.h>

#include "common/program/clock.h"
#include "link.h"
#include "metrics.h"

static void
start_connecting(CourierLink *link, bool late)
{
	PGconn *old = link->connection;

	link->state = LINK_DOWN;
	link->connection = NULL;
	courier_metrics_database(-1);
	intake_connector_start(link->connector, old, late);
}

/* Begins to connect; PREPARE makes each new connection ready. */
void
courier_link_start(CourierLink *link, const char *conninfo, int wake_fd,
				   bool (*prepare)(PGconn *connection))
{
	link->connector = &link->own;
	link->connector->conninfo = conninfo;
	link->connector->wake_fd = wake_fd;
	link->connector->prepare = prepare;
	link->state = LINK_DOWN;
	intake_connector_start(link->connector, NULL, false);
}

/* Tells how it ended, with the link idle or down by then. */
static void
end(CourierLink *link, CourierLinkOutcome outcome)
{
	PGresult *result = link->result;

	link->result = NULL;
	link->state = LINK_IDLE;
	if (outcome != LINK_ENDED)
		start_connecting(link, outcome == LINK_LATE);
	link->ended(result, outcome);
	PQclear(result);
}

/* Sends what the socket takes. Returns false when the connection is lost. */
static bool
flush(CourierLink *link)
{
	int more = PQflush(link->connection);

	link->unsent = more > 0;
	return more >= 0;
}

/* Something was handed to libpq, which took it, or not; ENDED is told, later or at once. */
void
courier_link_send(CourierLink *link, bool sent, double patience, CourierLinkEnded ended)
{
	link->state = LINK_BUSY;
	link->sent_at = intake_clock_seconds();
	link->patience = patience;
	link->ended = ended;
	if (!sent || !flush(link))
		end(link, LINK_LOST);
}

/* Gives up the connection of an idle link for another one. */
void
courier_link_renew(CourierLink *link)
{
	if (link->state == LINK_IDLE)
		start_connecting(link, false);
}

/* Gives the connection of an idle link to one that has none, and gets the one that is being made for it. */
void
courier_link_hand_over(CourierLink *from, CourierLink *to)
{
	IntakeConnector *connector = to->connector;

	to->connection = from->connection;
	to->connector = from->connector;
	to->state = LINK_IDLE;
	from->connection = NULL;
	from->connector = connector;
	from->state = LINK_DOWN;
}

/* Reads what has come, up to where the server is ready for the next. */
static void
read_result(CourierLink *link)
{
	if (!PQconsumeInput(link->connection))
	{
		end(link, LINK_LOST);
		return;
	}
	while (!PQisBusy(link->connection))
	{
		PGresult *result = PQgetResult(link->connection);

		if (result == NULL)
		{
			end(link, PQstatus(link->connection) == CONNECTION_OK ? LINK_ENDED : LINK_LOST);
			return;
		}
		PQclear(link->result);
		link->result = result;
	}
}

/* Whether the server has closed the connection while nothing was going on. */
static bool
is_closed(CourierLink *link)
{
	return !PQconsumeInput(link->connection) || PQstatus(link->connection) != CONNECTION_OK;
}

struct pollfd
courier_link_poll(const CourierLink *link)
{
	struct pollfd poller = {-1, POLLIN, 0};

	if (link->state != LINK_DOWN)
		poller.fd = PQsocket(link->connection);
	if (link->state == LINK_BUSY && link->unsent)
		poller.events |= POLLOUT;
	return poller;
}

/* Seconds until the link has waited long enough. */
double
courier_link_timeout(const CourierLink *link)
{
	double left = link->sent_at + link->patience - intake_clock_seconds();

	return link->state != LINK_BUSY ? INTAKE_LONG : left > 0 ? left : 0;
}

/* Takes over what the helper has made, if it has. */
static void
take_over(CourierLink *link)
{
	link->connection = intake_connector_take(link->connector);
	if (link->connection == NULL)
		return;
	link->state = LINK_IDLE;
	courier_metrics_database(1);
}

/* Goes on with what POLLER says is ready, and with what is late. */
void
courier_link_run(CourierLink *link, const struct pollfd *poller)
{
	if (link->state == LINK_DOWN)
		take_over(link);
	else if (link->state == LINK_IDLE && poller->revents != 0 && is_closed(link))
		start_connecting(link, false);
	else if (link->state == LINK_BUSY && poller->revents != 0)
	{
		if (link->unsent && !flush(link))
			end(link, LINK_LOST);
		else
			read_result(link);
	}
	if (link->state == LINK_BUSY && courier_link_timeout(link) == 0)
		end(link, LINK_LATE);
}

/* Takes leave of the server. */
void
courier_link_stop(CourierLink *link)
{
	if (link->state != LINK_DOWN)
		PQfinish(link->connection);
}
