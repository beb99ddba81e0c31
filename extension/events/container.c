/*
 * container.c
 *		Writing the containers of a jsonb, arrays and objects, one in the other.
 *
 * A container has a header, an entry for each of its elements (an object: for each name, then for each
 * value), and behind them the elements, in the same order. An entry tells what its element is, and how
 * long; each 32nd one where it ends, instead.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "events/container.h"

/* Zeros up to where a number may stand; returns how many. */
int
intake_container_pad(IntakeContainers *c)
{
	int bytes = INTALIGN(c->length) - c->length;

	if (bytes > 0)
		memset(intake_container_reserve(c, bytes), 0, bytes);
	return bytes;
}

/* Begins a container. */
IntakeEntries
intake_container_begin(IntakeContainers *c, uint32 header, uint32 count)
{
	IntakeEntries entries = {.base = c->length};

	(void) intake_container_pad(c);
	memcpy(intake_container_reserve(c, sizeof(uint32)), &header, sizeof(uint32));
	entries.at = c->length;
	memset(intake_container_reserve(c, (size_t) count * sizeof(JEntry)), 0,
		   (size_t) count * sizeof(JEntry));
	return entries;
}

/* Says what the element is that was written last. */
void
intake_container_put(IntakeContainers *c, IntakeEntries *entries, JEntry entry)
{
	entries->total += JBE_OFFLENFLD(entry);
	if (entries->total > JENTRY_OFFLENMASK)
	{
		c->full = true;
		return;
	}
	if (entries->count % JB_OFFSET_STRIDE == 0)
		entry = (entry & JENTRY_TYPEMASK) | entries->total | JENTRY_HAS_OFF;
	memcpy(c->bytes + entries->at + entries->count * sizeof(JEntry), &entry, sizeof(JEntry));
	entries->count++;
}

/* Ends a container: what it is in the one around it. */
JEntry
intake_container_end(IntakeContainers *c, const IntakeEntries *entries)
{
	uint32 length = c->length - entries->base;

	if (length > JENTRY_OFFLENMASK)
		c->full = true;
	return JENTRY_ISCONTAINER | (length & JENTRY_OFFLENMASK);
}
