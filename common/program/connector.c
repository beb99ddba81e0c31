/*
 * connector.c
 *		A connection to the database is made, however long that takes, while the loop goes on.
 *
 * What may block (looking up the server's name, connecting, cancelling) happens in a helper: a thread
 * that leaves the connection in made, wakes the loop, and ends.
 */
#include <libpq-fe.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "common/program/connector.h"
#include "common/program/log.h"
#include "common/program/turn.h"

static PGconn *
open_connection(const char *conninfo)
{
	const char *const keywords[] = {"dbname", "fallback_application_name", "connect_timeout", NULL};
	const char *const values[] = {conninfo, INTAKE_PROGRAM, "5", NULL};

	return PQconnectdbParams(keywords, values, 1);
}

/* What the server says besides, such as that it is shutting down. */
static void
note(void *closure, const char *message)
{
	(void) closure;
	intake_log(INTAKE_WARNING, "the database says: %s", message);
}

/* Makes a new connection ready for calls. Returns false when it is none, or cannot be. */
static bool
make_ready(const IntakeConnector *connector, PGconn *connection)
{
	if (PQstatus(connection) != CONNECTION_OK)
		return false;
	/* Without detail, which may hold what a sender sent. */
	PQsetErrorVerbosity(connection, PQERRORS_TERSE);
	PQsetNoticeProcessor(connection, note, NULL);
	return connector->prepare(connection) && PQsetnonblocking(connection, 1) == 0;
}

static void
close_old(IntakeConnector *connector)
{
	PGcancel *cancel = connector->late ? PQgetCancel(connector->old) : NULL;
	char message[256];

	if (cancel != NULL)
		(void) PQcancel(cancel, message, sizeof(message));
	PQfreeCancel(cancel);
	PQfinish(connector->old);
	connector->old = NULL;
}

/* Tries once; NULL: in vain. */
static PGconn *
try_to_connect(const IntakeConnector *connector)
{
	PGconn *connection = open_connection(connector->conninfo);
	bool ready = make_ready(connector, connection);
	bool news = intake_turn_end(ready);

	if (ready)
	{
		if (news)
			intake_log(INTAKE_INFO, "connected to the database again");
		return connection;
	}
	if (news)
		intake_log(INTAKE_ERROR, "no connection to the database: %s", PQerrorMessage(connection));
	PQfinish(connection);
	return NULL;
}

/*
 * The helper: connects, however long it takes. Only the first try waits for no turn.
 */
static void *
help(void *argument)
{
	IntakeConnector *connector = argument;
	PGconn *connection;

	if (connector->old != NULL)
		close_old(connector);
	while ((connection = try_to_connect(connector)) == NULL)
	{
		atomic_store(&connector->failed, true);
		(void) eventfd_write(connector->wake_fd, 1);
		intake_turn_wait();
	}
	atomic_store(&connector->made, connection);
	(void) eventfd_write(connector->wake_fd, 1);
	return NULL;
}

/* Begins to connect. OLD, which may be NULL, is closed first; LATE: the server may still work for it. */
void
intake_connector_start(IntakeConnector *connector, PGconn *old, bool late)
{
	connector->old = old;
	connector->late = late;
	atomic_store(&connector->failed, false);
	if (pthread_create(&connector->helper, NULL, help, connector) != 0)
		abort();
}

bool
intake_connector_has_failed(IntakeConnector *connector)
{
	return atomic_load(&connector->failed);
}

/* The connection, once it is made; NULL before. */
PGconn *
intake_connector_take(IntakeConnector *connector)
{
	PGconn *made = atomic_load(&connector->made);

	if (made == NULL)
		return NULL;
	pthread_join(connector->helper, NULL);
	atomic_store(&connector->made, NULL);
	return made;
}
