/*
 * transfer.c
 *		Calls on the network (libcurl). Knows nothing of the database.
 *
 * A call that is started has a transfer: a handle of the library, and what its callbacks (answer.c)
 * keep. All transfers share connections and look-ups of names, but no handle is used twice: before
 * libcurl 8.12 a head whose first line is folded makes one write to memory of its last transfer that
 * it has freed. The library never waits: its sockets stand in an epoll set, which main's loop watches.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "answer.h"
#include "budget.h"
#include "common/program/clock.h"
#include "common/program/log.h"
#include "failure.h"
#include "setup.h"
#include "transfer.h"

#define READY 64 /* sockets that are looked at in a turn */

static CURLM *multi;
static int epoll_fd;
static double due_at; /* when the library wants to run though nothing comes; 0: never */

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

/* ---- start and end ---- */

static CourierTransfer *
make_transfer(CourierCall *call)
{
	CourierTransfer *transfer = calloc(1, sizeof(CourierTransfer));

	if (transfer == NULL || (transfer->easy = curl_easy_init()) == NULL)
		abort();
	call->transfer = transfer;
	transfer->call = call;
	return transfer;
}

static void
free_transfer(CourierTransfer *transfer)
{
	courier_answer_end(transfer);
	for (struct curl_slist *line = transfer->lines; line != NULL; line = line->next)
		explicit_bzero(line->data, strlen(line->data));
	curl_slist_free_all(transfer->lines);
	curl_easy_cleanup(transfer->easy);
	free(transfer);
}

/* Starts a call whose request has no problem. */
void
courier_transfer_start(CourierCall *call)
{
	CourierTransfer *transfer = make_transfer(call);

	courier_setup_do(transfer);
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
	free_transfer(call->transfer);
	call->transfer = NULL;
}

/*
 * Whether a call that was cut off, or whose time was up, has its whole answer: a host may give it
 * before it has taken the request, and end the connection then, or take no more of it.
 */
static bool
has_answer(const CourierTransfer *transfer, CURLcode code)
{
	curl_off_t length = -1;
	curl_off_t came = 0;

	(void) curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	(void) curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_DOWNLOAD_T, &came);
	return transfer->final && !transfer->in_head && length == came &&
		   (courier_failure_is_cut(code) || code == CURLE_OPERATION_TIMEDOUT);
}

/* Whether it is known how the host has answered. */
static bool
has_status(const CourierTransfer *transfer)
{
	long status = 0;

	(void) curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	return transfer->final && status >= 100;
}

/* What the library has found. */
static void
explain_code(CourierTransfer *transfer, CURLcode code)
{
	CourierCall *call = transfer->call;
	bool late = intake_clock_seconds() > call->deadline - 0.01;
	const char *word = courier_failure_word(code, call->begun, late);
	const char *detail = transfer->error[0] ? transfer->error : curl_easy_strerror(code);

	/* It bounds nothing but heads. */
	courier_call_fail(call, word, strcmp(word, "too_large") == 0 ? "the headers" : detail);
}

static void
explain(CourierTransfer *transfer, CURLcode code)
{
	CourierCall *call = transfer->call;

	if (transfer->fault != NULL)
		courier_call_fail(call, transfer->fault, transfer->detail);
	else if (transfer->refused && (code == CURLE_ABORTED_BY_CALLBACK ||
								   (code == CURLE_COULDNT_CONNECT && !transfer->opened)))
		courier_call_fail(call, "refused_address", transfer->refused);
	else if (code != CURLE_OK && !has_answer(transfer, code))
		explain_code(transfer, code);
	else if (!has_status(transfer))
		courier_call_fail(call, "protocol", "no HTTP");
	else if (transfer->in_head)
		courier_call_fail(call, "reset", "the headers end in the middle");
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
	courier_setup_init(given, told);
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
	(void) curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long) given->max_transfers);
	return true;
}
