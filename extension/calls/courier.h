/*
 * courier.h
 *		Who makes calls, and until when what it holds is its own.
 */
#ifndef INTAKE_COURIER_H
#define INTAKE_COURIER_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "calls/desk.h"

extern TimestampTz intake_courier_see(int64 token);
extern void intake_courier_release(IntakeDesk *desk, int64 token, int64 *named, int count);

/* For the supervisor. */
extern void intake_courier_expire(void);

#endif
