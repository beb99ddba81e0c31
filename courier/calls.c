/*
 * calls.c
 *		The calls that the courier holds, and whose turn it is.
 *
 *		WAITING		for its turn at its host
 *		RUNNING		it has a transfer
 *		ENDED		its answer stays until the database has it
 *
 * One host gets a quarter of the transfers at most, so that a slow one leaves room for others. The
 * first transfer to a host goes alone until its connection stands, or cannot be made: those behind it
 * then find the address looked up and, with HTTP/2, share the connection.
 */
#include <stdio.h>
#include <stdlib.h>

#include "calls.h"
#include "common/program/clock.h"
#include "common/program/log.h"
#include "metrics.h"
#include "transfer.h"

#define BUCKETS 1024
#define LOOK_EVERY 1.0 /* seconds, at those that wait */

typedef struct List
{
	CourierCall *first;
	CourierCall *last;
	int count;
} List;

struct CourierHost
{
	CourierHost *next; /* in its bucket */
	char *name;
	bool open; /* a connection has stood, or it was seen that none can be made */
	int running;
	List waiting;
};

static int max_transfers;
static CourierHost *buckets[BUCKETS];
static int waiting; /* at all hosts */
static List running;
static List ended;
static double look_at; /* when to look at those that wait */

/* ---- lists ---- */

static void
append(List *list, CourierCall *call)
{
	call->next = NULL;
	call->previous = list->last;
	if (list->last != NULL)
		list->last->next = call;
	else
		list->first = call;
	list->last = call;
	list->count++;
}

static void
take_out(List *list, CourierCall *call)
{
	if (call->previous != NULL)
		call->previous->next = call->next;
	else
		list->first = call->next;
	if (call->next != NULL)
		call->next->previous = call->previous;
	else
		list->last = call->previous;
	call->next = call->previous = NULL;
	list->count--;
}

/* ---- hosts ---- */

static CourierHost **
bucket_of(const char *name)
{
	uint32_t hash = 2166136261u;

	for (const char *c = name; *c; c++)
		hash = (hash ^ (unsigned char) *c) * 16777619u;
	return &buckets[hash % BUCKETS];
}

/* The host of this name; it stays as long as it has calls. */
static CourierHost *
get_host(const char *name)
{
	CourierHost **bucket = bucket_of(name);
	CourierHost *host = *bucket;

	while (host != NULL && strcmp(host->name, name) != 0)
		host = host->next;
	if (host != NULL)
		return host;
	host = calloc(1, sizeof(CourierHost));
	if (host == NULL || (host->name = strdup(name)) == NULL)
		abort();
	host->next = *bucket;
	*bucket = host;
	return host;
}

static void
drop_if_unused(CourierHost *host)
{
	CourierHost **place = bucket_of(host->name);

	if (host->running > 0 || host->waiting.count > 0)
		return;
	while (*place != host)
		place = &(*place)->next;
	*place = host->next;
	free(host->name);
	free(host);
}

/* How many transfers a host may have now. */
static int
most_of(const CourierHost *host)
{
	return !host->open || max_transfers < 4 ? 1 : max_transfers / 4;
}

/* ---- a call goes on ---- */

/* A call that has left its list has ended. */
static void
end(CourierCall *call)
{
	call->state = CALL_ENDED;
	call->host = NULL;
	append(&ended, call);
	courier_call_count(call);
	courier_metrics_answer(call);
	intake_log(INTAKE_DEBUG, "call %lld: %s %s: %d %s in %.3f s", (long long) call->call_id,
			   call->method, call->name, call->status, call->error, (double) call->duration / 1e6);
}

static void
leave_waiting(CourierCall *call)
{
	take_out(&call->host->waiting, call);
	waiting--;
}

/* A transfer has ended: those that wait at its host need not wait for its connection any more. */
static void
leave_running(CourierCall *call)
{
	take_out(&running, call);
	call->host->open = true;
	call->host->running--;
}

static void
start_or_fail(CourierCall *call)
{
	CourierHost *host = call->host;
	const char *problem = courier_call_problem(call);

	leave_waiting(call);
	if (problem != NULL)
	{
		courier_call_fail(call, "protocol", problem);
		end(call);
		return;
	}
	call->state = CALL_RUNNING;
	append(&running, call);
	host->running++;
	courier_transfer_start(call);
}

static void
start_waiting(CourierHost *host)
{
	while (host->waiting.count > 0 && host->running < most_of(host) &&
		   running.count < max_transfers)
		start_or_fail(host->waiting.first);
}

static void
start_all(void)
{
	for (int i = 0; waiting > 0 && i < BUCKETS; i++)
		for (CourierHost *host = buckets[i], *next; host != NULL; host = next)
		{
			next = host->next;
			start_waiting(host);
			drop_if_unused(host);
		}
}

/* Ends a call that waits or runs, with an error. */
static void
stop(CourierCall *call, const char *word, const char *detail)
{
	CourierHost *host = call->host;

	if (call->state == CALL_WAITING)
		leave_waiting(call);
	else
	{
		courier_transfer_stop(call);
		leave_running(call);
	}
	courier_call_fail(call, word, detail);
	end(call);
	drop_if_unused(host);
}

/* The call behind CALL of those that wait and then those that run; NULL: the first one, or none. */
static CourierCall *
next_of(const CourierCall *call)
{
	const CourierHost *host = call ? call->host : NULL;
	int i = host ? (int) (bucket_of(host->name) - buckets) : 0;

	if (call != NULL && (call->next != NULL || call->state == CALL_RUNNING))
		return call->next;
	host = host ? host->next : buckets[0];
	for (;; host = buckets[i])
	{
		for (; host != NULL; host = host->next)
			if (host->waiting.first != NULL)
				return host->waiting.first;
		if (++i == BUCKETS)
			return running.first;
	}
}

/* Gives back those whose time was up before their turn came: soon the database gives them to others. */
static void
give_back_late(void)
{
	double now = intake_clock_seconds();
	CourierCall *next;

	if (now < look_at)
		return;
	look_at = now + LOOK_EVERY;
	for (CourierCall *call = waiting > 0 ? next_of(NULL) : NULL;
		 call != NULL && call->state == CALL_WAITING; call = next)
	{
		next = next_of(call);
		if (now >= call->deadline)
			stop(call, "released", "its turn did not come in time");
	}
}

/* ---- what others call ---- */

void
courier_calls_init(int most)
{
	max_transfers = most;
}

/* Takes a call; it starts in courier_calls_run. */
void
courier_calls_add(CourierCall *call)
{
	call->state = CALL_WAITING;
	call->host = get_host(call->name);
	append(&call->host->waiting, call);
	waiting++;
}

/* The connection of a call stands. */
void
courier_calls_began(CourierCall *call)
{
	call->host->open = true;
}

/* Stops a call, if it is still there and has not ended. */
void
courier_calls_cancel(int64_t call_id)
{
	CourierCall *call = next_of(NULL);

	while (call != NULL && call->call_id != call_id)
		call = next_of(call);
	if (call != NULL)
		stop(call, call->begun ? "reset" : "released", "cancelled");
}

/* Starts whose turn it is, and goes on with what is ready. */
void
courier_calls_run(void)
{
	CourierCall *call;

	courier_transfer_run();
	while ((call = courier_transfer_take()) != NULL)
	{
		CourierHost *host = call->host;

		leave_running(call);
		end(call);
		drop_if_unused(host);
	}
	give_back_late();
	start_all();
}

/* Seconds until something is to be done even if nothing comes. */
double
courier_calls_timeout(void)
{
	double left = look_at - intake_clock_seconds();

	return waiting == 0 ? INTAKE_LONG : left > 0 ? left : 0;
}

/* Gives back what has not begun. */
void
courier_calls_release(void)
{
	CourierCall *next;

	for (CourierCall *call = next_of(NULL); call != NULL; call = next)
	{
		next = next_of(call);
		if (!call->begun)
			stop(call, "released", NULL);
	}
}

/* Ends all calls that have not ended; those that have not begun go back. */
void
courier_calls_stop(const char *word, const char *detail)
{
	courier_calls_release();
	while (running.first != NULL)
		stop(running.first, word, detail);
}

/* Stops what is under way, without an answer. */
void
courier_calls_abandon(void)
{
	int answers = ended.count;

	courier_calls_stop("released", NULL);
	while (ended.count > answers)
		courier_calls_remove(ended.last);
}

/* Stops all calls, and forgets all answers: nobody wants them any more. */
void
courier_calls_forget(void)
{
	courier_calls_abandon();
	while (ended.first != NULL)
		courier_calls_remove(ended.first);
}

CourierCallCounts
courier_calls_count(void)
{
	return (CourierCallCounts){waiting, running.count, ended.count};
}

/* How many more calls could be taken. */
int
courier_calls_free(void)
{
	int count = max_transfers - running.count - waiting;

	return count > 0 ? count : 0;
}

/* The call behind CALL, NULL for the first one, of those that have not ended. */
const CourierCall *
courier_calls_next(const CourierCall *call)
{
	return next_of(call);
}

/* The answers that the database has not got, by their next. */
CourierCall *
courier_calls_ended(void)
{
	return ended.first;
}

/* An answer is no longer needed. */
void
courier_calls_remove(CourierCall *call)
{
	take_out(&ended, call);
	courier_call_free(call);
}
