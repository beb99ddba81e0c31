/*
 * memory.c
 *		Allocation for pure files outside of a server: each piece is malloc'ed by itself, so
 *		that a sanitizer sees its bounds, and all are freed together.
 */
#include "memory.h"

typedef struct Piece
{
	struct Piece *next;
	size_t size;
	char data[] __attribute__((aligned(16)));
} Piece;

static Piece *pieces;

void *
intake_memory_alloc(size_t size)
{
	Piece *piece = calloc(1, sizeof(Piece) + size);

	if (piece == NULL)
		abort();
	piece->next = pieces;
	piece->size = size;
	pieces = piece;
	return piece->data;
}

void *
intake_memory_realloc(void *memory, size_t size)
{
	Piece *old = (Piece *) ((char *) memory - sizeof(Piece));
	void *out = intake_memory_alloc(size);

	memcpy(out, memory, old->size < size ? old->size : size);
	return out;
}

char *
intake_memory_strdup(const char *text)
{
	char *out = intake_memory_alloc(strlen(text) + 1);

	return strcpy(out, text);
}

void
intake_memory_reset(void)
{
	while (pieces != NULL)
	{
		Piece *next = pieces->next;

		free(pieces);
		pieces = next;
	}
}
