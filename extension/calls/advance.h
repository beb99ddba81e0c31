/*
 * advance.h
 *		Jobs whose calls have all ended go on.
 */
#ifndef INTAKE_ADVANCE_H
#define INTAKE_ADVANCE_H

#include "postgres.h"

struct IntakeDesk;

extern void intake_advance_close(struct IntakeDesk *desk);

/* For the supervisor. */
extern void intake_advance_do(void);
extern long intake_advance_due(void);
extern void intake_advance_search(void);
extern void intake_advance_expire(void);

#endif
