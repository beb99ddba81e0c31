/*
 * turn.h
 *		Whose turn it is to try to connect to a database that refuses.
 */
#ifndef INTAKE_PROGRAM_TURN_H
#define INTAKE_PROGRAM_TURN_H

#include <stdbool.h>

extern void intake_turn_wait(void);
extern bool intake_turn_end(bool connected);

#endif
