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
	RequestNamedLWLockTranche("pg_intake", 2);
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
		pg_atomic_init_u64(&intake_shmem->config, 0);
		pg_atomic_init_u64(&intake_shmem->departures, 0);
		intake_shmem->lock = &GetNamedLWLockTranche("pg_intake")[0].lock;
		intake_shmem->lane_lock = &GetNamedLWLockTranche("pg_intake")[1].lock;
	}
}

/* What workers compare before they wait: see IntakeShmem. */
uint64
intake_shmem_news(void)
{
	return pg_atomic_read_u64(&intake_shmem->news);
}

/* What tells that the configuration has changed; always 0 without shared memory. */
uint64
intake_shmem_config(void)
{
	return intake_shmem == NULL ? 0 : pg_atomic_read_u64(&intake_shmem->config);
}

/* How many workers have ended. One that is counted has given back what it held. */
uint64
intake_shmem_departures(void)
{
	return pg_atomic_read_u64(&intake_shmem->departures);
}

/*
 * Tells the launcher that the extension is ABSENT from DATABASE, or that it has to look there
 * again. The later letter about a database replaces the earlier one. When the mailbox is full,
 * the launcher starts a supervisor more often than it must, or looks everywhere once. Never
 * raises an error.
 */
void
intake_shmem_tell_launcher(Oid database, bool absent)
{
	IntakeMailbox *mailbox;
	int i = 0;

	if (intake_shmem == NULL)
		return;
	mailbox = &intake_shmem->mailbox;
	LWLockAcquire(intake_shmem->lock, LW_EXCLUSIVE);
	while (i < mailbox->count && mailbox->letters[i].database != database)
		i++;
	if (i < INTAKE_LETTERS)
	{
		mailbox->letters[i] = (IntakeLetter){database, absent};
		mailbox->count = Max(mailbox->count, i + 1);
	}
	else if (!absent)
		mailbox->look_everywhere = true;
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
