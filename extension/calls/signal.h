/*
 * signal.h
 *		Signals that jobs wait for.
 */
#ifndef INTAKE_SIGNAL_H
#define INTAKE_SIGNAL_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "calls/next.h"
#include "queue/progress.h"
#include "queue/room.h"

#define INTAKE_SIGNAL_KEY 200 /* bytes, at most */

/*
 * In the transaction of the step; JOB and EXPIRES_AT as for intake_outbox_put. A signal that is there
 * already is PROGRESS's input, which is written afterwards.
 */
extern void intake_signal_await(const IntakeJob *job, const IntakeNext *next,
								TimestampTz expires_at, IntakeProgress *progress);
extern bool intake_signal_send(text *key, Jsonb *payload);

#endif
