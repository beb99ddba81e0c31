/*
 * alone.h
 *		Keeping all other jobs away while a suspect runs.
 */
#ifndef INTAKE_ALONE_H
#define INTAKE_ALONE_H

#include "postgres.h"

extern bool intake_alone_begin(void);
extern void intake_alone_end(void);
extern void intake_alone_forget(void);
extern bool intake_alone_is_waiting(void);
extern long intake_alone_wait(long milliseconds);

#endif
