/*
 * transfer.c
 *		Calls on the network (libcurl). Knows nothing of the database.
 *
 * A call that is started has a transfer: a handle of the library, and what its callbacks (answer.c)
 * keep. All transfers share connections and look-ups of names. The library never waits: its sockets
 * stand in an epoll set, which main's loop watches.
 *
 * The library can do much more than calls may: whatever looks at the environment, keeps state from
 * one call for another, or goes somewhere else than a call says, is off.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "answer.h"
#include "budget.h"
#include "common/program/clock.h"
#include "common/program/log.h"
#include "failure.h"
#include "guard.h"
#include "metrics.h"
#include "transfer.h"

#define CONNECT_TIME 15.0  /* seconds to a connection, at most */
#define KEEPALIVE 30L      /* seconds of silence until a connection is probed */
#define IDLE_TRANSFERS 64  /* that are kept for the next calls */
#define BUFFER (8L * 1024) /* bytes that the library reads at a time */
#define READY 64           /* sockets that are looked at in a turn */
#define ENCODINGS "Accept-Encoding: gzip, deflate"

static const CourierOptions *options;
static CourierBegan began;
static CURLM *multi;
static int epoll_fd;
static double due_at; /* when the library wants to run though nothing comes; 0: never */
static CourierTransfer *idle;
static int n_idle;

/* ---- what the library asks ---- */

static int
watch(CURL *easy, curl_socket_t fd, int what, void *closure, void *known)
{
	struct epoll_event event = {.data.fd = fd};

	(void) easy, (void) closure;
	if (what == CURL_POLL_REMOVE)
	{
		(void) epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		(void) curl_multi_assign(multi, fd, NULL);
		return 0;
	}
	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
	if (epoll_ctl(epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0)
		(void) epoll_ctl(epoll_fd, known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
	(void) curl_multi_assign(multi, fd, &epoll_fd);
	return 0;
}

static int
set_timer(CURLM *handle, long milliseconds, void *closure)
{
	(void) handle, (void) closure;
	due_at = milliseconds < 0 ? 0 : intake_clock_seconds() + (double) milliseconds / 1e3;
	return 0;
}

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

/* The connection stands: from here on a request may arrive. */
static int
begin_request(void *closure, char *remote, char *local, int remote_port, int local_port)
{
	CourierTransfer *transfer = closure;

	(void) remote, (void) local, (void) remote_port, (void) local_port;
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

/* ---- start and end ---- */

static CourierTransfer *
get_transfer(void)
{
	CourierTransfer *transfer = idle;

	if (transfer != NULL)
	{
		idle = transfer->next;
		n_idle--;
		return transfer;
	}
	transfer = calloc(1, sizeof(CourierTransfer));
	if (transfer == NULL || (transfer->easy = curl_easy_init()) == NULL)
		abort();
	return transfer;
}

/* Frees what a transfer has of its call, and keeps it for another one, or not. */
static void
give_back(CourierTransfer *transfer)
{
	CURL *easy = transfer->easy;

	courier_answer_end(transfer);
	for (struct curl_slist *line = transfer->lines; line != NULL; line = line->next)
		explicit_bzero(line->data, strlen(line->data));
	curl_slist_free_all(transfer->lines);
	memset(transfer, 0, sizeof(*transfer));
	transfer->easy = easy;
	if (n_idle == IDLE_TRANSFERS)
	{
		curl_easy_cleanup(easy);
		free(transfer);
		return;
	}
	curl_easy_reset(easy);
	transfer->next = idle;
	idle = transfer;
	n_idle++;
}

/* Starts a call whose request has no problem. */
void
courier_transfer_start(CourierCall *call)
{
	CourierTransfer *transfer = get_transfer();

	call->transfer = transfer;
	transfer->call = call;
	set_callbacks(transfer);
	set_limits(transfer->easy, call);
	set_times(transfer->easy, call);
	set_url(transfer);
	set_body(transfer);
	add_headers(transfer);
	if (curl_multi_add_handle(multi, transfer->easy) != CURLM_OK)
		abort();
}

/* Stops a call in the middle; its answer is what the caller says. */
void
courier_transfer_stop(CourierCall *call)
{
	long status = 0;

	(void) curl_easy_getinfo(call->transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	call->status = (int) status;
	call->duration = (int64_t) ((intake_clock_seconds() - call->received_at) * 1e6);
	(void) curl_multi_remove_handle(multi, call->transfer->easy);
	give_back(call->transfer);
	call->transfer = NULL;
}

static void
explain(CourierTransfer *transfer, CURLcode code)
{
	CourierCall *call = transfer->call;
	bool late = intake_clock_seconds() > call->deadline - 0.01;

	if (transfer->fault != NULL)
		courier_call_fail(call, transfer->fault, transfer->detail);
	else if (code == CURLE_COULDNT_CONNECT && transfer->refused && !transfer->opened)
		courier_call_fail(call, "refused_address", transfer->refused);
	else if (code != CURLE_OK)
		courier_call_fail(call, courier_failure_word(code, call->begun, late),
						  transfer->error[0] ? transfer->error : curl_easy_strerror(code));
	else if (!courier_answer_is_whole(transfer))
		courier_call_fail(call, "encoding", "the end is missing");
}

/* The answer of a transfer is complete, or there is none. */
static CourierCall *
finish(CourierTransfer *transfer, CURLcode code)
{
	CourierCall *call = transfer->call;
	curl_off_t microseconds = 0;

	explain(transfer, code);
	(void) curl_easy_getinfo(transfer->easy, CURLINFO_TOTAL_TIME_T, &microseconds);
	courier_transfer_stop(call);
	call->duration = microseconds;
	return call;
}

/* ---- what the loop calls ---- */

/* Becomes readable when a socket is ready. */
int
courier_transfer_fd(void)
{
	return epoll_fd;
}

/* Seconds until something is to be done even if nothing comes. */
double
courier_transfer_timeout(void)
{
	double left = due_at - intake_clock_seconds();

	return due_at == 0 ? INTAKE_LONG : left > 0 ? left : 0;
}

static void
run_ready(void)
{
	struct epoll_event ready[READY];
	int count;
	int running;

	do
	{
		count = epoll_wait(epoll_fd, ready, READY, 0);
		for (int i = 0; i < count; i++)
		{
			int what = (ready[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
					   (ready[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
					   (ready[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

			(void) curl_multi_socket_action(multi, ready[i].data.fd, what, &running);
		}
	} while (count == READY);
}

/* Goes on with what is ready or due. */
void
courier_transfer_run(void)
{
	int running;

	courier_answer_resume();
	run_ready();
	if (due_at != 0 && intake_clock_seconds() >= due_at)
	{
		due_at = 0;
		(void) curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
}

/* A call that has ended, which has no transfer any more; NULL: there is none. */
CourierCall *
courier_transfer_take(void)
{
	CourierTransfer *transfer;
	CURLMsg *message;
	int left;

	message = curl_multi_info_read(multi, &left);
	if (message == NULL)
		return NULL;
	(void) curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &transfer);
	return finish(transfer, message->data.result);
}

/* Makes the library ready. Returns false when it cannot be, having said why. */
bool
courier_transfer_init(const CourierOptions *given, CourierBegan told)
{
	options = given;
	began = told;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	/* Where the keys of all connections would be written to. */
	(void) unsetenv("SSLKEYLOGFILE");
	if (epoll_fd < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
		(multi = curl_multi_init()) == NULL)
	{
		intake_log(INTAKE_ERROR, "the HTTP library did not start");
		return false;
	}
	(void) curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch);
	(void) curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer);
	(void) curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long) CURLPIPE_MULTIPLEX);
	(void) curl_multi_setopt(multi, CURLMOPT_MAX_CONCURRENT_STREAMS, 1000L);
	(void) curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long) options->max_transfers);
	return true;
}
