/*
 * bgworker.h
 *		What all kinds of worker have in common as background workers.
 */
#ifndef INTAKE_BGWORKER_H
#define INTAKE_BGWORKER_H

#include "postgres.h"

#include "postmaster/bgworker.h"

#include "ground/slot.h"

#define INTAKE_NO_WAIT (3600 * 1000L) /* milliseconds: nothing to wait for */
#define INTAKE_FOREVER (-1L)          /* until the latch is set */

extern void intake_bgworker_register_launcher(void);
extern BackgroundWorkerHandle *intake_bgworker_start(IntakeWorkerKind kind,
													 const IntakeStart *start);
extern IntakeStart intake_bgworker_started_with(void);
extern void intake_bgworker_begin(void);
extern bool intake_bgworker_reload(void);
extern bool intake_bgworker_wait(long milliseconds);
extern bool intake_bgworker_server_stopping(void);

#endif
