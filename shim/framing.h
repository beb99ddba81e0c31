/*
 * framing.h
 *		Where a request of HTTP/1.1 begins and ends, read strictly.
 */
#ifndef SHIM_FRAMING_H
#define SHIM_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHIM_MAX_HEAD (22 * 1024) /* bytes of a request's head, with those of its records */
#define SHIM_HIDDEN '\001'        /* stands for a question mark of the target */

/* What the bytes of a connection were so far. Starts as zeros. */
typedef struct ShimFraming
{
	int state;
	int status;        /* of the answer to what is no request; 0 so far */
	uint64_t requests; /* that were complete */

	/* Of the request that is coming in. */
	bool old;        /* it is of HTTP/1.0 */
	bool has_length; /* it has a Content-Length */
	bool chunked;    /* it has a Transfer-Encoding */
	bool in_trailer; /* its fields are behind its body */
	int empty_lines; /* before it */
	int hosts;
	int parameters; /* of its query */
	int field;      /* of which kind the field is */
	size_t records; /* that the library makes of its fields */
	size_t size;    /* of its head, and of its trailer */
	size_t count;   /* bytes of the element that is being read */
	uint64_t rest;  /* of its body, or of a chunk of it */
	char part;      /* of a chunk's extensions */
	char word[20];  /* the element, as far as it is of interest */
} ShimFraming;

extern void shim_framing_init(void);
extern size_t shim_framing_read(ShimFraming *framing, char *data, size_t length);
extern bool shim_framing_begun(const ShimFraming *framing);

#endif
