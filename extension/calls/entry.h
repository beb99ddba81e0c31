/*
 * entry.h
 *		What is known of a line of calls that has something to do, in shared memory.
 */
#ifndef INTAKE_ENTRY_H
#define INTAKE_ENTRY_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "lib/ilist.h"
#include "lib/pairingheap.h"

typedef enum IntakeEntryState
{
	INTAKE_ENTRY_IDLE,  /* nothing to do: couriers make calls of it */
	INTAKE_ENTRY_READY, /* in the line of its database */
	INTAKE_ENTRY_LATER, /* in the heap */
	INTAKE_ENTRY_READ   /* a process reads it */
} IntakeEntryState;

/* What is known of a database. */
typedef struct IntakeHome
{
	Oid database;      /* hash key */
	dlist_head ready;  /* of IntakeEntry, in turn */
	pairingheap later; /* likewise, those that are due first at its head */
	uint64 cancels;    /* transactions that have cancelled calls */
	int held;          /* calls that couriers make */
} IntakeHome;

typedef struct IntakeEntryTag
{
	int64 id;
	Oid database;
	int32 unused; /* 0: the key has no holes */
} IntakeEntryTag;

typedef struct IntakeEntry
{
	IntakeEntryTag tag; /* hash key */
	IntakeHome *home;
	IntakeEntryState state;
	dlist_node place;       /* where it is ready */
	pairingheap_node later; /* where it is not */
	TimestampTz due;        /* when it is to be looked at; DT_NOEND: not at all */
	TimestampTz blocked;    /* calls that come do not change that before then */
	TimestampTz cursor;     /* due times below were read; DT_NOEND: all */
	TimestampTz rewind;     /* lowest due time that arrived since, or DT_NOEND */
	bool capped;            /* couriers make as many of its calls as they may */
	int held;               /* that they make */
} IntakeEntry;

extern Size intake_entry_shmem_size(void);
extern void intake_entry_startup(void);
extern void intake_entry_lock(void);
extern void intake_entry_unlock(void);

/* While the lock is held. */
extern IntakeHome *intake_entry_home(bool make);
extern IntakeEntry *intake_entry_find(int64 line_id, bool make);
extern void intake_entry_take_out(IntakeEntry *line);
extern bool intake_entry_put_in(IntakeEntry *line);
extern bool intake_entry_add(IntakeEntry *line, TimestampTz due);
extern void intake_entry_make_ready(IntakeHome *home);
extern void intake_entry_forget_if_idle(IntakeEntry *line);
extern void intake_entry_forget(Oid database);

#endif
