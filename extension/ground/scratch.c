/*
 * scratch.c
 *		Memory for a while, in memory contexts. They live as long as the process, because to reset
 *		one that is empty costs next to nothing.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "common/scratch.h"

#define MOST_LEVELS 5
#define FIRST_BLOCK (32 * 1024)

static MemoryContext levels[MOST_LEVELS];
static MemoryContext outer[MOST_LEVELS];
static int depth = 0;

/* Gives back what an error has left behind. To be called before a request is judged. */
void
intake_scratch_restart(void)
{
	while (depth > 0)
		MemoryContextReset(levels[--depth]);
}

/* Makes a new scratch the current context; returns what intake_scratch_end takes. */
int
intake_scratch_begin(void)
{
	if (depth == MOST_LEVELS)
		elog(ERROR, "too many scratch contexts");
	if (levels[depth] == NULL)
		levels[depth] = AllocSetContextCreate(TopMemoryContext, "pg_intake request", 0, FIRST_BLOCK,
											  ALLOCSET_DEFAULT_MAXSIZE);
	outer[depth] = MemoryContextSwitchTo(levels[depth]);
	return depth++;
}

/* Goes back to the context before, and gives back what was allocated since. */
void
intake_scratch_end(int level)
{
	MemoryContextSwitchTo(outer[level]);
	while (depth > level)
		MemoryContextReset(levels[--depth]);
}
