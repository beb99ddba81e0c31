/*
 * buffer.h
 *		Bytes that grow.
 */
#ifndef INTAKE_PROGRAM_BUFFER_H
#define INTAKE_PROGRAM_BUFFER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct IntakeBuffer
{
	char *data;
	size_t length;
	size_t room;
} IntakeBuffer;

#define INTAKE_BUFFER_STEP ((size_t) 1 << 20) /* bytes by which one grows at most, unasked */

/* The room that a buffer will have when it has taken MORE bytes. */
static inline size_t
intake_buffer_room(const IntakeBuffer *buffer, size_t more)
{
	size_t needed = buffer->length + more;
	size_t room = buffer->room;

	if (needed <= room)
		return room;
	room += room < INTAKE_BUFFER_STEP ? room : INTAKE_BUFFER_STEP;
	return needed > room ? needed : room;
}

/* Gives a buffer more room. Ends the program when there is no memory. */
static inline void
intake_buffer_grow(IntakeBuffer *buffer, size_t room)
{
	buffer->data = realloc(buffer->data, room);
	if (buffer->data == NULL)
		abort();
	buffer->room = room;
}

/* Makes room for MORE bytes. */
static inline char *
intake_buffer_reserve(IntakeBuffer *buffer, size_t more)
{
	size_t room = intake_buffer_room(buffer, more);

	if (room > buffer->room)
		intake_buffer_grow(buffer, room);
	return buffer->data + buffer->length;
}

static inline void
intake_buffer_append(IntakeBuffer *buffer, const void *data, size_t length)
{
	if (length == 0)
		return;
	memcpy(intake_buffer_reserve(buffer, length), data, length);
	buffer->length += length;
}

/* Appends a number of 32 bits in network order. */
static inline void
intake_buffer_append_int32(IntakeBuffer *buffer, int32_t number)
{
	uint32_t n = (uint32_t) number;
	unsigned char bytes[4] = {n >> 24 & 255, n >> 16 & 255, n >> 8 & 255, n & 255};

	intake_buffer_append(buffer, bytes, 4);
}

static inline void
intake_buffer_free(IntakeBuffer *buffer)
{
	free(buffer->data);
	memset(buffer, 0, sizeof(*buffer));
}

#endif
