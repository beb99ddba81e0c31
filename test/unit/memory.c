/*
 * memory.c
 *		Allocation for pure files outside of a server: each piece is malloc'ed by itself, so
 *		that a sanitizer sees its bounds. All are freed together, or those of a scratch; how much
 *		is held at once is counted.
 */
#include "common/memory.h"

#include "common/scratch.h"
#include "measure.h"

#define MOST_LEVELS 5

typedef struct Piece
{
	struct Piece *next;
	struct Piece *previous;
	size_t size;
	char data[] __attribute__((aligned(16)));
} Piece;

static Piece *pieces[MOST_LEVELS + 1]; /* of each scratch; before them, of none */
static int depth;
static size_t held;

size_t memory_peak;

void *
intake_memory_alloc(size_t size)
{
	Piece *piece = calloc(1, sizeof(Piece) + size);

	if (piece == NULL)
		abort();
	piece->next = pieces[depth];
	piece->size = size;
	if (piece->next != NULL)
		piece->next->previous = piece;
	pieces[depth] = piece;
	held += size;
	memory_peak = held > memory_peak ? held : memory_peak;
	return piece->data;
}

static Piece *
piece_of(void *memory)
{
	return (Piece *) ((char *) memory - sizeof(Piece));
}

void
intake_memory_free(void *memory)
{
	Piece *piece = piece_of(memory);

	for (int i = 0; i <= depth && piece->previous == NULL; i++)
		if (pieces[i] == piece)
			pieces[i] = piece->next;
	if (piece->previous != NULL)
		piece->previous->next = piece->next;
	if (piece->next != NULL)
		piece->next->previous = piece->previous;
	held -= piece->size;
	free(piece);
}

void *
intake_memory_realloc(void *memory, size_t size)
{
	size_t old = piece_of(memory)->size;
	void *out = intake_memory_alloc(size);

	memcpy(out, memory, old < size ? old : size);
	intake_memory_free(memory);
	return out;
}

char *
intake_memory_strdup(const char *text)
{
	char *out = intake_memory_alloc(strlen(text) + 1);

	return strcpy(out, text);
}

int
intake_scratch_begin(void)
{
	if (depth == MOST_LEVELS)
		abort();
	return depth++;
}

void
intake_scratch_end(int level)
{
	while (depth > level)
	{
		while (pieces[depth] != NULL)
			intake_memory_free(pieces[depth]->data);
		depth--;
	}
}

void
intake_scratch_restart(void)
{
	intake_scratch_end(0);
}

void
intake_memory_reset(void)
{
	intake_scratch_restart();
	while (pieces[0] != NULL)
		intake_memory_free(pieces[0]->data);
}
