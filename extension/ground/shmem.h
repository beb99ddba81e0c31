/*
 * shmem.h
 *		What the processes of pg_intake tell each other: which workers are there, that there is
 *		news, and where the launcher has to look.
 *
 * All of it is advice about rows: losing it costs time, never a job. It is there only when
 * the library is in shared_preload_libraries; intake_shmem is NULL otherwise.
 */
#ifndef INTAKE_SHMEM_H
#define INTAKE_SHMEM_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/spin.h"

typedef enum
{
	INTAKE_LAUNCHER,
	INTAKE_SUPERVISOR,
	INTAKE_EXECUTOR
} IntakeWorkerKind;

/* A slot for one worker process. Guarded by intake_shmem->lock but for what is said below. */
typedef struct IntakeWorker
{
	pid_t pid; /* 0: the slot is free */
	IntakeWorkerKind kind;
	Oid database; /* InvalidOid for the launcher */
	Oid owner;    /* the role, of an executor */
	Latch *latch;
	TimestampTz started_at;
	/* Written by the worker itself without the lock; a reader may see an old value. */
	int64 lease;        /* an executor's token */
	int64 job_id;       /* the job that runs now, or 0 */
	int64 jobs;         /* executed since the start */
	int64 turn_at;      /* of a supervisor: see intake_shmem_take_turn; under the lock */
	volatile bool idle; /* waits for its latch */
	volatile bool stop; /* has been asked to stop */
} IntakeWorker;

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
	LWLock *lock;
	LWLock *lane_lock; /* the hash of lanes */
	/*
	 * Grows when the configuration changes or a job is delayed. Waiting for a lock may reset
	 * a latch, so a worker compares this before it waits.
	 */
	pg_atomic_uint64 news;
	pg_atomic_uint64 config;     /* grows when the configuration changes */
	pg_atomic_uint64 departures; /* grows when a worker ends */
	IntakeMailbox mailbox;
	IntakeWish wishes[INTAKE_WISHES];            /* guarded by the lock */
	IntakeWorker workers[FLEXIBLE_ARRAY_MEMBER]; /* pg_intake.max_workers and the launcher */
} IntakeShmem;

extern IntakeShmem *intake_shmem;
extern IntakeWorker *intake_shmem_self;

extern void intake_shmem_request(void);
extern void intake_shmem_startup(void);

extern bool intake_shmem_attach(IntakeWorkerKind kind, Oid owner, int most);
extern int intake_shmem_count(IntakeWorkerKind kind, Oid database, Oid owner);
extern int intake_shmem_rank(void);
extern uint64 intake_shmem_news(void);
extern uint64 intake_shmem_config(void);
extern uint64 intake_shmem_departures(void);
extern void intake_shmem_wake(IntakeWorkerKind kind, Oid database, Oid owner);
extern void intake_shmem_wake_executors(Oid database);
extern void intake_shmem_stop(Oid database);
extern void intake_shmem_ask_partition(int table, int64 id);
extern bool intake_shmem_partition_asked(int table, int64 *id);
extern int intake_shmem_terminate(Oid database);
extern bool intake_shmem_lease_held(int64 lease);
extern void intake_shmem_leave(void) pg_attribute_noreturn();
extern bool intake_shmem_take_turn(int64 now, int64 next);
extern void intake_shmem_set_turn(int64 next);

extern bool intake_shmem_has_room(void);
extern void intake_shmem_tell_launcher(Oid database, bool absent);
extern void intake_shmem_take_letters(IntakeMailbox *letters);

#endif
