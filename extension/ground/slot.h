/*
 * slot.h
 *		Which workers are there, and what kinds of them there are.
 *
 * The launcher reserves a slot for each process that it starts, so that there are never more than
 * pg_intake.max_workers. There only when the library is in shared_preload_libraries; without it
 * nobody takes a slot.
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

/* What is to be known of a kind of worker. */
typedef struct IntakeWorkerTraits
{
	const char *name;
	const char *main; /* the function that a process of the kind runs */
} IntakeWorkerTraits;

typedef enum IntakeSlotState
{
	INTAKE_SLOT_FREE,
	INTAKE_SLOT_STARTING, /* reserved for a process that is not there yet */
	INTAKE_SLOT_RUNNING,
	INTAKE_SLOT_ENDED /* until the launcher has seen it */
} IntakeSlotState;

/* A slot for one worker process. Guarded by intake_shmem->lock but for what is said below. */
typedef struct IntakeSlot
{
	IntakeSlotState state;
	uint32 serial; /* of the start that it is reserved for */
	pid_t pid;     /* while it runs */
	IntakeWorkerKind kind;
	Oid database; /* InvalidOid for the launcher */
	Oid role;     /* that it serves, if any */
	Latch *latch;
	TimestampTz started_at;
	int64 reserved_at; /* by intake_clock_ms */
	/* Written by the worker itself without the lock; a reader may see an old value. */
	int64 lease;           /* the token of who claims jobs */
	int64 job_id;          /* the job that runs now, or 0 */
	int64 jobs;            /* executed since the start */
	int holding;           /* jobs that its lease may be on */
	bool absent;           /* a supervisor has not found the extension */
	bool content;          /* it ends because it has nothing to do, or gives its place to another */
	bool terminated;       /* somebody has ended it; it has not failed */
	volatile bool idle;    /* waits for its latch, and for work */
	volatile bool leaving; /* takes no more work */
	volatile bool stop;    /* has been asked to stop */
} IntakeSlot;

/* What a process is started with. */
typedef struct IntakeStart
{
	Oid database; /* InvalidOid: none yet, it is a spare */
	Oid role;
	int slot;
	uint32 serial;
} IntakeStart;

extern const IntakeWorkerTraits intake_slot_kinds[];
extern IntakeSlot *intake_slot_self;

extern Size intake_slot_shmem_size(void);
extern void intake_slot_startup(void);

extern bool intake_slot_reserve(IntakeWorkerKind kind, Oid database, Oid role, IntakeStart *start);
extern bool intake_slot_is_starting(const IntakeStart *start);
extern bool intake_slot_release(const IntakeStart *start);
extern bool intake_slot_reap(IntakeSlot *ended);
extern bool intake_slot_attach_launcher(void);
extern bool intake_slot_attach(const IntakeStart *start);
extern int intake_slot_count(IntakeWorkerKind kind, Oid database, Oid role);
extern int intake_slot_count_all(Oid database);
extern int intake_slot_rank(void);
extern bool intake_slot_read(int i, IntakeSlot *worker);
extern bool intake_slot_wake(IntakeWorkerKind kind, Oid database, Oid role);
extern void intake_slot_wake_launcher(void);
extern void intake_slot_wake_idle(void);
extern void intake_slot_wake_supervisors(void);
extern void intake_slot_stop(Oid database);
extern void intake_slot_terminate(Oid database);
extern _Noreturn void intake_slot_leave(void);
extern bool intake_slot_lease_held(int64 lease);

#endif
