/*
 * pages.c
 *		What the courier shows over HTTP of itself, where --listen says that it does.
 */
#include <microhttpd.h>
#include <string.h>

#include "calls.h"
#include "common/program/buffer.h"
#include "common/program/clock.h"
#include "common/program/listen.h"
#include "common/program/log.h"
#include "metrics.h"
#include "pages.h"
#include "session.h"

#define CLIENTS 16u    /* at once */
#define TIME_LIMIT 10u /* seconds that a client may be silent */

static struct MHD_Daemon *server; /* NULL: there is none */
static int listening = -1;

static unsigned
get_health(IntakeBuffer *text)
{
	intake_buffer_append(text, "ok\n", 3);
	return 200;
}

static unsigned
get_readiness(IntakeBuffer *text)
{
	bool ready = courier_session_is_in_touch();

	intake_buffer_append(text, ready ? "ok\n" : "no database\n", ready ? 3 : 12);
	return ready ? 200 : 503;
}

static unsigned
get_metrics(IntakeBuffer *text)
{
	courier_metrics_write(text, courier_calls_count());
	return 200;
}

static const struct
{
	const char *path;
	unsigned (*get)(IntakeBuffer *text);
} routes[] = {
	{"/healthz", get_health},
	{"/readyz", get_readiness},
	{"/metrics", get_metrics},
};

static unsigned
find_page(const char *path, const char *method, IntakeBuffer *text)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strcmp(routes[i].path, path) == 0)
			return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ? routes[i].get(text)
																			 : 405;
	return 404;
}

static enum MHD_Result
handle(void *closure, struct MHD_Connection *connection, const char *path, const char *method,
	   const char *version, const char *data, size_t *size, void **request)
{
	static int seen;
	IntakeBuffer text = {0};
	struct MHD_Response *response;
	unsigned status;
	enum MHD_Result result;

	(void) closure, (void) version, (void) data;
	if (*request == NULL || *size > 0)
	{
		/* It comes again, when there is nothing more to read. */
		*request = &seen;
		*size = 0;
		return MHD_YES;
	}
	status = find_page(path, method, &text);
	response = MHD_create_response_from_buffer(text.length, text.data, MHD_RESPMEM_MUST_COPY);
	intake_buffer_free(&text);
	if (response == NULL)
		return MHD_NO;
	(void) MHD_add_response_header(response, "Content-Type", "text/plain; version=0.0.4");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

/* Opens the socket; an empty LISTEN means none. Returns false when it cannot, having said why. */
bool
courier_pages_start(const char *listen)
{
	if (listen[0] == '\0')
		return true;
	listening = intake_listen_open(listen);
	if (listening < 0)
		return false;
	server = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, handle, NULL, MHD_OPTION_LISTEN_SOCKET,
							  listening, MHD_OPTION_CONNECTION_LIMIT, CLIENTS,
							  MHD_OPTION_CONNECTION_TIMEOUT, TIME_LIMIT, MHD_OPTION_END);
	if (server == NULL)
		intake_log(INTAKE_ERROR, "the HTTP server did not start");
	return server != NULL;
}

/* Becomes readable when a socket is ready; -1: there is none. */
int
courier_pages_fd(void)
{
	return server ? MHD_get_daemon_info(server, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd : -1;
}

/* Seconds until something is to be done even if nothing comes. */
double
courier_pages_timeout(void)
{
	MHD_UNSIGNED_LONG_LONG milliseconds;

	if (server == NULL || MHD_get_timeout(server, &milliseconds) != MHD_YES)
		return INTAKE_LONG;
	return (double) milliseconds / 1e3;
}

void
courier_pages_run(void)
{
	if (server != NULL)
		(void) MHD_run(server);
}

/* Nobody can connect any more. */
void
courier_pages_stop(void)
{
	if (listening >= 0)
		intake_listen_close(listening);
}
