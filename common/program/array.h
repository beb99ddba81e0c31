/*
 * array.h
 *		Arrays as PostgreSQL reads them in its binary format.
 */
#ifndef INTAKE_PROGRAM_ARRAY_H
#define INTAKE_PROGRAM_ARRAY_H

#include "common/program/buffer.h"

/* Types by their numbers, which are the same in every database. */
#define INTAKE_BYTEA 17
#define INTAKE_INT8 20
#define INTAKE_INT4 23
#define INTAKE_TEXT 25
#define INTAKE_BYTEA_ARRAY 1001
#define INTAKE_INT4_ARRAY 1007
#define INTAKE_TEXT_ARRAY 1009
#define INTAKE_INT8_ARRAY 1016

/* Begins an array of COUNT elements, some of which may be NULL. */
static inline void
intake_array_begin(IntakeBuffer *array, uint32_t type, int count)
{
	array->length = 0;
	intake_buffer_append_int32(array, count > 0 ? 1 : 0);
	intake_buffer_append_int32(array, 0);
	intake_buffer_append_int32(array, (int32_t) type);
	if (count == 0)
		return;
	intake_buffer_append_int32(array, count);
	intake_buffer_append_int32(array, 1);
}

static inline void
intake_array_append(IntakeBuffer *array, const char *data, size_t length)
{
	intake_buffer_append_int32(array, (int32_t) length);
	intake_buffer_append(array, data, length);
}

static inline void
intake_array_append_null(IntakeBuffer *array)
{
	intake_buffer_append_int32(array, -1);
}

static inline void
intake_array_append_int32(IntakeBuffer *array, int32_t number)
{
	intake_buffer_append_int32(array, 4);
	intake_buffer_append_int32(array, number);
}

static inline void
intake_array_append_int64(IntakeBuffer *array, int64_t number)
{
	intake_buffer_append_int32(array, 8);
	intake_buffer_append_int32(array, (int32_t) ((uint64_t) number >> 32));
	intake_buffer_append_int32(array, (int32_t) ((uint64_t) number & 0xffffffff));
}

#endif
