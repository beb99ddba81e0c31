/*
 * answer.h
 *		What comes back from a host: headers and body, bounded.
 */
#ifndef COURIER_ANSWER_H
#define COURIER_ANSWER_H

#include <curl/curl.h>

#include "call.h"
#include "decode.h"

/* A call while it is under way. */
struct CourierTransfer
{
	CourierTransfer *next; /* in the list of those that wait for room */
	CURL *easy;
	CourierCall *call;
	struct curl_slist *lines; /* headers of the request */

	/* Where it goes. */
	const char *refused; /* why an address was; NULL: none was */
	bool opened;         /* a socket, to some address */

	/* The answer. */
	bool final;        /* it is none of the 1xx that may come before */
	bool in_head;      /* what comes behind the body is not kept */
	bool foldable;     /* the last line of the head was kept: one that goes on with it is, too */
	size_t head_bytes; /* of all heads and trailers */
	int head_lines;
	CourierDecoder *decoder;
	size_t decoded;     /* bytes of the piece that comes again, when there was no room */
	bool waits;         /* for room */
	const char *fault;  /* what ends it: a word; NULL: nothing */
	const char *detail; /* or NULL */
	char error[CURL_ERROR_SIZE];
};

extern size_t courier_answer_take_header(char *data, size_t size, size_t count, void *transfer);
extern size_t courier_answer_take_body(char *data, size_t size, size_t count, void *transfer);
extern bool courier_answer_is_whole(const CourierTransfer *transfer);
extern void courier_answer_end(CourierTransfer *transfer);
extern void courier_answer_resume(void);

#endif
