/*
 * server.c
 *		The HTTP side. Knows nothing of the database.
 *
 * The library calls handle() for a request first when its headers are there, then for each
 * piece of its body, and once more when it is complete. A complete request for a source is
 * submitted, and waits: until its answer is there, the library calls handle() each time it runs,
 * to no effect. That costs much less than to suspend the connection, which takes its socket out of
 * the epoll set and puts it back.
 *
 * Each thread has a server, which runs in the thread's loop (main.c). The library's own loop is
 * woken by each answer and looks at every connection each time (or, with epoll, hangs when 128
 * sockets are ready at once).
 */
#include <microhttpd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "batch.h"
#include "budget.h"
#include "connection.h"
#include "exchange.h"
#include "listener.h"
#include "common/program/log.h"
#include "metrics.h"
#include "path.h"
#include "server.h"

#define HEADER_MEMORY (24 * 1024) /* a connection; the library clears it after each request */
#define GLANCE 5e-3               /* seconds between runs while requests wait, if nothing comes */
#define CONNECTION_BYTES (HEADER_MEMORY + 4096) /* held for each, with what its answer takes */
#define UNKNOWN SIZE_MAX
#define SPACES 128               /* that the headers get behind their colons, at most */
#define ROOM_BESIDE (128 * 1024) /* a body: what its request takes besides */
#define CALLBACK_BODY ((size_t) 1024 * 1024)
#define FIRST_ROOM (16 * 1024) /* for a body, before more of it has come */

static size_t max_body;
static int max_clients;

static _Thread_local struct MHD_Daemon *daemon_handle;

/* ---- routes ---- */

static enum MHD_Result
get_health(Exchange *exchange)
{
	return shim_exchange_answer_text(exchange, 200, "ok\n");
}

static enum MHD_Result
get_readiness(Exchange *exchange)
{
	exchange->request.probe = true;
	return shim_exchange_submit(exchange);
}

static enum MHD_Result
get_metrics(Exchange *exchange)
{
	IntakeBuffer text = {0};

	shim_metrics_write(&text, shim_batch_size(), shim_budget_used());
	return shim_exchange_answer(exchange, 200, "text/plain; version=0.0.4", NULL, text.data,
								text.length);
}

typedef enum MHD_Result (*GetPage)(Exchange *);

static const struct
{
	const char *path;
	GetPage get;
} routes[] = {
	{"/healthz", get_health},
	{"/readyz", get_readiness},
	{"/metrics", get_metrics},
};

static size_t
path_length(const char *target)
{
	return strcspn(target, "?");
}

/* The page of a target that is not for a source, or NULL. */
static GetPage
find_page(const char *target)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strlen(routes[i].path) == path_length(target) &&
			memcmp(routes[i].path, target, path_length(target)) == 0)
			return routes[i].get;
	return NULL;
}

static bool
only_reads(const char *method)
{
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

/* A complete request that is not for a source. */
static enum MHD_Result
answer_route(Exchange *exchange)
{
	GetPage get = find_page(exchange->request.target);
	char allow[] = "Allow: GET, HEAD";

	if (get == NULL)
		return shim_exchange_answer_status(exchange, 404);
	if (!only_reads(exchange->request.method))
		return shim_exchange_answer(exchange, 405, NULL, allow, NULL, 0);
	return get(exchange);
}

/* Only a POST uses a callback: what looks at links before people click on them must not. */
static bool
is_refused_callback(const Exchange *exchange)
{
	return exchange->request.callback && strcmp(exchange->request.method, "POST") != 0;
}

/* A complete request. */
static enum MHD_Result
answer(Exchange *exchange)
{
	char allow[] = "Allow: POST";

	if (is_refused_callback(exchange))
		return shim_exchange_answer(exchange, 405, NULL, allow, NULL, 0);
	return exchange->webhook ? shim_exchange_submit(exchange) : answer_route(exchange);
}

/* ---- what the library calls ---- */

/* A request line was read. What is returned stands for the request from now on. */
static void *
begin(void *closure, const char *target, struct MHD_Connection *connection)
{
	(void) closure;
	return shim_exchange_begin(connection, target);
}

/* What is announced of the body: its length, UNKNOWN, or 0 when there is none. */
static size_t
announced(Exchange *exchange)
{
	const char *length = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND,
													 MHD_HTTP_HEADER_CONTENT_LENGTH);

	if (length != NULL)
		return strtoull(length, NULL, 10);
	return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND,
									   MHD_HTTP_HEADER_TRANSFER_ENCODING)
			   ? UNKNOWN
			   : 0;
}

/* How large a body may be. That of a callback goes in one piece. */
static size_t
most_body(const Exchange *exchange)
{
	return exchange->request.callback && max_body > CALLBACK_BODY ? CALLBACK_BODY : max_body;
}

/* The status for a request that can be refused before its body is read, or 0. */
static int
judge_headers(Exchange *exchange)
{
	size_t length = exchange->length;

	if (!exchange->webhook && length > 0)
	{
		if (find_page(exchange->request.target) == NULL)
			return 404;
		return only_reads(exchange->request.method) ? 413 : 405;
	}
	if (is_refused_callback(exchange) && length > 0)
		return 405;
	if (length != UNKNOWN && length > most_body(exchange))
		return 413;
	if (length != UNKNOWN && length > SHIM_SMALL_BODY &&
		!(shim_batch_is_connected() && shim_budget_has_large(length)))
		return 503;
	return shim_exchange_hold(exchange, 0) ? 0 : 503;
}

static enum MHD_Result
handle_headers(Exchange *exchange, const char *method)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	ShimRequest *request = &exchange->request;
	int status;

	exchange->head += (info ? info->header_size : 0) + SPACES;
	request->method = method;
	exchange->webhook = shim_path_source(request->target, path_length(request->target),
										 &request->source, &request->source_length);
	request->callback =
		!exchange->webhook && shim_path_token(request->target, path_length(request->target),
											  &request->source, &request->source_length);
	exchange->webhook |= request->callback;
	exchange->stage = STAGE_BODY;
	exchange->length = announced(exchange);
	status = judge_headers(exchange);
	return status == 0 ? MHD_YES : shim_exchange_refuse(exchange, status);
}

/* The room that a body gets for more of it: it grows, but not beyond what it may come to. */
static size_t
next_room(const Exchange *exchange, size_t more)
{
	const IntakeBuffer *body = &exchange->request.body;
	size_t needed = body->length + more;
	size_t room = intake_buffer_room(body, more);
	size_t most = most_body(exchange);

	if (exchange->length < most)
		most = exchange->length;
	if (room < FIRST_ROOM)
		room = FIRST_ROOM;
	return room > most && needed <= most ? most : room;
}

static enum MHD_Result
handle_body(Exchange *exchange, const char *data, size_t *size)
{
	IntakeBuffer *body = &exchange->request.body;
	size_t length = *size;
	size_t room = next_room(exchange, length);

	shim_exchange_move();
	*size = 0;
	if (body->length + length > most_body(exchange))
		return shim_exchange_refuse(exchange, 413);
	if (room > body->room)
	{
		if (!shim_exchange_hold(exchange, room))
			return shim_exchange_refuse(exchange, 503);
		intake_buffer_grow(body, room);
	}
	intake_buffer_append(body, data, length);
	return MHD_YES;
}

static enum MHD_Result
handle(void *closure, struct MHD_Connection *connection, const char *url, const char *method,
	   const char *version, const char *data, size_t *size, void **request)
{
	Exchange *exchange = *request;

	(void) closure, (void) connection, (void) url, (void) version;
	if (exchange == NULL || exchange->request.target == NULL || exchange->client == NULL)
		return MHD_NO;
	switch (exchange->stage)
	{
		case STAGE_HEADERS:
			return handle_headers(exchange, method);
		case STAGE_BODY:
			if (*size > 0)
				return handle_body(exchange, data, size);
			return answer(exchange);
		case STAGE_REFUSED:
			if (*size == 0)
				return MHD_NO;
			*size = 0;
			return MHD_YES;
		case STAGE_WAITING:
			return MHD_YES;
		case STAGE_READY:
			return shim_exchange_answer_request(exchange);
		default:
			/* An answer is on its way: what still comes in is of no interest. */
			*size = 0;
			return MHD_YES;
	}
}

/* A request is over, one way or another. */
static void
finish(void *closure, struct MHD_Connection *connection, void **request,
	   enum MHD_RequestTerminationCode code)
{
	Exchange *exchange = *request;

	(void) closure, (void) connection, (void) code;
	if (exchange == NULL)
		return;
	*request = NULL;
	shim_exchange_finish(exchange);
}

/* A client has gone that was let in. */
static void
leave(void)
{
	size_t held = CONNECTION_BYTES;

	(void) shim_budget_change(&held, 0);
	shim_listener_leave();
}

static void
notify_connection(void *closure, struct MHD_Connection *connection, void **context,
				  enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *info;

	(void) closure;
	if (code == MHD_CONNECTION_NOTIFY_CLOSED)
	{
		shim_connection_close(*context);
		leave();
		*context = NULL;
		return;
	}
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	*context = info ? shim_connection_open(info->connect_fd) : NULL;
}

/* ---- what the loop calls ---- */

/* Takes over the clients that have come to this thread. */
void
shim_server_accept(void)
{
	struct sockaddr_storage address;
	socklen_t length;
	int fd;

	while ((fd = shim_listener_take(&address, &length)) >= 0)
	{
		size_t held = 0;

		if (!shim_budget_change(&held, CONNECTION_BYTES))
		{
			shim_connection_turn_away(fd, 503);
			shim_listener_leave();
		}
		else if (MHD_add_connection(daemon_handle, fd, (struct sockaddr *) &address, length) !=
				 MHD_YES)
			leave();
	}
}

/* Becomes readable when a socket is ready. */
int
shim_server_fd(void)
{
	return MHD_get_daemon_info(daemon_handle, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

/* Looks at the connections, if it is time. Returns the seconds until something is to be done. */
double
shim_server_timeout(void)
{
	MHD_UNSIGNED_LONG_LONG milliseconds;
	double seconds = shim_connection_look();

	if (shim_exchange_any_moved())
		return 0;
	if (shim_exchange_any_waits())
		return seconds < GLANCE ? seconds : GLANCE;
	if (MHD_get_timeout(daemon_handle, &milliseconds) == MHD_YES &&
		(double) milliseconds / 1000 < seconds)
		seconds = (double) milliseconds / 1000;
	return seconds;
}

/* Receives and sends what can be. */
void
shim_server_run(void)
{
	shim_exchange_run();
	(void) MHD_run(daemon_handle);
}

/* Whether a request has begun that is not over. */
bool
shim_server_busy(void)
{
	return shim_exchange_any();
}

/* ---- start and stop ---- */

/* The largest body that --max-body allows and --max-queue has room for. */
static size_t
largest_body(const ShimOptions *options)
{
	size_t most = shim_budget_large() - ROOM_BESIDE;

	if (most >= options->max_body)
		return options->max_body;
	intake_log(
		INTAKE_WARNING,
		"--max-queue has room for bodies of %zu bytes at most: larger ones get 413, whatever "
		"--max-body says",
		most);
	return most;
}

/* The clients that --max-connections allows and --max-queue has room for beside their requests. */
static int
most_clients(const ShimOptions *options)
{
	size_t most = options->max_queue / 4 * 3 / CONNECTION_BYTES;

	if (most >= (size_t) options->max_connections)
		return options->max_connections;
	intake_log(INTAKE_WARNING,
			   "--max-queue has room for %zu clients at once: more of them wait, whatever "
			   "--max-connections says",
			   most);
	return (int) most;
}

/* For all threads: what requests may be like. Returns how many clients may be let in at once. */
int
shim_server_init(const ShimOptions *options)
{
	max_body = largest_body(options);
	max_clients = most_clients(options);
	shim_exchange_init(&options->trusted_proxies);
	shim_connection_init(options->request_timeout);
	return max_clients;
}

/* Makes a thread's server. Returns false when it cannot, having said why. */
bool
shim_server_start(void)
{
	daemon_handle = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, handle, NULL,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned) max_clients, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t) HEADER_MEMORY, MHD_OPTION_URI_LOG_CALLBACK, begin, NULL,
		MHD_OPTION_NOTIFY_COMPLETED, finish, NULL, MHD_OPTION_NOTIFY_CONNECTION, notify_connection,
		NULL, MHD_OPTION_END);
	if (daemon_handle == NULL)
		intake_log(INTAKE_ERROR, "the HTTP server did not start");
	return daemon_handle != NULL;
}

/* Keeps no connection behind the answer that is on its way. */
void
shim_server_drain(void)
{
	shim_exchange_drain();
}
