/*
 * shmem.c
 *		What the processes of pg_intake tell each other.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "ground/shmem.h"

IntakeShmem *intake_shmem = NULL;

/* Asks for the memory. To be called from shmem_request_hook. */
void
intake_shmem_request(void)
{
	RequestAddinShmemSpace(sizeof(IntakeShmem));
	RequestNamedLWLockTranche("pg_intake", 3);
}

/* Makes the memory or finds it. The caller holds AddinShmemInitLock. */
void
intake_shmem_startup(void)
{
	bool found;

	intake_shmem = ShmemInitStruct("pg_intake", sizeof(IntakeShmem), &found);
	if (!found)
	{
		memset(intake_shmem, 0, sizeof(IntakeShmem));
		pg_atomic_init_u64(&intake_shmem->news, 0);
		pg_atomic_init_u64(&intake_shmem->changes, 0);
		pg_atomic_init_u32(&intake_shmem->wanted, 0);
		intake_shmem->lock = &GetNamedLWLockTranche("pg_intake")[0].lock;
		intake_shmem->lane_lock = &GetNamedLWLockTranche("pg_intake")[1].lock;
		intake_shmem->call_lock = &GetNamedLWLockTranche("pg_intake")[2].lock;
	}
}

/* What the launcher compares before it waits: see IntakeShmem. */
uint64
intake_shmem_news(void)
{
	return pg_atomic_read_u64(&intake_shmem->news);
}

/* Grows when workflows, or what they depend on, have changed. */
uint64
intake_shmem_changes(void)
{
	pg_memory_barrier();
	return pg_atomic_read_u64(&intake_shmem->changes);
}

/* Such a change has been committed, and every process has been sent word of it. */
void
intake_shmem_note_change(void)
{
	(void) pg_atomic_fetch_add_u64(&intake_shmem->changes, 1);
}

/* Whether others wait for the places of workers. */
bool
intake_shmem_place_is_wanted(void)
{
	return pg_atomic_read_u32(&intake_shmem->wanted) > 0;
}

/* The same; if so, the caller has to leave, and as many less will do so. */
bool
intake_shmem_give_place(void)
{
	uint32 wanted = pg_atomic_read_u32(&intake_shmem->wanted);

	while (wanted > 0)
		if (pg_atomic_compare_exchange_u32(&intake_shmem->wanted, &wanted, wanted - 1))
			return true;
	return false;
}

/*
 * Asks the launcher for another look at this database. When the mailbox is full, it looks everywhere
 * once. Never raises an error.
 */
void
intake_shmem_look_again(void)
{
	IntakeMailbox *mailbox;
	int i = 0;

	if (intake_shmem == NULL)
		return;
	mailbox = &intake_shmem->mailbox;
	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	while (i < mailbox->count && mailbox->databases[i] != MyDatabaseId)
		i++;
	if (i == INTAKE_LETTERS)
		mailbox->look_everywhere = true;
	else
	{
		mailbox->databases[i] = MyDatabaseId;
		mailbox->count = Max(mailbox->count, i + 1);
	}
	LWLockRelease(intake_shmem->lock);
}

/* Tells the launcher that there are other databases than it knows. Never raises an error. */
void
intake_shmem_tell_databases_changed(void)
{
	if (intake_shmem == NULL)
		return;
	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	intake_shmem->mailbox.databases_changed = true;
	LWLockRelease(intake_shmem->lock);
}

/* Moves the launcher's mail to LETTERS. */
void
intake_shmem_take_letters(IntakeMailbox *letters)
{
	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	*letters = intake_shmem->mailbox;
	memset(&intake_shmem->mailbox, 0, sizeof(IntakeMailbox));
	LWLockRelease(intake_shmem->lock);
}

/*
 * Asks for the partition of row ID; the caller also wakes the supervisor of this database. When
 * many processes ask at once, a wish may overwrite another one, whose owner asks again.
 */
void
intake_shmem_ask_partition(int table, int64 id)
{
	IntakeWish wish = {MyDatabaseId, table, id};
	IntakeWish *place = &intake_shmem->wishes[MyProcPid % INTAKE_WISHES];

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < INTAKE_WISHES; i++)
	{
		IntakeWish *other = &intake_shmem->wishes[i];

		if (other->database == wish.database && other->table == wish.table && other->id == wish.id)
			place = other;
		else if (!OidIsValid(other->database) && OidIsValid(place->database))
			place = other;
	}
	*place = wish;
	LWLockRelease(intake_shmem->lock);
}

/*
 * Takes a wish for a partition in this database; if ID is NULL, only looks whether there is one.
 * Returns false when there is none.
 */
bool
intake_shmem_partition_asked(int table, int64 *id)
{
	bool asked = false;

	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < INTAKE_WISHES && !asked; i++)
	{
		IntakeWish *wish = &intake_shmem->wishes[i];

		asked = wish->database == MyDatabaseId && wish->table == table;
		if (asked && id != NULL)
		{
			*id = wish->id;
			wish->database = InvalidOid;
		}
	}
	LWLockRelease(intake_shmem->lock);
	return asked;
}
