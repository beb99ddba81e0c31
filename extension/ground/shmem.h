/*
 * shmem.h
 *		What the processes of pg_intake tell each other: that there is news, where the launcher has
 *		to look, and what the supervisor is to make. Who is there: slot.h.
 *
 * All of it is advice about rows: losing it costs time, never a job. It is there only when
 * the library is in shared_preload_libraries; intake_shmem is NULL otherwise.
 */
#ifndef INTAKE_SHMEM_H
#define INTAKE_SHMEM_H

#include "postgres.h"

#include "port/atomics.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

#include "ground/slot.h"

#define INTAKE_LETTERS 16

/* What waits for the launcher. Guarded by the lock. */
typedef struct IntakeMailbox
{
	Oid databases[INTAKE_LETTERS]; /* to look at again */
	int count;
	bool look_everywhere;   /* there were more */
	bool databases_changed; /* one was created, altered or dropped */
} IntakeMailbox;

/* A partition that somebody misses. */
typedef struct IntakeWish
{
	Oid database; /* InvalidOid: none */
	int table;    /* IntakePartitioned */
	int64 id;     /* of a row that belongs there */
} IntakeWish;

#define INTAKE_WISHES 16

/* A process that waits to be given a start, and is connected to no database; see workers/spare.c. */
typedef struct IntakeSpare
{
	uint32 serial;     /* of the newest that was started; an older one is not wanted */
	Latch *latch;      /* NULL: none is there */
	IntakeStart start; /* what it is given; without a database: nothing yet */
	bool dismissed;
} IntakeSpare;

typedef struct IntakeShmem
{
	LWLock *lock;      /* what is here, and the slots */
	LWLock *lane_lock; /* the hash of lanes */
	LWLock *call_lock; /* the lines of calls */
	/*
	 * Grows when the launcher is woken. Waiting for a lock may reset a latch, so it compares this
	 * before it waits.
	 */
	pg_atomic_uint64 news;
	pg_atomic_uint64 changes; /* of workflows and what they depend on, anywhere, that were told */
	pg_atomic_uint32 wanted;  /* how many places others wait for */
	IntakeMailbox mailbox;
	IntakeWish wishes[INTAKE_WISHES]; /* guarded by the lock */
	IntakeSpare spare;                /* likewise */
} IntakeShmem;

extern IntakeShmem *intake_shmem;

extern void intake_shmem_request(void);
extern void intake_shmem_startup(void);

extern uint64 intake_shmem_news(void);
extern uint64 intake_shmem_changes(void);
extern void intake_shmem_note_change(void);
extern bool intake_shmem_place_is_wanted(void);
extern bool intake_shmem_give_place(void);
extern void intake_shmem_ask_partition(int table, int64 id);
extern bool intake_shmem_partition_asked(int table, int64 *id);

extern void intake_shmem_look_again(void);
extern void intake_shmem_tell_databases_changed(void);
extern void intake_shmem_take_letters(IntakeMailbox *letters);

#endif
