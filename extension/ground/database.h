/*
 * database.h
 *		What is to be done in each database, as far as the server knows.
 *
 * A database has an entry from when something is told about it, until it is dropped or the extension
 * is. All of it is advice about rows: after a restart the supervisors look at the rows.
 */
#ifndef INTAKE_DATABASE_H
#define INTAKE_DATABASE_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* What a supervisor is called for. */
#define INTAKE_CALL_DUTIES 1  /* something is to be moved or made */
#define INTAKE_CALL_SEARCH 2  /* jobs may be ready that no commit has announced */
#define INTAKE_CALL_RECOVER 4 /* jobs may have no holder any more */
#define INTAKE_CALL_TEND 8    /* workflows have changed, or what they depend on */
#define INTAKE_CALL_ALL 15

/* A database, for the launcher. */
typedef struct IntakeDatabaseState
{
	Oid oid;
	uint32 calls; /* of its supervisor, not answered yet */
	/* When a supervisor is to look by itself, by intake_clock_ms; 0: when it is called. */
	int64 look_at;
	TimestampTz due; /* when the next delayed job is due; DT_NOEND: none is known */
} IntakeDatabaseState;

extern Size intake_database_shmem_size(void);
extern void intake_database_startup(void);

extern void intake_database_call(uint32 calls);
extern void intake_database_call_for(Oid database, uint32 calls);
extern void intake_database_call_concerned(bool everywhere, bool only_blocked);
extern void intake_database_delayed(TimestampTz due);
extern void intake_database_look_soon(void);
extern void intake_database_searched(void);
extern bool intake_database_is_searched(int64 since);

extern uint32 intake_database_take_calls(void);
extern bool intake_database_is_called(void);
extern bool intake_database_take_look(int64 now);
extern TimestampTz intake_database_due(void);
extern void intake_database_forget_due(void);
extern bool intake_database_note_due(TimestampTz due);
extern void intake_database_note_blocked(void);
extern uint32 intake_database_blocked_begin(void);
extern void intake_database_blocked_end(uint32 noted);
extern void intake_database_set_suspects(bool any);
extern bool intake_database_has_suspects(void);
extern bool intake_database_leave(int64 look_at);

extern bool intake_database_take_turn(int64 now, int64 next);
extern void intake_database_set_turn(int64 next);

extern bool intake_database_read(Oid database, IntakeDatabaseState *state);
extern void intake_database_forget(Oid database);

#endif
