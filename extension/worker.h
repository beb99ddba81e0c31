/*
 * worker.h
 *		What launcher, supervisor and executor have in common as background workers.
 */
#ifndef INTAKE_WORKER_H
#define INTAKE_WORKER_H

#include "postgres.h"

#include "postmaster/bgworker.h"

#include "shmem.h"

/* A worker that this process keeps running: started again, later and later, when it ends. */
typedef struct IntakeChild
{
	BackgroundWorkerHandle *handle; /* NULL: never started */
	TimestampTz started_at;
	TimestampTz next_start; /* not before */
	int backoff;            /* milliseconds */
} IntakeChild;

extern void intake_worker_register_launcher(void);
extern bool intake_worker_keep(IntakeChild *child, IntakeWorkerKind kind, Oid database, Oid owner);
extern void intake_worker_spare(IntakeChild *child);
extern void intake_worker_begin(void);
extern bool intake_worker_wait(long milliseconds);
extern bool intake_worker_server_stopping(void);

extern PGDLLEXPORT void intake_launcher_main(Datum arg);
extern PGDLLEXPORT void intake_supervisor_main(Datum arg);
extern PGDLLEXPORT void intake_executor_main(Datum arg);

#endif
