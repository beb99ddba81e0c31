/*
 * suspect.h
 *		Jobs that may have crashed the server.
 */
#ifndef INTAKE_SUSPECT_H
#define INTAKE_SUSPECT_H

#include "postgres.h"

#include "queue/room.h"

extern int32 intake_suspect_find(Oid role);
extern void intake_suspect_tell(void);
extern bool intake_suspect_take(int32 workflow_id, int64 lease, IntakeJob *job);
extern IntakeLeave intake_suspect_unmark(const IntakeJob *job, bool wait);
extern void intake_suspect_recover(void);
extern bool intake_suspect_left_any(void);

#endif
