/*
 * memory.h
 *		Allocation for files that are pure: the server's palloc in the extension, malloc with
 *		the same promises in programs of their own (INTAKE_STANDALONE).
 */
#ifndef INTAKE_MEMORY_H
#define INTAKE_MEMORY_H

#ifndef INTAKE_STANDALONE
#include "postgres.h"
#else
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void *
intake_memory_check(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

#define palloc(size) intake_memory_check(malloc((size) + 1))
#define palloc0(size) intake_memory_check(calloc(1, (size) + 1))
#define repalloc(memory, size) intake_memory_check(realloc(memory, (size) + 1))
#define pstrdup(text) ((char *) intake_memory_check(strdup(text)))
#define pfree(memory) free(memory)
#endif

#endif
