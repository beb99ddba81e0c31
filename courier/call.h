/*
 * call.h
 *		One call on its way: from the database to a host, and back as an answer.
 */
#ifndef COURIER_CALL_H
#define COURIER_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/program/buffer.h"
#include "common/slice.h"

#define COURIER_MAX_HEADERS (256 * 1024) /* bytes of an answer's headers */
#define COURIER_MAX_LINES 2000           /* lines of them; the library takes 5000, or any number */
#define COURIER_FIRST_BYTES (8 * 1024)   /* of an answer that ends with an error */
#define COURIER_MAX_ERROR 256            /* bytes of an error's text */

typedef struct CourierTransfer CourierTransfer;
typedef struct CourierHost CourierHost;

typedef enum
{
	CALL_WAITING, /* for its turn at its host */
	CALL_RUNNING,
	CALL_ENDED /* its answer waits for the database, or is on its way there */
} CourierCallState;

typedef struct CourierCallCounts
{
	int waiting; /* for their turn at their hosts */
	int running;
	int ended; /* and not yet in the database */
} CourierCallCounts;

typedef struct CourierCall
{
	struct CourierCall *next; /* in the list of its state */
	struct CourierCall *previous;
	CourierCallState state;
	CourierHost *host;         /* until it has ended */
	CourierTransfer *transfer; /* CALL_RUNNING */

	/* The request; all of it is one piece of memory, text. */
	int64_t call_id;
	int64_t job_id;
	const char *method;
	const char *scheme;
	const char *name; /* of the host, with its port */
	const char *target;
	IntakeSlice lines; /* of headers, each with its CRLF */
	IntakeSlice body;  /* absent: none */
	bool begun;        /* some of it may have been sent */
	double received_at;
	double deadline; /* to have ended at */
	size_t most;     /* bytes of the answer's body */
	char *text;
	size_t text_length;

	/* The answer. */
	int status; /* 0: none */
	IntakeBuffer headers;
	IntakeBuffer answer;
	char error[COURIER_MAX_ERROR]; /* a word, and more behind ": "; "" where all went well */
	int64_t duration;              /* microseconds */

	size_t held; /* counted in the budget */
} CourierCall;

/* Is told when a call's connection stands: its request is sent next. */
typedef void (*CourierBegan)(CourierCall *call);

/* What the database says of a request. */
typedef struct CourierRequest
{
	int64_t call_id;
	int64_t job_id;
	IntakeSlice method;
	IntakeSlice scheme;
	IntakeSlice host;
	int port;
	IntakeSlice target;
	IntakeSlice lines;
	IntakeSlice body;
	int64_t milliseconds;
	int64_t most;
} CourierRequest;

extern CourierCall *courier_call_make(const CourierRequest *request, double now);
extern const char *courier_call_problem(const CourierCall *call);
extern void courier_call_fail(CourierCall *call, const char *word, const char *detail);
extern void courier_call_count(CourierCall *call);
extern bool courier_call_may_exceed(CourierCall *call);
extern void courier_call_free(CourierCall *call);

#endif
