/*
 * request.h
 *		One HTTP request on its way through the daemon.
 *
 *		server		makes it, fills it in, and submits it to the batch queue
 *		batch		holds it while a call of its thread is under way
 *		database	sets the answers of a batch and calls done, and never touches it again
 *		server		sends the answer and frees it
 */
#ifndef SHIM_REQUEST_H
#define SHIM_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "common/program/buffer.h"

/* A call of more bytes than this has one request; and a body of more goes in pieces. */
#define SHIM_CALL_BYTES ((size_t) 1 << 20)
#define SHIM_PIECE_BYTES (SHIM_CALL_BYTES / 2)

typedef struct ShimRequest
{
	struct ShimRequest *next; /* in the queue or the batch */
	bool probe;               /* asks only whether the database answers */
	char *target;             /* the request line's target */
	const char *method;       /* belongs to the HTTP library */
	bool callback;            /* its source is the token of a callback */
	const char *source;       /* within target, source_length bytes */
	size_t source_length;
	const char *query; /* within target, or "" */
	IntakeBuffer headers;
	IntakeBuffer body;
	char peer[64];       /* the sender's address, or "" */
	double submitted_at; /* seconds, monotonic */
	size_t held;         /* bytes of the budget, for all of this */

	int status;           /* of the answer */
	char *content_type;   /* or NULL; malloc'ed, as are the next two */
	char *answer_headers; /* "Name: value\r\n" lines, or NULL */
	char *answer;         /* or NULL */
	size_t answer_length;

	void (*done)(struct ShimRequest *batch); /* gets a list of answered requests */
} ShimRequest;

#endif
