/*
 * bell.h
 *		Couriers wait until there are calls, or some were cancelled.
 */
#ifndef INTAKE_BELL_H
#define INTAKE_BELL_H

#include "postgres.h"

#include "datatype/timestamp.h"

extern Size intake_bell_shmem_size(void);
extern void intake_bell_startup(void);
extern void intake_bell_ring(Oid database);
extern TimestampTz intake_bell_due(void);
extern uint64 intake_bell_cancels(void);
extern void intake_bell_wait(uint64 cancels, long milliseconds);

#endif
