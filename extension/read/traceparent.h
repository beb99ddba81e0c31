/*
 * traceparent.h
 *		The header by which systems tell each other which trace a request belongs to. Pure.
 */
#ifndef INTAKE_TRACEPARENT_H
#define INTAKE_TRACEPARENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"

#define INTAKE_TRACEPARENT_SIZE 56 /* with the terminating null */

extern bool intake_traceparent_is(IntakeSlice text);
extern void intake_traceparent_next(IntakeSlice text, uint64_t span, char *out);

#endif
