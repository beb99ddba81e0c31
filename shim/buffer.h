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

/* Makes room for MORE bytes. Ends the program when there is no memory. */
static inline char *
shim_buffer_reserve(ShimBuffer *buffer, size_t more)
{
	if (buffer->length + more > buffer->room)
	{
		buffer->room = (buffer->length + more) * 2;
		if (buffer->room < 256)
			buffer->room = 256;
		buffer->data = realloc(buffer->data, buffer->room);
		if (buffer->data == NULL)
			abort();
	}
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
