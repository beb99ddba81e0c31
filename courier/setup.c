/*
 * setup.c
 *		What the library is told of a call before it starts.
 *
 * The library can do much more than calls may: whatever looks at the environment, keeps state from
 * one call for another, or goes somewhere else than a call says, is off.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "answer.h"
#include "common/program/clock.h"
#include "guard.h"
#include "metrics.h"
#include "setup.h"

#define CONNECT_TIME 15.0  /* seconds to a connection, at most */
#define KEEPALIVE 30L      /* seconds of silence until a connection is probed */
#define BUFFER (8L * 1024) /* bytes that the library reads at a time */
#define ENCODINGS "Accept-Encoding: gzip, deflate"

static const CourierOptions *options;
static CourierBegan began;

void
courier_setup_init(const CourierOptions *given, CourierBegan told)
{
	options = given;
	began = told;
}

/* ---- what the library asks ---- */

/* A socket for an address that a name means, or that the call gives. A proxy is let through. */
static curl_socket_t
open_socket(void *closure, curlsocktype purpose, struct curl_sockaddr *address)
{
	CourierTransfer *transfer = closure;
	const char *problem = options->proxy[0] ? NULL : courier_guard_problem(&address->addr);
	int fd;

	(void) purpose;
	if (problem != NULL)
	{
		transfer->refused = problem;
		return CURL_SOCKET_BAD;
	}
	fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	transfer->opened |= fd >= 0;
	courier_metrics_connection();
	return fd < 0 ? CURL_SOCKET_BAD : fd;
}

/* The connection stands: from here on a request may arrive, unless it goes where it must not. */
static int
begin_request(void *closure, char *remote, char *local, int remote_port, int local_port)
{
	CourierTransfer *transfer = closure;

	(void) remote_port, (void) local_port;
	if (!options->proxy[0] && courier_guard_problem_between(remote, local) != NULL)
	{
		transfer->refused = courier_guard_problem_between(remote, local);
		return CURL_PREREQFUNC_ABORT;
	}
	transfer->call->begun = true;
	began(transfer->call);
	return CURL_PREREQFUNC_OK;
}

/* ---- a request ---- */

static void
add_line(CourierTransfer *transfer, const char *line)
{
	struct curl_slist *list = curl_slist_append(transfer->lines, line);

	if (list == NULL)
		abort();
	transfer->lines = list;
}

/* A line of the request; the library wants one without a value to be written otherwise. */
static void
add_header(CourierTransfer *transfer, IntakeSlice line, IntakeBuffer *text)
{
	IntakeSlice value;
	IntakeSlice name = intake_slice_cut(line, ":", &value);

	text->length = 0;
	if (intake_slice_trim(value).len == 0)
	{
		intake_buffer_append(text, name.data, name.len);
		intake_buffer_append(text, ";", 2);
	}
	else
	{
		intake_buffer_append(text, line.data, line.len);
		intake_buffer_append(text, "", 1);
	}
	add_line(transfer, text->data);
}

/* The headers of the call, and none that the library adds to them by itself. */
static void
add_headers(CourierTransfer *transfer)
{
	IntakeSlice lines = transfer->call->lines;
	IntakeBuffer text = {0};

	while (lines.len > 0)
		add_header(transfer, intake_slice_cut(lines, "\r\n", &lines), &text);
	if (text.data != NULL)
		explicit_bzero(text.data, text.room);
	intake_buffer_free(&text);
	add_line(transfer, ENCODINGS);
	add_line(transfer, "Accept:");
	add_line(transfer, "Content-Type:");
	add_line(transfer, "Expect:");
	(void) curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->lines);
}

/* The library gets the host alone, and the target beside it, which it then sends as it is. */
static void
set_url(CourierTransfer *transfer)
{
	CourierCall *call = transfer->call;
	bool whole = options->proxy[0] && strcmp(call->scheme, "http") == 0;
	size_t size = strlen(call->scheme) + strlen(call->name) + strlen(call->target) + 5;
	char *url = malloc(size);

	if (url == NULL)
		abort();
	(void) snprintf(url, size, "%s://%s%s", call->scheme, call->name, whole ? call->target : "/");
	(void) curl_easy_setopt(transfer->easy, CURLOPT_URL, url);
	if (!whole)
		(void) curl_easy_setopt(transfer->easy, CURLOPT_REQUEST_TARGET, call->target);
	(void) curl_easy_setopt(transfer->easy, CURLOPT_PATH_AS_IS, 1L);
	explicit_bzero(url, size);
	free(url);
}

static bool
takes_body(const char *method)
{
	return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
		   strcmp(method, "PATCH") == 0;
}

static void
set_body(CourierTransfer *transfer)
{
	CourierCall *call = transfer->call;

	if (strcmp(call->method, "HEAD") == 0)
	{
		(void) curl_easy_setopt(transfer->easy, CURLOPT_NOBODY, 1L);
		return;
	}
	if (call->body.data != NULL || takes_body(call->method))
	{
		(void) curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE,
								(curl_off_t) call->body.len);
		(void) curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS,
								call->body.data ? call->body.data : "");
	}
	(void) curl_easy_setopt(transfer->easy, CURLOPT_CUSTOMREQUEST, call->method);
}

/* Where a call may go, and by whose word. */
static void
set_limits(CURL *easy, const CourierCall *call)
{
	(void) curl_easy_setopt(easy, CURLOPT_PROXY, options->proxy);
	(void) curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
	(void) curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	if (options->ca_file[0])
	{
		(void) curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file);
		(void) curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	}
#if LIBCURL_VERSION_NUM >= 0x075500
	(void) curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	(void) curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	(void) curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	(void) curl_easy_setopt(easy, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
	(void) curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
							strcmp(call->scheme, "https") == 0 ? (long) CURL_HTTP_VERSION_2TLS
															   : (long) CURL_HTTP_VERSION_1_1);
}

static long
milliseconds(double seconds)
{
	return seconds < 0.001 ? 1 : (long) (seconds * 1e3);
}

static void
set_times(CURL *easy, const CourierCall *call)
{
	double left = call->deadline - intake_clock_seconds();

	(void) curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void) curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, milliseconds(left));
	(void) curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
							milliseconds(left < CONNECT_TIME ? left : CONNECT_TIME));
	(void) curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	(void) curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE);
	(void) curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE);
}

static void
set_callbacks(CourierTransfer *transfer)
{
	CURL *easy = transfer->easy;

	(void) curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	(void) curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
	(void) curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, BUFFER);
	(void) curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
	(void) curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	(void) curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, courier_answer_take_header);
	(void) curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	(void) curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, courier_answer_take_body);
	(void) curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	(void) curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	(void) curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
	(void) curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, begin_request);
	(void) curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
}

/* Tells the library all of the call of a transfer, whose handle knows nothing. */
void
courier_setup_do(CourierTransfer *transfer)
{
	set_callbacks(transfer);
	set_limits(transfer->easy, transfer->call);
	set_times(transfer->easy, transfer->call);
	set_url(transfer);
	set_body(transfer);
	add_headers(transfer);
}
