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
	BackgroundWorkerHandle *handle; /* NULL: not running, as far as is known */
	int64 started_at;               /* milliseconds, by intake_clock_ms */
	int64 next_start;               /* not before; likewise */
	int backoff;                    /* milliseconds */
} IntakeChild;

#define INTAKE_NO_WAIT (3600 * 1000L) /* milliseconds: nothing to wait for */

extern void intake_worker_register_launcher(void);
extern long intake_worker_keep(IntakeChild *child, IntakeWorkerKind kind, Oid database, Oid owner);
extern void intake_worker_spare(IntakeChild *child);
extern void intake_worker_forgive(IntakeChild *child);
extern void intake_worker_forget(IntakeChild *child);
extern void intake_worker_begin(void);
extern void intake_worker_apply_settings(void);
extern bool intake_worker_reload(void);
extern bool intake_worker_wait(long milliseconds);
extern bool intake_worker_server_stopping(void);

extern PGDLLEXPORT void intake_launcher_main(Datum arg);
extern PGDLLEXPORT void intake_supervisor_main(Datum arg);
extern PGDLLEXPORT void intake_executor_main(Datum arg);

#endif
