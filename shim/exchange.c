/*
 * exchange.c
 *		A request's life: what it holds, and its way to its answer.
 *
 * begin	its first line was read
 * hold		it grows, as far as there is room
 * refuse	it is answered in the middle, on the bare socket
 * submit	it is complete, and goes to the database
 * answer	its answer goes to the HTTP library
 * finish	it is over. While it waits for the database it is stored all the same, though its
 *			client has gone
 */
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "budget.h"
#include "exchange.h"
#include "framing.h"
#include "listener.h"
#include "metrics.h"

#define RETRY_AFTER "5"

static const IntakeRanges *trusted_proxies;

static _Thread_local int begun;   /* requests that are not over */
static _Thread_local int waiting; /* those that are submitted and have no answer yet */
static _Thread_local bool moved;  /* some, in the last run of the library or since */
static _Thread_local bool draining;

/* ---- answers ---- */

static void
add_header_lines(struct MHD_Response *response, char *lines)
{
	char *rest = lines;
	char *line;

	while ((line = strsep(&rest, "\n")) != NULL)
	{
		char *value = strchr(line, ':');

		if (value == NULL)
			continue;
		*value++ = '\0';
		value += strspn(value, " ");
		value[strcspn(value, "\r")] = '\0';
		MHD_add_response_header(response, line, value);
	}
}

/* Queues an answer; BODY is freed by the library. */
enum MHD_Result
shim_exchange_answer(Exchange *exchange, int status, const char *content_type, char *header_lines,
					 char *body, size_t length)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		length, body, body ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (response == NULL)
		return MHD_NO;
	if (content_type != NULL)
		MHD_add_response_header(response, "Content-Type", content_type);
	if (header_lines != NULL)
		add_header_lines(response, header_lines);
	if (status == 503 && MHD_get_response_header(response, "Retry-After") == NULL)
		MHD_add_response_header(response, "Retry-After", RETRY_AFTER);
	if (draining || shim_listener_is_spare())
		MHD_add_response_header(response, "Connection", "close");
	exchange->stage = STAGE_ANSWERED;
	shim_connection_answer(exchange->client);
	moved = true;
	shim_metrics_answer(status);
	result = MHD_queue_response(exchange->connection, (unsigned) status, response);
	MHD_destroy_response(response);
	return result;
}

enum MHD_Result
shim_exchange_answer_status(Exchange *exchange, int status)
{
	return shim_exchange_answer(exchange, status, NULL, NULL, NULL, 0);
}

enum MHD_Result
shim_exchange_answer_text(Exchange *exchange, int status, const char *text)
{
	return shim_exchange_answer(exchange, status, "text/plain", NULL, strdup(text), strlen(text));
}

enum MHD_Result
shim_exchange_answer_request(Exchange *exchange)
{
	ShimRequest *request = &exchange->request;
	char *body = request->answer;

	if (request->probe)
		return shim_exchange_answer_text(exchange, request->status,
										 request->status == 200 ? "ready\n"
																: "the database is away\n");
	request->answer = NULL;
	return shim_exchange_answer(exchange, request->status, request->content_type,
								request->answer_headers, body, body ? request->answer_length : 0);
}

/* ---- on the way ---- */

static void
free_exchange(Exchange *exchange)
{
	free(exchange->method);
	free(exchange->request.target);
	free(exchange->request.content_type);
	free(exchange->request.answer_headers);
	free(exchange->request.answer);
	intake_buffer_free(&exchange->request.headers);
	intake_buffer_free(&exchange->request.body);
	(void) shim_budget_change(&exchange->request.held, 0);
	free(exchange);
	begun--;
}

/* Holds what a request takes with a body of so much room. Returns false when that is too much. */
bool
shim_exchange_hold(Exchange *exchange, size_t room)
{
	size_t *held = &exchange->request.held;
	size_t bytes = sizeof(Exchange) + exchange->head + room;

	if (room > SHIM_SMALL_BODY && bytes > *held && !shim_budget_has_large(bytes - *held))
		return false;
	return shim_budget_change(held, bytes);
}

/* Answers a request in the middle, and ends its connection. */
enum MHD_Result
shim_exchange_refuse(Exchange *exchange, int status)
{
	shim_connection_refuse(exchange->client, status);
	exchange->stage = STAGE_REFUSED;
	intake_buffer_free(&exchange->request.body);
	(void) shim_exchange_hold(exchange, 0);
	return MHD_YES;
}

/* A request has its answer: the library sends it in its next run, unless the client has gone. */
static void
settle(Exchange *exchange)
{
	if (exchange->connection == NULL)
	{
		free_exchange(exchange);
		return;
	}
	exchange->stage = STAGE_READY;
	waiting--;
	moved = true;
}

/* A batch has its answers. */
static void
done(ShimRequest *batch)
{
	while (batch != NULL)
	{
		ShimRequest *next = batch->next;

		settle((Exchange *) batch);
		batch = next;
	}
}

static enum MHD_Result
add_header(void *closure, enum MHD_ValueKind kind, const char *name, size_t name_length,
		   const char *value, size_t value_length)
{
	IntakeBuffer *headers = closure;

	(void) kind;
	intake_buffer_append(headers, name, name_length);
	intake_buffer_append(headers, ": ", 2);
	intake_buffer_append(headers, value, value ? value_length : 0);
	intake_buffer_append(headers, "\r\n", 2);
	return MHD_YES;
}

/* Notes the sender's address; the headers are there. */
static void
note_peer(Exchange *exchange)
{
	ShimRequest *request = &exchange->request;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	if (info != NULL && info->client_addr != NULL)
		shim_peer_find(trusted_proxies, info->client_addr,
					   (IntakeSlice){request->headers.data, request->headers.length}, request->peer,
					   sizeof(request->peer));
}

/* Hands a complete request to the database, or answers 503. */
enum MHD_Result
shim_exchange_submit(Exchange *exchange)
{
	ShimRequest *request = &exchange->request;

	request->done = done;
	request->query = strchr(request->target, '?');
	request->query = request->query ? request->query + 1 : "";
	(void) intake_buffer_reserve(&request->headers, exchange->head);
	MHD_get_connection_values_n(exchange->connection, MHD_HEADER_KIND, add_header,
								&request->headers);
	note_peer(exchange);
	exchange->stage = STAGE_WAITING;
	waiting++;
	if (!shim_batch_submit(request))
	{
		request->status = 503;
		settle(exchange);
	}
	return MHD_YES;
}

/* ---- begin and end ---- */

/* The target as it arrived: its question marks were hidden from the library. */
static char *
copy_target(const char *target)
{
	char *copy = strdup(target);

	for (char *p = copy; p != NULL && (p = strchr(p, SHIM_HIDDEN)) != NULL;)
		*p++ = '?';
	return copy;
}

/* A client goes while its request waits. That is complete, and is stored all the same. */
static void
leave_waiting(Exchange *exchange)
{
	exchange->method = strdup(exchange->request.method);
	exchange->request.method = exchange->method ? exchange->method : "";
	exchange->connection = NULL;
	waiting--;
}

/* A request line was read. Returns NULL when there is no memory. */
Exchange *
shim_exchange_begin(struct MHD_Connection *connection, const char *target)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	Exchange *exchange = calloc(1, sizeof(Exchange));

	if (exchange == NULL)
		return NULL;
	exchange->connection = connection;
	exchange->client = info ? info->socket_context : NULL;
	exchange->request.target = copy_target(target);
	exchange->head = strlen(target);
	begun++;
	if (exchange->client != NULL && !shim_exchange_hold(exchange, 0))
		(void) shim_exchange_refuse(exchange, 503);
	return exchange;
}

/* A request is over, one way or another. */
void
shim_exchange_finish(Exchange *exchange)
{
	if (exchange->client != NULL)
		shim_connection_finish(exchange->client);
	if (exchange->stage == STAGE_WAITING)
		leave_waiting(exchange);
	else
		free_exchange(exchange);
}

/* ---- for the thread ---- */

/* For all threads: whom to believe about a request's sender. */
void
shim_exchange_init(const IntakeRanges *trust)
{
	trusted_proxies = trust;
}

/* Whether a request has begun that is not over. */
bool
shim_exchange_any(void)
{
	return begun > 0;
}

/* Whether a request waits for the database. */
bool
shim_exchange_any_waits(void)
{
	return waiting > 0;
}

/* Some of a request has come: it may go on in the library's next run. */
void
shim_exchange_move(void)
{
	moved = true;
}

/* Whether some request may go on. */
bool
shim_exchange_any_moved(void)
{
	return moved;
}

/* The library runs. */
void
shim_exchange_run(void)
{
	moved = false;
}

/* Keeps no connection behind the answer that is on its way. */
void
shim_exchange_drain(void)
{
	draining = true;
}
