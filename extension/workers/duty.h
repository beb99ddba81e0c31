/*
 * duty.h
 *		What a process does again and again, each duty apart from the others.
 */
#ifndef INTAKE_DUTY_H
#define INTAKE_DUTY_H

#include "postgres.h"

typedef struct IntakeDuty
{
	const char *name;     /* what it does, for the log: "make partitions" */
	void (*run)(void);    /* called in a transaction of its own, with an active snapshot */
	bool (*wanted)(void); /* somebody waits: tried at once, even after a failure; or NULL */
	long (*due)(void);    /* milliseconds until there is something to do by itself; or NULL */
	/* The rest belongs to duty.c. */
	int64 next_try; /* after a failure: not before, by intake_clock_ms */
	int backoff;    /* milliseconds */
	int failed;     /* the SQLSTATE of the failure that was reported last, or 0 */
} IntakeDuty;

extern long intake_duty_run(IntakeDuty *duty);

#endif
