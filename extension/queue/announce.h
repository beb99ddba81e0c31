/*
 * announce.h
 *		What a transaction tells the workers when it commits.
 */
#ifndef INTAKE_ANNOUNCE_H
#define INTAKE_ANNOUNCE_H

#include "postgres.h"

#include "datatype/timestamp.h"

extern void intake_announce_refresh(void);
extern void intake_announce_job(int32 lane, Oid role, int64 position);
extern void intake_announce_delay(TimestampTz due);
extern void intake_announce_workflow(void);
extern void intake_announce_surroundings(bool everywhere, bool names);
extern void intake_announce_prepared(void);

#endif
