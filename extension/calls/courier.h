/*
 * courier.h
 *		Who makes calls, and until when what it holds is its own.
 */
#ifndef INTAKE_COURIER_H
#define INTAKE_COURIER_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "calls/desk.h"

/* What is done with a call that is held, which a scan has found. */
typedef void (*IntakeHeldAction)(void *argument, IntakeScan *scan, IntakeCall *call);

extern bool intake_courier_find(IntakeTable *table, int64 token);
extern void intake_courier_each_held(IntakeHeldAction action, void *argument);
extern TimestampTz intake_courier_see(int64 token);
extern void intake_courier_release(IntakeDesk *desk, int64 token, int64 *named, int count);

#endif
