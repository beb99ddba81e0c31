/*
 * exchange.h
 *		A request's life: what it holds, and its way to its answer.
 */
#ifndef SHIM_EXCHANGE_H
#define SHIM_EXCHANGE_H

#include <microhttpd.h>

#include "connection.h"
#include "peer.h"
#include "request.h"

#define SHIM_SMALL_BODY ((size_t) 64 * 1024)

typedef enum
{
	STAGE_HEADERS, /* the next call is the first */
	STAGE_BODY,
	STAGE_REFUSED, /* on the bare socket: what still comes is of no interest */
	STAGE_WAITING, /* submitted */
	STAGE_READY,   /* its answer is there */
	STAGE_ANSWERED /* an answer is queued */
} Stage;

/* What the HTTP side knows of a request. */
typedef struct Exchange
{
	ShimRequest request;               /* first: done() gets this */
	struct MHD_Connection *connection; /* NULL: its client went while it waited */
	ShimConnection *client;
	Stage stage;
	bool webhook;  /* its answer comes from the database */
	size_t length; /* of its body, as announced */
	char *method;  /* of a request whose client went while it waited */
	size_t head;   /* bytes held for the target and the headers */
} Exchange;

extern void shim_exchange_init(const IntakeRanges *trust);

extern Exchange *shim_exchange_begin(struct MHD_Connection *connection, const char *target);
extern bool shim_exchange_hold(Exchange *exchange, size_t room);
extern enum MHD_Result shim_exchange_refuse(Exchange *exchange, int status);
extern enum MHD_Result shim_exchange_submit(Exchange *exchange);
extern enum MHD_Result shim_exchange_answer(Exchange *exchange, int status,
											const char *content_type, char *header_lines,
											char *body, size_t length);
extern enum MHD_Result shim_exchange_answer_status(Exchange *exchange, int status);
extern enum MHD_Result shim_exchange_answer_text(Exchange *exchange, int status, const char *text);
extern enum MHD_Result shim_exchange_answer_request(Exchange *exchange);
extern void shim_exchange_finish(Exchange *exchange);

extern bool shim_exchange_any(void);
extern bool shim_exchange_any_waits(void);
extern void shim_exchange_move(void);
extern bool shim_exchange_any_moved(void);
extern void shim_exchange_run(void);
extern void shim_exchange_drain(void);

#endif
