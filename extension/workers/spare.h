/*
 * spare.h
 *		A process that waits, connected to no database, to become an executor.
 */
#ifndef INTAKE_SPARE_H
#define INTAKE_SPARE_H

#include "postgres.h"

#include "postmaster/bgworker.h"

#include "ground/slot.h"

/* For the launcher. */
extern long intake_spare_keep(void);
extern void intake_spare_put_off(void);
extern bool intake_spare_dismiss(void);
extern BackgroundWorkerHandle *intake_spare_give(const IntakeStart *start);

/* For the process itself. */
extern void intake_spare_wait(IntakeStart *start);

#endif
