/*
 * buffer.h
 *		Bytes that grow.
 */
#ifndef SHIM_BUFFER_H
#define SHIM_BUFFER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct ShimBuffer
{
	char *data;
	size_t length;
	size_t room;
} ShimBuffer;

#define SHIM_BUFFER_STEP ((size_t) 1 << 20) /* bytes by which one grows at most, unasked */

/* The room that a buffer will have when it has taken MORE bytes. */
static inline size_t
shim_buffer_room(const ShimBuffer *buffer, size_t more)
{
	size_t needed = buffer->length + more;
	size_t room = buffer->room;

	if (needed <= room)
		return room;
	room += room < SHIM_BUFFER_STEP ? room : SHIM_BUFFER_STEP;
	return needed > room ? needed : room;
}

/* Gives a buffer more room. Ends the program when there is no memory. */
static inline void
shim_buffer_grow(ShimBuffer *buffer, size_t room)
{
	buffer->data = realloc(buffer->data, room);
	if (buffer->data == NULL)
		abort();
	buffer->room = room;
}

/* Makes room for MORE bytes. */
static inline char *
shim_buffer_reserve(ShimBuffer *buffer, size_t more)
{
	size_t room = shim_buffer_room(buffer, more);

	if (room > buffer->room)
		shim_buffer_grow(buffer, room);
	return buffer->data + buffer->length;
}

static inline void
shim_buffer_append(ShimBuffer *buffer, const void *data, size_t length)
{
	if (length == 0)
		return;
	memcpy(shim_buffer_reserve(buffer, length), data, length);
	buffer->length += length;
}

/* Appends a number of 32 bits in network order. */
static inline void
shim_buffer_append_int32(ShimBuffer *buffer, int32_t number)
{
	uint32_t n = (uint32_t) number;
	unsigned char bytes[4] = {n >> 24 & 255, n >> 16 & 255, n >> 8 & 255, n & 255};

	shim_buffer_append(buffer, bytes, 4);
}

static inline void
shim_buffer_free(ShimBuffer *buffer)
{
	free(buffer->data);
	memset(buffer, 0, sizeof(*buffer));
}

#endif
