/*
 * space.h
 *		Room at the end of a table that only grows.
 */
#ifndef INTAKE_SPACE_H
#define INTAKE_SPACE_H

#include "postgres.h"

#include "storage/bufmgr.h"
#include "utils/relcache.h"

extern BufferAccessStrategy intake_space_ring(void);
extern void intake_space_reserve(Relation relation, BufferAccessStrategy ring);
extern void intake_space_forget(Relation relation, BlockNumber block);

#endif
