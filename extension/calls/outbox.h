/*
 * outbox.h
 *		The calls that a step asks for, and their answers.
 */
#ifndef INTAKE_OUTBOX_H
#define INTAKE_OUTBOX_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

#include "calls/asked.h"
#include "calls/desk.h"
#include "calls/next.h"
#include "config/workflow.h"
#include "queue/room.h"
#include "read/call_url.h"

extern bool intake_outbox_has_right(Oid owner);
extern void intake_outbox_check_right(Oid owner);
extern int32 intake_outbox_check(Datum row, Oid owner, IntakeAsked *request);

/*
 * In the transaction of the step. JOB has left its room, its lane is that of jobs that go on, and its
 * attempts are 0. TRACEPARENT is its event's, or NULL. EXPIRES_AT is when it expires, or DT_NOEND: its room's until is that at the latest.
 */
extern void intake_outbox_put(const IntakeJob *job, const IntakeWorkflow *workflow,
							  const IntakeNext *next, const char *traceparent,
							  TimestampTz expires_at, int64 *first_call, int32 *calls);
extern Datum intake_outbox_answers(int64 job_id, int64 first_call, int32 calls, bool single,
								   Jsonb **input, char **error);

/* For calls that are asked again. */
extern int64 intake_outbox_line(int32 workflow_id, const IntakeCallUrl *url, int32 secret_id);
extern Datum intake_outbox_key(void);
extern void intake_outbox_put_job(IntakeDesk *desk, const IntakeJob *job, int64 first, int32 count,
								  TimestampTz expires_at);

#endif
