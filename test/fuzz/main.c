/*
 * main.c
 *		Entry of libFuzzer: every input in memory of its own, so that reading beyond it shows.
 */
#include "fuzz.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + (size == 0));

	if (size > 0)
		memcpy(copy, data, size);
	fuzz((IntakeSlice){copy, size});
	intake_memory_reset();
	free(copy);
	return 0;
}
