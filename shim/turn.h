/*
 * turn.h
 *		Whose turn it is to try to connect to a database that refuses.
 */
#ifndef SHIM_TURN_H
#define SHIM_TURN_H

#include <stdbool.h>

extern void shim_turn_wait(void);
extern bool shim_turn_end(bool connected);

#endif
