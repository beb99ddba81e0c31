/*
 * bgworker.h
 *		What all kinds of worker have in common as background workers.
 */
#ifndef INTAKE_BGWORKER_H
#define INTAKE_BGWORKER_H

#include "postgres.h"

#include "postmaster/bgworker.h"

#include "ground/slot.h"

/* A worker that this process keeps running: started again, later and later, when it ends. */
typedef struct IntakeChild
{
	BackgroundWorkerHandle *handle; /* NULL: not running, as far as is known */
	int64 started_at;               /* milliseconds, by intake_clock_ms */
	int64 next_start;               /* not before; likewise */
	int backoff;                    /* milliseconds */
} IntakeChild;

#define INTAKE_NO_WAIT (3600 * 1000L) /* milliseconds: nothing to wait for */

extern void intake_bgworker_register_launcher(void);
extern long intake_bgworker_keep(IntakeChild *child, IntakeWorkerKind kind, Oid database,
								 Oid owner);
extern void intake_bgworker_spare(IntakeChild *child);
extern void intake_bgworker_forgive(IntakeChild *child);
extern void intake_bgworker_forget(IntakeChild *child);
extern void intake_bgworker_begin(void);
extern bool intake_bgworker_reload(void);
extern bool intake_bgworker_wait(long milliseconds);
extern bool intake_bgworker_server_stopping(void);

#endif
