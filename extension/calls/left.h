/*
 * left.h
 *		Jobs that were left to the supervisor.
 */
#ifndef INTAKE_LEFT_H
#define INTAKE_LEFT_H

#include "postgres.h"

extern Size intake_left_shmem_size(void);
extern void intake_left_startup(void);
extern void intake_left_leave(int64 job_id);

/* For the supervisor. */
extern void intake_left_put(int64 job_id);
extern int64 intake_left_take(void);
extern bool intake_left_any(void);
extern bool intake_left_overflowed(void);

#endif
