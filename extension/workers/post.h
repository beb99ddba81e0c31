/*
 * post.h
 *		Where the launcher starts workers: supervisors of databases, and executors of crews.
 */
#ifndef INTAKE_POST_H
#define INTAKE_POST_H

#include "postgres.h"

#include "ground/slot.h"
#include "queue/crew.h"

extern void intake_post_open(void);
extern void intake_post_ended(const IntakeSlot *ended);
extern void intake_post_forgive(const IntakeCrewTag *tag);
extern void intake_post_look_after_starts(void);
extern bool intake_post_start(IntakeWorkerKind kind, const IntakeCrewTag *tag);
extern long intake_post_until_start(const IntakeCrewTag *tag);
extern void intake_post_put_off(const IntakeCrewTag *tag, long milliseconds);
extern long intake_post_end_waits(void);

#endif
