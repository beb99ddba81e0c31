/*
 * compat.c
 *		What PostgreSQL 15, 16, 17 and 18 do not have in common, where it takes more than a line.
 */
#include "postgres.h"

#include <fcntl.h>

#include "common/relpath.h"
#include "storage/bufmgr.h"
#include "storage/fd.h"

#include "ground/compat.h"

/* The path of the first file of RELATION. */
static const char *
path_of(Relation relation)
{
#if PG_VERSION_NUM >= 180000
	return pstrdup(relpathbackend(relation->rd_locator, relation->rd_backend, MAIN_FORKNUM).str);
#elif PG_VERSION_NUM >= 160000
	return relpathbackend(relation->rd_locator, relation->rd_backend, MAIN_FORKNUM);
#else
	return relpathbackend(relation->rd_node, relation->rd_backend, MAIN_FORKNUM);
#endif
}

/*
 * Opens the file of RELATION that has BLOCK, and sets *OFFSET to its place there. Returns less
 * than 0 when that is not possible. Closed by CloseTransientFile.
 */
int
intake_compat_open(Relation relation, BlockNumber block, off_t *offset)
{
	const char *path = path_of(relation);
	BlockNumber segment = block / RELSEG_SIZE;

	*offset = (off_t) (block % RELSEG_SIZE) * BLCKSZ;
	if (segment > 0)
		path = psprintf("%s.%u", path, segment);
	return OpenTransientFile(path, O_RDWR | PG_BINARY);
}

#if PG_VERSION_NUM >= 160000

/*
 * Adds up to COUNT pages to RELATION, which ends before the block END, and returns how many. The
 * pages pass the buffer pool through RING. The caller holds the lock for extension.
 */
int
intake_compat_extend(Relation relation, BlockNumber end, int count, BufferAccessStrategy ring)
{
	Buffer *buffers = palloc(count * sizeof(Buffer));
	uint32 added;

	if (count == 0)
		return 0;
	(void) ExtendBufferedRelBy(BMR_REL(relation), MAIN_FORKNUM, ring, EB_SKIP_EXTENSION_LOCK, count,
							   buffers, &added);
	for (int i = 0; i < added; i++)
		ReleaseBuffer(buffers[i]);
	pfree(buffers);
	return added;
}

#else

/* Reserves COUNT blocks from START on in the file; false when the file system cannot. */
static bool
reserve(Relation relation, BlockNumber start, int count)
{
	off_t offset;
	int fd = intake_compat_open(relation, start, &offset);
	int failed;

	if (fd < 0)
		return false;
	failed = posix_fallocate(fd, offset, (off_t) count * BLCKSZ);
	CloseTransientFile(fd);
	return failed == 0;
}

/*
 * Likewise. The new pages are locked before others can see that the table is longer: whoever tries
 * the last page of it, as PostgreSQL does, waits until that is made.
 */
int
intake_compat_extend(Relation relation, BlockNumber end, int count, BufferAccessStrategy ring)
{
	Buffer *buffers = palloc(count * sizeof(Buffer));
	bool reserved;

	/* The first page of a segment is left to PostgreSQL, which makes the file. */
	count = end % RELSEG_SIZE == 0 ? 0 : Min(count, RELSEG_SIZE - end % RELSEG_SIZE);
	for (int i = 0; i < count; i++)
		buffers[i] = ReadBufferExtended(relation, MAIN_FORKNUM, end + i, RBM_ZERO_AND_LOCK, ring);
	reserved = count > 0 && reserve(relation, end, count);
	for (int i = 0; i < count; i++)
	{
		if (reserved)
		{
			PageInit(BufferGetPage(buffers[i]), BufferGetPageSize(buffers[i]), 0);
			MarkBufferDirty(buffers[i]);
		}
		UnlockReleaseBuffer(buffers[i]);
	}
	pfree(buffers);
	return reserved ? count : 0;
}

#endif
