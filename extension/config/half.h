/*
 * half.h
 *		A part of the configuration that is read as a whole, and again after a change committed.
 */
#ifndef INTAKE_HALF_H
#define INTAKE_HALF_H

#include "postgres.h"

typedef struct IntakeHalf
{
	void (*reader)(MemoryContext context); /* the caller is connected to SPI, as the owner */
	MemoryContext context;                 /* NULL: not read yet */
	bool stale;
	uint64 config;  /* intake_shmem_config() before it was read */
	uint64 version; /* grows whenever it is read */
	struct IntakeHalf *next;
} IntakeHalf;

extern void intake_half_refresh(IntakeHalf *half);

#endif
