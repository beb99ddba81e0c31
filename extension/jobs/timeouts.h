/*
 * timeouts.h
 *		How long a handler may run.
 */
#ifndef INTAKE_TIMEOUTS_H
#define INTAKE_TIMEOUTS_H

#include "postgres.h"

extern void intake_timeouts_start(int64 milliseconds);
extern void intake_timeouts_stop(void);

#endif
