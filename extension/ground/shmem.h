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
#include "storage/lwlock.h"

/* What the launcher is told about a database. */
typedef struct IntakeLetter
{
	Oid database;
	bool absent; /* a supervisor has looked, and the extension is not there; else: look again */
} IntakeLetter;

#define INTAKE_LETTERS 16

/* What waits for the launcher. Guarded by the lock. */
typedef struct IntakeMailbox
{
	IntakeLetter letters[INTAKE_LETTERS];
	int count;
	bool look_everywhere; /* a letter that said "look again" did not fit */
} IntakeMailbox;

/* A partition that somebody misses. */
typedef struct IntakeWish
{
	Oid database; /* InvalidOid: none */
	int table;    /* IntakePartitioned */
	int64 id;     /* of a row that belongs there */
} IntakeWish;

#define INTAKE_WISHES 16

typedef struct IntakeShmem
{
	LWLock *lock;      /* what is here, and the slots */
	LWLock *lane_lock; /* the hash of lanes */
	/*
	 * Grows when the configuration changes or a job is delayed. Waiting for a lock may reset
	 * a latch, so a worker compares this before it waits.
	 */
	pg_atomic_uint64 news;
	pg_atomic_uint64 config;     /* grows when the configuration changes */
	pg_atomic_uint64 departures; /* grows when a worker ends */
	IntakeMailbox mailbox;
	IntakeWish wishes[INTAKE_WISHES]; /* guarded by the lock */
} IntakeShmem;

extern IntakeShmem *intake_shmem;

extern void intake_shmem_request(void);
extern void intake_shmem_startup(void);

extern uint64 intake_shmem_news(void);
extern uint64 intake_shmem_config(void);
extern uint64 intake_shmem_departures(void);
extern void intake_shmem_ask_partition(int table, int64 id);
extern bool intake_shmem_partition_asked(int table, int64 *id);

extern void intake_shmem_tell_launcher(Oid database, bool absent);
extern void intake_shmem_take_letters(IntakeMailbox *letters);

#endif
