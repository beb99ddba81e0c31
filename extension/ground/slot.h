/*
 * slot.h
 *		Which workers are there, and what kinds of them there are.
 *
 * There only when the library is in shared_preload_libraries; without it nobody takes a slot.
 */
#ifndef INTAKE_SLOT_H
#define INTAKE_SLOT_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/latch.h"

/* The kinds of worker; intake_slot_kinds says what they are. */
typedef enum IntakeWorkerKind
{
	INTAKE_LAUNCHER,
	INTAKE_SUPERVISOR,
	INTAKE_EXECUTOR
} IntakeWorkerKind;

/* What is to be known of a kind of worker. The launcher keeps those that serve no role. */
typedef struct IntakeWorkerTraits
{
	const char *name;
	const char *main;    /* the function that a process of the kind runs */
	const int *per_role; /* how many serve a role, which the supervisor keeps; NULL: none does */
} IntakeWorkerTraits;

/* A slot for one worker process. Guarded by intake_shmem->lock but for what is said below. */
typedef struct IntakeSlot
{
	pid_t pid; /* 0: the slot is free */
	IntakeWorkerKind kind;
	Oid database; /* InvalidOid for the launcher */
	Oid owner;    /* the role that it serves, if any */
	Latch *latch;
	TimestampTz started_at;
	/* Written by the worker itself without the lock; a reader may see an old value. */
	int64 lease;        /* the token of who claims jobs */
	int64 job_id;       /* the job that runs now, or 0 */
	int64 jobs;         /* executed since the start */
	int64 turn_at;      /* of a supervisor: see intake_slot_take_turn; under the lock */
	volatile bool idle; /* waits for its latch */
	volatile bool stop; /* has been asked to stop */
} IntakeSlot;

extern const IntakeWorkerTraits intake_slot_kinds[];
extern IntakeSlot *intake_slot_self;

extern Size intake_slot_shmem_size(void);
extern void intake_slot_startup(void);

extern bool intake_slot_attach(IntakeWorkerKind kind, Oid owner, int most);
extern int intake_slot_count(IntakeWorkerKind kind, Oid database, Oid owner);
extern int intake_slot_count_all(Oid database);
extern int intake_slot_rank(void);
extern bool intake_slot_is_free(void);
extern void intake_slot_wake(IntakeWorkerKind kind, Oid database, Oid owner);
extern void intake_slot_call_supervisor(void);
extern void intake_slot_wake_all(Oid database);
extern void intake_slot_stop(Oid database);
extern int intake_slot_terminate(Oid database);
extern _Noreturn void intake_slot_leave(void);
extern bool intake_slot_lease_held(int64 lease);
extern bool intake_slot_take_turn(int64 now, int64 next);
extern void intake_slot_set_turn(int64 next);

#endif
