/*
 * main.c
 *		intake-courier: makes the calls that workflows return.
 *
 * One loop, which never waits for anything but all of it: for hosts, for the database, and for
 * whoever looks at the metrics. The courier decides nothing: which call is next, when and whether
 * again, and what an answer means, is the database's.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "budget.h"
#include "calls.h"
#include "common/program/clock.h"
#include "common/program/log.h"
#include "guard.h"
#include "options.h"
#include "pages.h"
#include "session.h"
#include "transfer.h"

#define LEAVE_TIME 5.0 /* seconds for the last answers, and to take leave of the database */

static CourierOptions options;

static double
sooner(double a, double b)
{
	return a < b ? a : b;
}

/* Waits until there is something to do, SECONDS at most, and does it. Returns whether STOP is readable. */
static bool
turn(int stop, double seconds)
{
	struct pollfd pollers[COURIER_SESSION_POLLERS + 3] = {
		{stop, POLLIN, 0}, {courier_transfer_fd(), POLLIN, 0}, {courier_pages_fd(), POLLIN, 0}};
	struct timespec most;

	courier_session_poll(&pollers[3]);
	seconds = sooner(seconds, courier_transfer_timeout());
	seconds = sooner(seconds, courier_calls_timeout());
	seconds = sooner(seconds, courier_session_timeout());
	seconds = sooner(seconds, courier_pages_timeout());
	most.tv_sec = (time_t) seconds;
	most.tv_nsec = (long) ((seconds - (double) most.tv_sec) * 1e9);
	(void) ppoll(pollers, COURIER_SESSION_POLLERS + 3, &most, NULL);
	courier_session_run(&pollers[3]);
	courier_calls_run();
	courier_pages_run();
	/* Last, so that an exchange has all that has ended by now. */
	courier_session_send();
	return pollers[0].revents != 0;
}

/* Goes on until OVER says so, for SECONDS at most. */
static void
go_on(bool (*over)(void), double seconds)
{
	double end = intake_clock_seconds() + seconds;
	double left;

	courier_session_send();
	while (!over() && (left = end - intake_clock_seconds()) > 0)
		(void) turn(-1, left);
}

/* Lets what has begun end, for a while; what has not ended then goes back. */
static void
drain(void)
{
	courier_session_leave();
	go_on(courier_session_is_empty, options.drain);
	courier_calls_abandon();
	go_on(courier_session_has_left, LEAVE_TIME);
}

/* Each transfer may have a connection, and others stay open for the next ones. */
static void
raise_file_limit(void)
{
	struct rlimit limit;
	rlim_t wanted = (rlim_t) options.max_transfers * 2 + 100;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
	(void) setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < wanted)
		intake_log(INTAKE_WARNING, "%llu files may be open at once: too few for --max-transfers",
				   (unsigned long long) limit.rlim_cur);
}

/* Nobody is to read the credentials of calls from a core, or by tracing the process. */
static void
keep_memory_private(void)
{
	struct rlimit none = {0, 0};

	(void) setrlimit(RLIMIT_CORE, &none);
	(void) prctl(PR_SET_DUMPABLE, 0);
}

int
main(int argc, char **argv)
{
	sigset_t signals;
	int signal_fd;
	struct signalfd_siginfo signal_info;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	(void) sigprocmask(SIG_BLOCK, &signals, NULL);

	courier_options_read(argc, argv, &options);
	keep_memory_private();
	raise_file_limit();
	courier_budget_init(options.max_held);
	courier_calls_init(options.max_transfers);
	courier_guard_init(&options.allowed);
	signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
	if (signal_fd < 0 || !courier_transfer_init(&options, courier_calls_began) ||
		!courier_pages_start(options.listen) || !courier_session_start(&options))
		_exit(1);

	while (!turn(signal_fd, INTAKE_LONG))
		;
	/* A second signal ends the program at once. */
	(void) !read(signal_fd, &signal_info, sizeof(signal_info));
	(void) sigprocmask(SIG_UNBLOCK, &signals, NULL);
	intake_log(INTAKE_INFO, "stopping");
	courier_pages_stop();
	drain();
	courier_session_stop();
	intake_log(INTAKE_INFO, "stopped");
	_exit(0);
}
