/*
 * session.c
 *		What the courier and the database have to say to each other, and when.
 *
 * Two links. The talker enters, which gives a token, and then makes all exchanges, one at a time: what
 * ends while one is under way goes with the next, and each takes as many calls as there is room for.
 * The waiter waits, while there is room, for the database to say that there may be calls. A call is
 * begun when the exchange that brought it has committed, and an answer is forgotten then.
 *
 * The lease: the database gives the calls of a courier that it has not seen for 30 s to another one. It
 * notes an exchange every 5 s at most, so after TRUST seconds without one the courier ends what is
 * under way, while no other has begun it. Answers stay; should the token still be good, they are
 * taken. When it is not (WH005), everything is forgotten, and the courier enters again.
 *
 * Where a connection is lost in an exchange, nobody knows whether it has committed. Answers that
 * go twice do no harm; calls that were taken and never came would wait for their leases. So the next
 * exchange names all that is held, and the database takes the rest back.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "budget.h"
#include "calls.h"
#include "common/program/clock.h"
#include "common/program/log.h"
#include "exchange.h"
#include "link.h"
#include "metrics.h"
#include "session.h"

#define TRUST 20.0     /* seconds after an exchange that calls may go on without another */
#define BEAT 5.0       /* seconds between exchanges, at most, while calls are held */
#define IDLE_BEAT 10.0 /* and while none are */
#define LONE_BEAT 1.0  /* while nobody waits, because there is no second connection */
#define PATIENCE 15.0  /* seconds for an exchange */
#define GRACE 5.0      /* seconds, of the 10 that the database adds to the time of a call */
#define WAIT_TIME 10.0 /* seconds that the waiter waits at a time */
#define LEAST_ROOM (64u * 1024) /* bytes that must be free to take a call */
#define MOST_ANSWERS 1000       /* in an exchange */
#define RENEWAL (4u << 20)      /* bytes of an exchange after which its connection is made anew */
#define FIRST_PAUSE 0.01        /* seconds */
#define LAST_PAUSE 1.0
#define FIRST_RETRY 0.25
#define LAST_RETRY 15.0
#define ENDED_TOKEN "WH005"

static const CourierOptions *options;
static char name[256];
static int wake_fd; /* a helper has made a connection */
static CourierLink talker;
static CourierLink waiter;

static int64_t token;     /* 0: not entered */
static double contact_at; /* when the last exchange that succeeded was sent, by the lease's clock */
static bool unsure;       /* what is held is to be named */
static bool leaving;      /* no calls are taken any more */
static bool left;
static double retry_at;    /* what was refused is not said again before */
static double retry_pause; /* 0: the last thing was not refused */

/* Calls that may be there. */
static bool wanted;       /* there may be some */
static bool hoped;        /* the exchange under way was begun for that */
static double due_at;     /* when there will be; 0: unknown */
static double wait_at;    /* the waiter does not wait before */
static double idle_pause; /* seconds, after an exchange for nothing */

/* The exchange under way. */
static CourierAsk asked;
static int answers; /* in it */
static size_t sent_bytes;
static double sent_at; /* by the lease's clock */

static int most_answers = MOST_ANSWERS; /* fewer, to find one that the database does not take */
static int64_t waiting_token;           /* that the waiter has used */

/* Seconds of a clock that goes on while the machine sleeps: the database's does. */
static double
lease_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static double
sooner(double a, double b)
{
	return a < b ? a : b;
}

static bool
holds_any(void)
{
	CourierCallCounts counts = courier_calls_count();

	return counts.waiting + counts.running + counts.ended > 0;
}

/* ---- what is refused ---- */

/* Says why the database refused something, which is tried again later. */
static void
retry_later(const char *what, const PGresult *result, CourierLinkOutcome outcome)
{
	const char *message = result ? PQresultErrorMessage(result) : "";

	retry_pause = retry_pause == 0 ? FIRST_RETRY : retry_pause * 2;
	if (retry_pause > LAST_RETRY)
		retry_pause = LAST_RETRY;
	retry_at = intake_clock_seconds() + retry_pause;
	if (outcome == LINK_LATE)
		message = "no answer in time";
	else if (message[0] == '\0')
		message = "the connection was lost";
	intake_log(INTAKE_WARNING, "%s failed: %s", what, message);
}

static bool
has_state(const PGresult *result, const char *state)
{
	const char *found = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;

	return found != NULL && strcmp(found, state) == 0;
}

/* The database has given our calls to others: nothing that is held is worth anything any more. */
static void
lose_token(void)
{
	intake_log(INTAKE_WARNING, "the database has given up this courier, which begins anew");
	courier_calls_forget();
	token = 0;
	answers = 0;
	unsure = false;
	most_answers = MOST_ANSWERS;
}

/* ---- entering and leaving ---- */

/* Begins a query whose parameters are text. */
static bool
send_text(PGconn *connection, const char *query, int count, const char *const *values)
{
	return PQsendQueryParams(connection, query, count, NULL, values, NULL, NULL, 0) != 0;
}

static void
end_enter(const PGresult *result, CourierLinkOutcome outcome)
{
	if (outcome != LINK_ENDED || PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		retry_later("entering", result, outcome);
		courier_link_renew(&talker);
		return;
	}
	token = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	contact_at = sent_at;
	retry_pause = 0;
	wanted = true;
	intake_log(INTAKE_INFO, "entered as %s", name);
}

static void
enter(void)
{
	const char *values[] = {name};

	sent_at = lease_clock();
	courier_link_send(&talker,
					  send_text(talker.connection, "SELECT intake.enter_courier($1)", 1, values),
					  PATIENCE, end_enter);
}

static void
end_leave(const PGresult *result, CourierLinkOutcome outcome)
{
	if (outcome != LINK_ENDED || PQresultStatus(result) != PGRES_TUPLES_OK)
		retry_later("leaving", result, outcome);
	left = true;
}

static void
leave(void)
{
	char text[32];
	const char *values[] = {text};

	(void) snprintf(text, sizeof(text), "%lld", (long long) token);
	courier_link_send(&talker,
					  send_text(talker.connection, "SELECT intake.leave_courier($1)", 1, values),
					  PATIENCE, end_leave);
}

/* ---- exchanges ---- */

/* Whether an answer goes alone, so that what is refused then is refused because of it. */
static bool
goes_alone(void)
{
	return most_answers == 1 && courier_calls_ended() != NULL;
}

/* How many calls may be taken now. */
static int
room(void)
{
	if (leaving || unsure || goes_alone() || courier_budget_free() < LEAST_ROOM)
		return 0;
	return courier_calls_free();
}

/*
 * Whether the database may have refused what an answer says: its data, a constraint, a bound, or
 * something that nobody foresaw. All else is the database's own trouble, such as a full disk, and ends.
 */
static bool
is_about_data(const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return state != NULL && (strncmp(state, "22", 2) == 0 || strncmp(state, "23", 2) == 0 ||
							 strncmp(state, "54", 2) == 0 || strcmp(state, "XX000") == 0);
}

/* One of the answers is not taken, perhaps: fewer are sent, and the last one is given up in steps. */
static void
suspect_answers(const PGresult *result)
{
	CourierCall *call = courier_calls_ended();

	if (answers > 1)
		most_answers = answers / 2;
	else
		most_answers = 1;
	if (answers != 1 || asked.most > 0 || !is_about_data(result))
		return;
	intake_log(INTAKE_ERROR, "the database does not take the answer of call %lld",
			   (long long) call->call_id);
	if (call->headers.length + call->answer.length == 0)
	{
		courier_calls_remove(call);
		return;
	}
	call->headers.length = call->answer.length = 0;
	courier_call_fail(call, "protocol", "the database did not take the answer");
}

/* The database has what was sent. */
static void
forget_answers(void)
{
	for (; answers > 0; answers--)
		courier_calls_remove(courier_calls_ended());
	most_answers = most_answers * 2 < MOST_ANSWERS ? most_answers * 2 : MOST_ANSWERS;
}

/* When to look again: the more rarely, the more often it was for nothing. */
static void
plan(const CourierNews *news)
{
	double now = intake_clock_seconds();
	double seconds = (double) news->milliseconds / 1e3;

	if (news->requests > 0 || !hoped)
		idle_pause = 0;
	else
		idle_pause = idle_pause == 0 ? FIRST_PAUSE : sooner(idle_pause * 2, LAST_PAUSE);
	wait_at = now + idle_pause;
	wanted |= asked.most > 0 && news->requests >= asked.most;
	due_at = news->milliseconds < 0 ? 0 : now + (seconds > idle_pause ? seconds : idle_pause);
}

static void
end_exchange(const PGresult *result, CourierLinkOutcome outcome)
{
	CourierNews news;

	courier_metrics_exchange(intake_clock_seconds() - talker.sent_at);
	if (has_state(result, ENDED_TOKEN))
	{
		lose_token();
		return;
	}
	if (outcome != LINK_ENDED || !courier_exchange_is_result(result))
	{
		unsure |= outcome != LINK_ENDED;
		if (outcome == LINK_ENDED)
			suspect_answers(result);
		answers = 0;
		retry_later("an exchange", result, outcome);
		courier_link_renew(&talker);
		return;
	}
	contact_at = sent_at;
	unsure &= !asked.name_all;
	/* One that only kept the lease says nothing of what was refused. */
	if (asked.answers > 0)
	{
		retry_pause = 0;
		forget_answers();
	}
	news = courier_exchange_take(result, sooner(intake_clock_seconds(), talker.sent_at + GRACE));
	plan(&news);
	/* libpq never lets go of memory that it has used. */
	if (sent_bytes + news.bytes > RENEWAL)
		courier_link_renew(&talker);
}

/* Whether the waiter or the clock says that there are calls, and there is room for some. */
static bool
may_take(void)
{
	return room() > 0 && (wanted || (due_at != 0 && intake_clock_seconds() >= due_at));
}

/* Seconds until the database is to hear of this courier in any case. */
static double
until_beat(void)
{
	double beat = holds_any() ? BEAT : IDLE_BEAT;

	if (waiter.state == LINK_DOWN && room() > 0)
		beat = LONE_BEAT;
	return contact_at + beat - lease_clock();
}

static void
exchange(void)
{
	asked = (CourierAsk){.token = token,
						 .most = room(),
						 .most_bytes = courier_budget_free(),
						 .answers = most_answers,
						 .name_all = unsure};
	/* What is refused again and again must not cost the lease as well. */
	if (retry_pause > 0 && until_beat() <= 0)
		asked.most = asked.answers = 0;
	hoped = asked.most > 0 && may_take();
	wanted &= !hoped;
	answers = courier_exchange_make(&asked, &sent_bytes);
	sent_at = lease_clock();
	courier_link_send(&talker, courier_exchange_send(talker.connection), PATIENCE, end_exchange);
}

/* Whether the database is to hear something as soon as it may. */
static bool
has_news(void)
{
	return token == 0 || (leaving && !holds_any()) || unsure || courier_calls_ended() != NULL ||
		   may_take();
}

static void
talk(void)
{
	if (token == 0)
		enter();
	else if (leaving && !holds_any())
		leave();
	else if (has_news() || until_beat() <= 0)
		exchange();
}

/* ---- waiting ---- */

static void
end_wait(const PGresult *result, CourierLinkOutcome outcome)
{
	if (has_state(result, ENDED_TOKEN) && waiting_token == token)
	{
		if (talker.state != LINK_BUSY)
			lose_token();
		return;
	}
	if (outcome != LINK_ENDED || PQresultStatus(result) != PGRES_COMMAND_OK)
	{
		retry_later("waiting for calls", result, outcome);
		wait_at = retry_at;
		courier_link_renew(&waiter);
		return;
	}
	wanted = true;
}

static void
wait_for_calls(void)
{
	char text[32];
	char most[32];
	const char *values[] = {text, most};

	waiting_token = token;
	(void) snprintf(text, sizeof(text), "%lld", (long long) token);
	(void) snprintf(most, sizeof(most), "%.0f s", WAIT_TIME);
	courier_link_send(&waiter,
					  send_text(waiter.connection, "CALL intake.wait_for_calls($1, $2)", 2, values),
					  WAIT_TIME + PATIENCE, end_wait);
}

/* ---- what the loop calls ---- */

void
courier_session_poll(struct pollfd *pollers)
{
	pollers[0] = courier_link_poll(&talker);
	pollers[1] = courier_link_poll(&waiter);
	pollers[2] = (struct pollfd){wake_fd, POLLIN, 0};
}

/* Seconds until something is to be done even if nothing comes. */
double
courier_session_timeout(void)
{
	double now = intake_clock_seconds();
	double least = sooner(courier_link_timeout(&talker), courier_link_timeout(&waiter));

	if (talker.state == LINK_IDLE)
	{
		double next = has_news() ? 0 : until_beat();

		if (due_at != 0 && room() > 0)
			next = sooner(next, due_at - now);
		least = sooner(least, next > retry_at - now ? next : retry_at - now);
	}
	if (waiter.state == LINK_IDLE && token != 0 && room() > 0 && wait_at > now)
		least = sooner(least, wait_at - now);
	if (token != 0 && holds_any() && contact_at + TRUST > lease_clock())
		least = sooner(least, contact_at + TRUST - lease_clock());
	return least > 0 ? least : 0;
}

/* Ends what is under way when the database may soon give it to another courier. */
static void
watch_lease(void)
{
	CourierCallCounts counts = courier_calls_count();

	if (token == 0 || lease_clock() < contact_at + TRUST || counts.waiting + counts.running == 0)
		return;
	intake_log(INTAKE_WARNING, "no exchange for %.0f s: %d calls are ended", TRUST,
			   counts.waiting + counts.running);
	courier_calls_stop("lost", "the courier had lost the database");
}

/* Goes on with what POLLERS say is ready, and with what is late. */
void
courier_session_run(const struct pollfd *pollers)
{
	eventfd_t count;

	if (pollers[2].revents != 0)
		(void) eventfd_read(wake_fd, &count);
	watch_lease();
	courier_link_run(&talker, &pollers[0]);
	courier_link_run(&waiter, &pollers[1]);
	watch_lease();
}

/* Says what there is to say, with what has ended by now. */
void
courier_session_send(void)
{
	double now = intake_clock_seconds();

	/* A database that knows nothing of this courier need not be told. */
	if (leaving && token == 0 && talker.state != LINK_BUSY)
		left = true;
	/* Where the server has no room for another connection, whoever has one talks. */
	if (talker.state == LINK_DOWN && waiter.state == LINK_IDLE)
		courier_link_hand_over(&waiter, &talker);
	if (talker.state == LINK_IDLE && now >= retry_at && !left)
		talk();
	/* An exchange that is under way takes what is there, and says whether there is more. */
	if (waiter.state == LINK_IDLE && talker.state != LINK_BUSY && token != 0 && !wanted &&
		room() > 0 && now >= wait_at)
		wait_for_calls();
}

/* Whether the database has heard of this courier of late. */
bool
courier_session_is_in_touch(void)
{
	return token != 0 && lease_clock() < contact_at + TRUST;
}

/* Takes no more calls, gives back what has not begun, and leaves when the rest has ended. */
void
courier_session_leave(void)
{
	leaving = true;
	courier_calls_release();
}

/* Whether no call and no answer is held, and none is on its way. */
bool
courier_session_is_empty(void)
{
	return !holds_any() && talker.state != LINK_BUSY;
}

/* Whether nothing is held and the database knows that the courier is gone. */
bool
courier_session_has_left(void)
{
	return left;
}

/* Begins to connect. Returns false when it cannot, having said why. */
bool
courier_session_start(const CourierOptions *given)
{
	options = given;
	if (options->name[0] != '\0')
		(void) snprintf(name, sizeof(name), "%s", options->name);
	else if (gethostname(name, sizeof(name) - 1) != 0)
		(void) snprintf(name, sizeof(name), "courier");
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake_fd < 0)
	{
		intake_log(INTAKE_ERROR, "cannot start: %m");
		return false;
	}
	courier_link_start(&talker, options->dsn, wake_fd, courier_exchange_prepare);
	courier_link_start(&waiter, options->dsn, wake_fd, courier_exchange_prepare);
	return true;
}

/* Takes leave of the server. */
void
courier_session_stop(void)
{
	courier_link_stop(&talker);
	courier_link_stop(&waiter);
}
