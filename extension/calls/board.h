/*
 * board.h
 *		The lines of calls that have something to do, for couriers: when each is to be looked at, and
 *		from where on.
 */
#ifndef INTAKE_BOARD_H
#define INTAKE_BOARD_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* A line that this process reads. */
typedef struct IntakeTurn
{
	int64 line_id;
	TimestampTz start; /* the time to read from */
	int held;          /* calls of the line that couriers make now, about */
	int all_held;      /* likewise, of all lines of this database */
} IntakeTurn;

/* What a transaction does to a line. */
typedef struct IntakeNote
{
	int64 line_id;
	TimestampTz due;   /* of the first call that it has put there; DT_NOEND: of none */
	TimestampTz start; /* where it has begun to read; DT_NOEND: it has not */
	int held;          /* calls taken, and without those that ended */
	bool open;         /* it waits for nothing any more */
} IntakeNote;

extern Size intake_board_shmem_size(void);
extern void intake_board_startup(void);
extern void intake_board_require(void);
extern void intake_board_require_whole(const char *function);

extern bool intake_board_tell(int64 line_id, TimestampTz due);
extern void intake_board_publish(const IntakeNote *notes, int count, bool cancelled);
extern void intake_board_abandon(void);

/* For couriers. */
extern void intake_board_uncap(const IntakeNote *notes, int count);
extern bool intake_board_take(IntakeTurn *turn);
extern void intake_board_put(TimestampTz cursor, TimestampTz next);
extern void intake_board_block(TimestampTz until);
extern void intake_board_cap(TimestampTz cursor);
extern void intake_board_forget(Oid database);

#endif
