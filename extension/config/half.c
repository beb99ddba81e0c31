/*
 * half.c
 *		A part of the configuration that is read as a whole.
 *
 * A change of any piece makes it stale when it has committed, and the next look reads it again. A
 * commit sends that after it has woken the workers, so there is a counter in shared memory as well,
 * which grows before that.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "config/half.h"
#include "ground/intake.h"
#include "ground/owner.h"
#include "ground/piece.h"
#include "ground/shmem.h"

static IntakeHalf *halves = NULL; /* those that have been read */

/* A piece of the configuration changed. */
static void
forget(int32 id)
{
	for (IntakeHalf *half = halves; half != NULL; half = half->next)
		half->stale = true;
}

static void
watch(void)
{
	for (int kind = 0; kind < INTAKE_PIECE_KINDS; kind++)
		intake_piece_watch(kind, forget);
}

static void
make_context(IntakeHalf *half)
{
	half->context =
		AllocSetContextCreate(TopMemoryContext, "pg_intake configuration", ALLOCSET_DEFAULT_SIZES);
	half->next = halves;
	halves = half;
}

static void
read_half(IntakeHalf *half)
{
	IntakeOwner saved;
	MemoryContext old = CurrentMemoryContext;

	if (half->context == NULL)
		make_context(half);
	MemoryContextReset(half->context);
	half->stale = true;
	half->config = intake_shmem_config();
	half->version++;

	watch();
	intake_owner_begin(&saved);
	SPI_connect();
	PushActiveSnapshot(GetLatestSnapshot());
	half->stale = false; /* before reading: a change while we read makes it stale */
	PG_TRY();
	{
		half->reader(half->context);
	}
	PG_CATCH();
	{
		half->stale = true;
		PG_RE_THROW();
	}
	PG_END_TRY();
	PopActiveSnapshot();
	SPI_finish();
	intake_owner_end(&saved);
	MemoryContextSwitchTo(old);
}

/* Reads it again if it changed. The caller is in a transaction. */
void
intake_half_refresh(IntakeHalf *half)
{
	if (half->context == NULL || half->stale || half->config != intake_shmem_config())
		read_half(half);
}
