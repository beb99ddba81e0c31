/*
 * pieces.h
 *		A large body that comes in pieces, so that it is in memory once.
 */
#ifndef INTAKE_PIECES_H
#define INTAKE_PIECES_H

#include "postgres.h"

extern void intake_pieces_put(Datum piece);
extern bool intake_pieces_are_there(void);
extern Datum intake_pieces_take(Datum last, size_t *length);
extern void intake_pieces_keep_memory(void);

#endif
