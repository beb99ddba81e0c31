/*
 * options.h
 *		What the courier is told: command line and environment.
 */
#ifndef COURIER_OPTIONS_H
#define COURIER_OPTIONS_H

#include "common/program/ranges.h"

typedef struct CourierOptions
{
	const char *dsn;      /* of libpq */
	const char *name;     /* in intake.couriers; empty: the machine's */
	const char *listen;   /* for /healthz and /metrics; empty: nowhere */
	const char *proxy;    /* URL; empty: none */
	const char *ca_file;  /* empty: the system's */
	int max_transfers;    /* at once */
	size_t max_held;      /* bytes, of requests and answers */
	double drain;         /* seconds that transfers have to end in when the program stops */
	IntakeRanges allowed; /* where calls may go though it is not out there */
} CourierOptions;

extern void courier_options_read(int argc, char **argv, CourierOptions *options);

#endif
