/*
 * spare.c
 *		A process that waits, connected to no database, to become an executor.
 *
 * Much of the time until a new process runs a job passes before it is connected, and in its first use
 * of memory. So the launcher keeps one that has that behind it, and gives it what an executor is to be
 * started with: from then on it is what another one would have been. The next spare is started when
 * nothing has been for a while. A spare has no slot, is not known to the server as a backend, and waits
 * without end. Where there is no place for a worker, it gives its own.
 */
#include "postgres.h"

#include <stdlib.h>
#ifdef __linux__
#include <link.h>
#endif

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/ps_status.h"

#include "ground/bgworker.h"
#include "ground/clock.h"
#include "ground/shmem.h"
#include "workers/spare.h"

#define LEISURE 200       /* milliseconds without a start until a spare is started */
#define FULL_FOR 1000     /* likewise, until one is tried again where there was no place */
#define FIRST_BACKOFF 100 /* likewise, until one is replaced that has ended by itself */
#define LAST_BACKOFF 60000
#define FIRST_HEAP (1024 * 1024) /* bytes that a first job takes, and a little more */
#define PAGE 4096

/* ---- for the launcher ---- */

static BackgroundWorkerHandle *spare = NULL; /* the one that was started, and not given yet */
static int64 next_start = 0;                 /* of a spare, not before; by intake_clock_ms */
static int backoff = 0;                      /* milliseconds; 0: the last one was of use */

/* No spare is started for so long. */
static void
put_off(int milliseconds)
{
	next_start = Max(next_start, intake_clock_ms() + milliseconds);
}

/* Something else is started, which is to have the processors for itself. */
void
intake_spare_put_off(void)
{
	put_off(LEISURE);
}

/* Forgets the spare if it has ended, by itself if it was not dismissed. */
static void
look_after(void)
{
	pid_t pid;

	if (spare == NULL || GetBackgroundWorkerPid(spare, &pid) != BGWH_STOPPED)
		return;
	pfree(spare);
	spare = NULL;
	if (intake_shmem->spare.dismissed)
		return;
	backoff = Min(Max(backoff * 2, FIRST_BACKOFF), LAST_BACKOFF);
	put_off(backoff);
}

/* Whether an earlier one is there: it has not seen yet that it was given a start, or dismissed. */
static bool
is_there(void)
{
	bool there;

	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	there = intake_shmem->spare.latch != NULL;
	LWLockRelease(intake_shmem->lock);
	return there;
}

/* Asks the server for a spare. */
static void
start_spare(void)
{
	IntakeStart start = {0};
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	start.serial = ++intake_shmem->spare.serial;
	intake_shmem->spare.dismissed = false;
	LWLockRelease(intake_shmem->lock);
	spare = intake_bgworker_start(INTAKE_EXECUTOR, &start);
	if (spare == NULL)
		put_off(FULL_FOR);
	MemoryContextSwitchTo(old);
}

/*
 * Sees to it that there is a spare. Returns how long to wait, in milliseconds. Where the server has no
 * place, nobody waits for one.
 */
long
intake_spare_keep(void)
{
	int64 now = intake_clock_ms();

	look_after();
	if (spare != NULL)
		return INTAKE_NO_WAIT;
	if (is_there())
		return LEISURE;
	if (now < next_start)
		return next_start - now;
	start_spare();
	return INTAKE_NO_WAIT;
}

/*
 * Sends the spare away, for another process to have its place; also one that another launcher has
 * started. Returns whether this one has.
 */
bool
intake_spare_dismiss(void)
{
	IntakeSpare *place = &intake_shmem->spare;

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	place->dismissed = true;
	/* One that has not come yet finds that it is too late. */
	place->serial++;
	if (place->latch != NULL)
		SetLatch(place->latch);
	LWLockRelease(intake_shmem->lock);
	put_off(FULL_FOR);
	return spare != NULL;
}

/* Gives the spare a start. Returns its process, or NULL: there is none. */
BackgroundWorkerHandle *
intake_spare_give(const IntakeStart *start)
{
	IntakeSpare *place = &intake_shmem->spare;
	BackgroundWorkerHandle *handle = NULL;

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	if (spare != NULL && place->latch != NULL && !place->dismissed)
	{
		place->start = *start;
		SetLatch(place->latch);
		handle = spare;
		spare = NULL;
		backoff = 0;
	}
	LWLockRelease(intake_shmem->lock);
	if (handle != NULL)
		elog(DEBUG1, "the spare becomes background worker process \"pg_intake executor\"");
	return handle;
}

/* ---- for the process itself ---- */

/* It is the spare no more, because it ends or has been given something. */
static void
withdraw(int code, Datum arg)
{
	IntakeSpare *place = &intake_shmem->spare;

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	place->latch = NULL;
	place->start = (IntakeStart){0};
	LWLockRelease(intake_shmem->lock);
}

/* Becomes the spare. Returns false when none is wanted any more. */
static bool
present(uint32 serial)
{
	IntakeSpare *place = &intake_shmem->spare;
	bool wanted;

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	wanted = place->serial == serial && place->latch == NULL;
	if (wanted)
		place->latch = &MyProc->procLatch;
	LWLockRelease(intake_shmem->lock);
	if (wanted)
		before_shmem_exit(withdraw, (Datum) 0);
	return wanted;
}

/* Whether this process has been given a START. Ends it where it is dismissed instead. */
static bool
is_given(IntakeStart *start)
{
	bool dismissed;

	LWLockAcquire(intake_shmem->lock, LW_SHARED);
	*start = intake_shmem->spare.start;
	dismissed = intake_shmem->spare.dismissed;
	LWLockRelease(intake_shmem->lock);
	if (OidIsValid(start->database))
		return true;
	if (dismissed)
		proc_exit(0);
	return false;
}

/*
 * Has the system give this process the heap that a first job takes. What malloc has mapped and unmapped
 * once, it takes from the heap the next time, and keeps there.
 */
static void
warm_heap(void)
{
	for (Size size = 2 * FIRST_HEAP; size >= FIRST_HEAP; size /= 2)
	{
		volatile char *bytes = malloc(size);

		for (Size at = 0; bytes != NULL && at < size; at += PAGE)
			bytes[at] = 0;
		free((void *) bytes);
	}
}

#ifdef __linux__
/* Reads a byte of each page of the program's code and constants. It is the first that is told of. */
static int
read_program(struct dl_phdr_info *program, size_t size, void *arg)
{
	for (int i = 0; i < program->dlpi_phnum; i++)
	{
		const ElfW(Phdr) *part = &program->dlpi_phdr[i];
		const volatile char *bytes = (const char *) (program->dlpi_addr + part->p_vaddr);

		if (part->p_type != PT_LOAD || (part->p_flags & (PF_R | PF_W)) != PF_R)
			continue;
		for (size_t at = 0; at < part->p_filesz; at += PAGE)
			(void) bytes[at];
	}
	return 1;
}
#endif

/* Has the system map the code of the server into this process. */
static void
warm_code(void)
{
#ifdef __linux__
	(void) dl_iterate_phdr(read_program, NULL);
#endif
}

/* Waits until this process, which was started as a spare, is given the START of an executor. */
void
intake_spare_wait(IntakeStart *start)
{
	if (!present(start->serial))
		proc_exit(0);
	warm_heap();
	warm_code();
	while (!is_given(start))
	{
		(void) intake_bgworker_wait(INTAKE_FOREVER);
		(void) intake_bgworker_reload();
	}
	cancel_before_shmem_exit(withdraw, (Datum) 0);
	withdraw(0, (Datum) 0);
	init_ps_display(MyBgworkerEntry->bgw_type);
}
