/*
 * overdue.h
 *		Jobs whose signal has not come in time, and signals that are kept no longer.
 */
#ifndef INTAKE_OVERDUE_H
#define INTAKE_OVERDUE_H

#include "postgres.h"

extern int intake_overdue_end_waits(int most);
extern void intake_overdue_forget_signals(int most);

#endif
