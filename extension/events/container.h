/*
 * container.h
 *		Writing the containers of a jsonb, arrays and objects, one in the other.
 */
#ifndef INTAKE_CONTAINER_H
#define INTAKE_CONTAINER_H

#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/memutils.h"

/* What is written so far. */
typedef struct IntakeContainers
{
	char *bytes;
	uint32 length;
	uint32 room;
	bool full; /* it is more than a jsonb can be */
} IntakeContainers;

/* The entries of a container that is being written: what each of its elements is. */
typedef struct IntakeEntries
{
	uint32 base; /* where the container starts, padding included */
	uint32 at;   /* where the entries are */
	uint32 count;
	uint64 total; /* bytes of the elements */
} IntakeEntries;

/* Room for BYTES more. */
static inline char *
intake_container_reserve(IntakeContainers *c, size_t bytes)
{
	if (bytes > c->room - c->length)
	{
		c->room = Max(c->room + c->room / 2, c->length + bytes);
		c->bytes = repalloc_huge(c->bytes, c->room);
	}
	c->length += bytes;
	return c->bytes + c->length - bytes;
}

extern int intake_container_pad(IntakeContainers *c);
extern IntakeEntries intake_container_begin(IntakeContainers *c, uint32 header, uint32 count);
extern void intake_container_put(IntakeContainers *c, IntakeEntries *entries, JEntry entry);
extern JEntry intake_container_end(IntakeContainers *c, const IntakeEntries *entries);

#endif
