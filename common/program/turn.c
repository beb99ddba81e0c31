/*
 * turn.c
 *		Whose turn it is to try to connect to a database that refuses.
 *
 * Each try in vain is a line in the server's log, so while the database refuses, one helper of all
 * threads tries, and the others wait for what it finds. The pauses grow with the time that has gone
 * by: a database is found again within as much time as it was away, and LAST_PAUSE at most. A
 * helper that is let in lets all others try at once.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/program/turn.h"

#define FIRST_PAUSE 0.05 /* seconds */
#define LAST_PAUSE 4.0

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static bool refused;               /* the last try was in vain */
static bool taken;                 /* some helper has the turn */
static _Thread_local bool mine;    /* it is this one */
static double pause = FIRST_PAUSE; /* before the next try */

static void
prepare(void)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&changed, &attributes);
}

static struct timespec
in_seconds(double seconds)
{
	struct timespec when;
	long nanoseconds;

	clock_gettime(CLOCK_MONOTONIC, &when);
	nanoseconds = when.tv_nsec + (long) ((seconds - (double) (time_t) seconds) * 1e9);
	when.tv_sec += (time_t) seconds + nanoseconds / 1000000000;
	when.tv_nsec = nanoseconds % 1000000000;
	return when;
}

/* After a try in vain: returns when it is the caller's turn, or when somebody was let in. */
void
intake_turn_wait(void)
{
	struct timespec end;

	pthread_once(&once, prepare);
	pthread_mutex_lock(&lock);
	while (refused && taken)
		pthread_cond_wait(&changed, &lock);
	if (refused)
	{
		taken = mine = true;
		end = in_seconds(pause * (0.5 + 0.5 * drand48()));
		while (refused && pthread_cond_timedwait(&changed, &lock, &end) == 0)
			continue;
		pause = pause * 2 < LAST_PAUSE ? pause * 2 : LAST_PAUSE;
	}
	pthread_mutex_unlock(&lock);
}

/* A helper has tried, with this result. Returns whether the one before was another. */
bool
intake_turn_end(bool connected)
{
	bool other;

	pthread_once(&once, prepare);
	pthread_mutex_lock(&lock);
	other = refused == connected;
	refused = !connected;
	if (mine)
		taken = mine = false;
	if (connected)
		pause = FIRST_PAUSE;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return other;
}
