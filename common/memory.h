/*
 * memory.h
 *		Allocation for files that are pure: the server's palloc in the extension, and in
 *		programs of their own (INTAKE_STANDALONE) malloc, with one call that frees everything.
 */
#ifndef INTAKE_MEMORY_H
#define INTAKE_MEMORY_H

#ifndef INTAKE_STANDALONE
#include "postgres.h"
#else
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern void *intake_memory_alloc(size_t size);
extern void *intake_memory_realloc(void *memory, size_t size);
extern void intake_memory_free(void *memory);
extern char *intake_memory_strdup(const char *text);
extern void intake_memory_reset(void);

#define palloc(size) intake_memory_alloc(size)
#define palloc0(size) intake_memory_alloc(size) /* all of it is zeroed */
#define repalloc(memory, size) intake_memory_realloc(memory, size)
#define pstrdup(text) intake_memory_strdup(text)
#define pfree(memory) intake_memory_free(memory)
#endif

#endif
