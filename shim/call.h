/*
 * call.h
 *		A call of intake.receive: what goes there and what comes back.
 */
#ifndef SHIM_CALL_H
#define SHIM_CALL_H

#include <stdbool.h>

#include "request.h"

/* As libpq has them. */
typedef struct pg_conn PGconn;
typedef struct pg_result PGresult;

extern bool shim_call_prepare(PGconn *connection);
extern int shim_call_make(const ShimRequest *batch, size_t without);
extern void shim_call_make_piece(const ShimRequest *request, size_t start);
extern bool shim_call_send(PGconn *connection);
extern bool shim_call_is_answer(const PGresult *result, int count);
extern void shim_call_answer(ShimRequest *batch, const PGresult *result);

#endif
