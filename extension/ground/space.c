/*
 * space.c
 *		Room at the end of a table that only grows.
 *
 * PostgreSQL before 16 makes a table longer page by page, and writes each empty page to the
 * file, which with rows of a kilobyte was a fifth of the time of storing them. Here the file
 * system reserves the place of many pages at once, and the pages begin their life in the
 * buffer pool, known to the free space map. After a crash those that were not used are empty
 * pages, which VACUUM finds.
 *
 * Rows that nobody wants again soon pass the buffer pool in a ring of 16 MB, so that the pool is
 * left to what is: the indexes above all. What leaves the ring is written page behind page, which
 * is what backend_flush_after needs to be cheap; intake.receive sets that. The kernel's cache is
 * left to others too: what is 128 MB behind and on the disk leaves it, and the log goes on in the
 * memory that this frees, not in all that the machine has, which is slower to come by.
 */
#include "postgres.h"

#include <fcntl.h>

#include "common/relpath.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/fd.h"
#include "storage/freespace.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

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

#if PG_VERSION_NUM < 160000

#define MOST_PAGES 64  /* a process may hold 200 locks of that kind */
#define SPARE_PAGES 32 /* for the rows that two or three processes insert at a time */

#define FORGET_AT_ONCE 64 /* pages */
#define KEPT_BEHIND                                                                                \
	(128 * (1024 * 1024 / BLCKSZ)) /* pages, for workflows that are not far behind */

/*
 * Opens the file of RELATION that has BLOCK, and sets *OFFSET to its place there. Returns less
 * than 0 when that is not possible. Closed by CloseTransientFile.
 */
static int
open_segment(Relation relation, BlockNumber block, off_t *offset)
{
	char *path = relpathbackend(relation->rd_node, relation->rd_backend, MAIN_FORKNUM);
	BlockNumber segment = block / RELSEG_SIZE;

	*offset = (off_t) (block % RELSEG_SIZE) * BLCKSZ;
	if (segment > 0)
		path = psprintf("%s.%u", path, segment);
	return OpenTransientFile(path, O_RDWR | PG_BINARY);
}

/* Reserves COUNT blocks from START on in the file; false when the file system cannot. */
static bool
reserve(Relation relation, BlockNumber start, int count)
{
	off_t offset;
	int fd = open_segment(relation, start, &offset);
	int failed;

	if (fd < 0)
		return false;
	failed = posix_fallocate(fd, offset, (off_t) count * BLCKSZ);
	CloseTransientFile(fd);
	return failed == 0;
}

/*
 * Makes a table longer where this process has come near its end. When that is not
 * possible, nothing happens: the next row makes it longer, or says why not.
 *
 * The new pages are locked before others can see that the table is longer: whoever tries the
 * last page of it, as PostgreSQL does, waits until that is made.
 */
void
intake_space_reserve(Relation relation, BufferAccessStrategy ring)
{
	BlockNumber target = RelationGetTargetBlock(relation);
	Buffer buffers[MOST_PAGES];
	BlockNumber start;
	bool reserved;
	int count;

	if (target == InvalidBlockNumber ||
		target + SPARE_PAGES < RelationGetNumberOfBlocks(relation) ||
		!ConditionalLockRelationForExtension(relation, ExclusiveLock))
		return;
	start = RelationGetNumberOfBlocks(relation);
	/* A few tables may do this at a time, and a small pool has other users. */
	count = Min(MOST_PAGES, NBuffers / 64);
	/* The first page of a segment is left to PostgreSQL, which makes the file. */
	count = start % RELSEG_SIZE == 0 ? 0 : Min(count, RELSEG_SIZE - start % RELSEG_SIZE);
	for (int i = 0; i < count; i++)
		buffers[i] = ReadBufferExtended(relation, MAIN_FORKNUM, start + i, RBM_ZERO_AND_LOCK, ring);
	reserved = count > 0 && reserve(relation, start, count);
	for (int i = 0; i < count; i++)
	{
		if (reserved)
		{
			PageInit(BufferGetPage(buffers[i]), BufferGetPageSize(buffers[i]), 0);
			MarkBufferDirty(buffers[i]);
		}
		UnlockReleaseBuffer(buffers[i]);
	}
	for (int i = 0; reserved && i < count; i++)
		RecordPageWithFreeSpace(relation, start + i, BLCKSZ - SizeOfPageHeaderData);
	if (reserved)
		FreeSpaceMapVacuumRange(relation, start, start + count);
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
	fd = open_segment(relation, part * FORGET_AT_ONCE - KEPT_BEHIND, &offset);
	if (fd < 0)
		return;
	(void) posix_fadvise(fd, offset, FORGET_AT_ONCE * BLCKSZ, POSIX_FADV_DONTNEED);
	CloseTransientFile(fd);
}

#else

/* PostgreSQL reserves space itself. */
void
intake_space_reserve(Relation relation, BufferAccessStrategy ring)
{
}

void
intake_space_forget(Relation relation, BlockNumber block)
{
}

#endif
