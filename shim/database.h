/*
 * database.h
 *		The connections to PostgreSQL. Knows nothing of HTTP.
 */
#ifndef SHIM_DATABASE_H
#define SHIM_DATABASE_H

#include <poll.h>

#define SHIM_MAX_CONNECTIONS 64 /* to the database, of one thread */

extern void shim_database_init(const char *dsn, int connections, double timeout);
extern void shim_database_start(void);
extern int shim_database_poll(struct pollfd *pollers);
extern double shim_database_timeout(void);
extern void shim_database_run(const struct pollfd *pollers);
extern void shim_database_send(void);
extern void shim_database_stop(void);

#endif
