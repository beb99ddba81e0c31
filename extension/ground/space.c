/*
 * space.c
 *		Room at the end of a table that only grows.
 *
 * Left to itself, PostgreSQL extends a table by the pages that one insert needs. Before version 16
 * it also writes each page while it is empty, which was a fifth of the time of storing rows of a
 * kilobyte. Here the file system reserves many pages at once, and they begin as empty pages in the
 * buffer pool, entered into the free space map. VACUUM finds those that a crash has left unused.
 *
 * Rows that are not read again soon are written through a ring of 16 MB, so that their pages do not
 * evict others, above all those of the indexes. Pages leave the ring in order, which makes
 * backend_flush_after cheap; intake.receive sets it. The kernel's cache is spared as well: what is
 * 128 MB behind the end of the table, and on the disk, is dropped from it. The log then reuses that
 * memory instead of taking ever more of the machine's, which is slower.
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
 * Extends a table when this process inserts near its end. If that is not possible, nothing happens:
 * inserting the next row extends it, or raises the error.
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
	/* Several tables may be extended at once, and a small buffer pool has other users. */
	count = intake_compat_extend(relation, end, Min(MOST_PAGES, NBuffers / 64), ring);
	for (int i = 0; i < count; i++)
		RecordPageWithFreeSpace(relation, end + i, BLCKSZ - SizeOfPageHeaderData);
	if (count > 0)
		FreeSpaceMapVacuumRange(relation, end, end + count);
	UnlockRelationForExtension(relation, ExclusiveLock);
}

/*
 * Tells the kernel, once for FORGET_AT_ONCE pages, to drop from its cache what lies KEPT_BEHIND
 * before BLOCK, in a table that grows. What is not on the disk yet stays in the cache.
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
