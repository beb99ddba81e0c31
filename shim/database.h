/*
 * database.h
 *		The connections to PostgreSQL. Knows nothing of HTTP.
 */
#ifndef SHIM_DATABASE_H
#define SHIM_DATABASE_H

extern void shim_database_start(const char *dsn, int connections, double timeout);
extern void shim_database_join(void);

#endif
