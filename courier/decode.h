/*
 * decode.h
 *		Bodies that came compressed.
 */
#ifndef COURIER_DECODE_H
#define COURIER_DECODE_H

#include <stdbool.h>

#include "common/slice.h"

typedef struct CourierDecoder CourierDecoder;

typedef enum
{
	DECODE_DONE,  /* all that came is decoded */
	DECODE_MORE,  /* there is more to come of what was given: OUT is full */
	DECODE_BROKEN /* it is not in the encoding */
} CourierDecodeResult;

extern bool courier_decode_knows(IntakeSlice encoding, bool *identity);
extern CourierDecoder *courier_decode_begin(void);
extern CourierDecodeResult courier_decode(CourierDecoder *decoder, IntakeSlice *in, char *out,
										  size_t size, size_t *length);
extern bool courier_decode_is_whole(const CourierDecoder *decoder);
extern void courier_decode_end(CourierDecoder *decoder);

#endif
