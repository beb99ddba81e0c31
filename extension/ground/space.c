/*
 * space.c
 *		Room at the end of a table that only grows.
 *
 * Here the file system reserves the place of many pages at once, and the pages begin their life
 * in the buffer pool, known to the free space map. After a crash those that were not used are
 * empty pages, which VACUUM finds. Left to itself, PostgreSQL makes a table longer by the pages
 * that one insert needs; before 16 it also writes each of them while it is empty, which with rows
 * of a kilobyte was a fifth of the time of storing them.
 *
 * Rows that nobody wants again soon pass the buffer pool in a ring of 16 MB, so that the pool is
 * left to what is: the indexes above all. What leaves the ring is written page behind page, which
 * is what backend_flush_after needs to be cheap; intake.receive sets that. The kernel's cache is
 * left to others too: what is 128 MB behind and on the disk leaves it, and the log goes on in the
 * memory that this frees, not in all that the machine has, which is slower to come by.
 */
#include "postgres.h"

#include <fcntl.h>

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/fd.h"
#include "storage/freespace.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "ground/compat.h"
#include "ground/space.h"

/* The ring of this process. */
BufferAccessStrategy
intake_space_ring(void)
{
	static BufferAccessStrategy ring = NULL;

	if (ring == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		ring = GetAccessStrategy(BAS_BULKWRITE);
		MemoryContextSwitchTo(old);
	}
	return ring;
}

#define MOST_PAGES 64  /* a process may hold 200 locks of pages */
#define SPARE_PAGES 32 /* for the rows that two or three processes insert at a time */

#define FORGET_AT_ONCE 64 /* pages */
#define KEPT_BEHIND                                                                                \
	(128 * (1024 * 1024 / BLCKSZ)) /* pages, for workflows that are not far behind */

/*
 * Makes a table longer where this process has come near its end. When that is not
 * possible, nothing happens: the next row makes it longer, or says why not.
 */
void
intake_space_reserve(Relation relation, BufferAccessStrategy ring)
{
	BlockNumber target = RelationGetTargetBlock(relation);
	BlockNumber end;
	int count;

	if (target == InvalidBlockNumber ||
		target + SPARE_PAGES < RelationGetNumberOfBlocks(relation) ||
		!ConditionalLockRelationForExtension(relation, ExclusiveLock))
		return;
	end = RelationGetNumberOfBlocks(relation);
	/* A few tables may do this at a time, and a small pool has other users. */
	count = intake_compat_extend(relation, end, Min(MOST_PAGES, NBuffers / 64), ring);
	for (int i = 0; i < count; i++)
		RecordPageWithFreeSpace(relation, end + i, BLCKSZ - SizeOfPageHeaderData);
	if (count > 0)
		FreeSpaceMapVacuumRange(relation, end, end + count);
	UnlockRelationForExtension(relation, ExclusiveLock);
}

/*
 * Tells the kernel, once for so many pages, that nobody soon wants what lies behind BLOCK of a
 * table that grows. What is not written yet stays in its cache.
 */
void
intake_space_forget(Relation relation, BlockNumber block)
{
	static Oid last_relation = InvalidOid;
	static BlockNumber last_part = 0;
	BlockNumber part = block / FORGET_AT_ONCE;
	off_t offset;
	int fd;

	if (part == last_part && RelationGetRelid(relation) == last_relation)
		return;
	last_part = part;
	last_relation = RelationGetRelid(relation);
	if (block < KEPT_BEHIND)
		return;
	fd = intake_compat_open(relation, part * FORGET_AT_ONCE - KEPT_BEHIND, &offset);
	if (fd < 0)
		return;
	(void) posix_fadvise(fd, offset, FORGET_AT_ONCE * BLCKSZ, POSIX_FADV_DONTNEED);
	CloseTransientFile(fd);
}
