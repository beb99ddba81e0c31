/*
 * note.h
 *		What a transaction does to the lines of calls, told when it commits.
 */
#ifndef INTAKE_NOTE_H
#define INTAKE_NOTE_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "calls/board.h"

extern void intake_note_due(int64 line_id, TimestampTz due);
extern void intake_note_open(int64 line_id);
extern void intake_note_held(int64 line_id, int change);
extern void intake_note_cancel(void);
extern bool intake_note_take(IntakeTurn *turn);
extern void intake_note_uncap(void);

#endif
