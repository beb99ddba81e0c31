/*
 * connector.h
 *		A connection to the database is made, however long that takes, while the loop goes on.
 */
#ifndef INTAKE_PROGRAM_CONNECTOR_H
#define INTAKE_PROGRAM_CONNECTOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct pg_conn PGconn; /* as libpq has it */

typedef struct IntakeConnector
{
	/* Set once: */
	const char *conninfo;
	bool (*prepare)(PGconn *connection); /* makes a new one ready; false: it is of no use */
	int wake_fd;                         /* an eventfd of the loop */
	/* While it works: */
	PGconn *old; /* to be closed first */
	bool late;   /* what that one does is to be cancelled */
	pthread_t helper;
	atomic_bool failed;     /* has tried in vain */
	_Atomic(PGconn *) made; /* for the loop */
} IntakeConnector;

extern void intake_connector_start(IntakeConnector *connector, PGconn *old, bool late);
extern bool intake_connector_has_failed(IntakeConnector *connector);
extern PGconn *intake_connector_take(IntakeConnector *connector);

#endif
