/*
 * unpack.h
 *		Content-Encoding: gzip and deflate, by zlib. Pure.
 */
#ifndef INTAKE_UNPACK_H
#define INTAKE_UNPACK_H

#include "common/slice.h"

extern const char *intake_unpack(IntakeSlice coding, IntakeSlice packed, size_t most,
								 IntakeSlice *plain);

#endif
