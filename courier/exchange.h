/*
 * exchange.h
 *		A call of intake.exchange: answers go there, requests come back.
 */
#ifndef COURIER_EXCHANGE_H
#define COURIER_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As libpq has them. */
typedef struct pg_conn PGconn;
typedef struct pg_result PGresult;

/* What an exchange is to do. */
typedef struct CourierAsk
{
	int64_t token;
	int most;          /* requests that are wanted */
	size_t most_bytes; /* that they may have */
	int answers;       /* at most */
	bool name_all;     /* say what is held: the database is to take back the rest */
} CourierAsk;

/* What came of it. */
typedef struct CourierNews
{
	int requests;         /* that were taken */
	int64_t milliseconds; /* until another one is due; -1: none */
	size_t bytes;         /* of the rows */
} CourierNews;

extern bool courier_exchange_prepare(PGconn *connection);
extern int courier_exchange_make(const CourierAsk *ask, size_t *bytes);
extern bool courier_exchange_send(PGconn *connection);
extern bool courier_exchange_is_result(const PGresult *result);
extern CourierNews courier_exchange_take(const PGresult *result, double now);

#endif
