/*
 * table.h
 *		Reading and writing the extension's own tables through the table access method.
 *
 * No SQL takes part: no plan can go wrong, no search_path, trigger, rule, row security or setting
 * of the session has a say, and no privilege is checked, so that an executor that runs as an
 * ordinary role moves its jobs without ever becoming another role. What somebody adds to a table
 * is respected (columns get their defaults, CHECK and NOT NULL hold, indexes are filled) or is an
 * error when the table is opened (shape.c).
 */
#ifndef INTAKE_TABLE_H
#define INTAKE_TABLE_H

#include "postgres.h"

#include "access/genam.h"
#include "nodes/execnodes.h"
#include "storage/itemptr.h"

#include "ground/shape.h"

#define INTAKE_TABLE_ROWS 32 /* at most, inserted together */

typedef struct IntakeTable
{
	Relation relation; /* open, RowExclusiveLock */
	EState *estate;
	ResultRelInfo *info;
	TupleTableSlot *slot;
	IntakeShape shape;
	ExprState **added; /* defaults of the columns behind ours; NULL for one that has none */
	bool grows;        /* set by the caller: room is reserved for many rows */
	bool streams;      /* likewise: pages pass a ring of 16 MB, and evict no others */
	TupleTableSlot *rows[INTAKE_TABLE_ROWS]; /* added and not inserted yet */
	ItemPointer places[INTAKE_TABLE_ROWS];   /* where their places go */
	int n_rows;
	int n_slots;   /* that rows has */
	bool indexed;  /* its indexes are open */
	int n_exact;   /* those that have every row; the others, behind them, have ranges of pages */
	bool unique;   /* and can be asked whether keys are taken */
	bool followed; /* it has triggers that must be told of each row */
	bool taken;    /* since the last flush, a key was already there */
} IntakeTable;

typedef struct IntakeScan
{
	Relation relation;
	Relation index;       /* NULL: the place of the row is known */
	IndexScanDesc scan;   /* likewise */
	TupleTableSlot *slot; /* the current row, all columns there */
} IntakeScan;

extern Oid intake_table_oid(const char *name);
extern int64 intake_table_next_id(const char *sequence);
extern void intake_table_lock(Oid relation, LOCKMODE lock);

extern void intake_table_check(Oid relation, bool writes);
extern void intake_table_open(IntakeTable *table, Oid relation);
extern void intake_table_insert(IntakeTable *table, const Datum *values, const bool *nulls);
extern void intake_table_add(IntakeTable *table, const Datum *values, const bool *nulls,
							 ItemPointer place);
extern bool intake_table_flush(IntakeTable *table);
extern bool intake_table_conflicts(IntakeTable *table, const Datum *values, const bool *nulls,
								   ItemPointer conflict);
extern bool intake_table_insert_unique(IntakeTable *table, const Datum *values, const bool *nulls);
extern bool intake_table_look(IntakeTable *table, ItemPointer tid);
extern bool intake_table_look_up(IntakeTable *table, int64 key);
extern bool intake_table_remove(IntakeTable *table, bool wait);
extern bool intake_table_delete(IntakeTable *table, ItemPointer tid);
extern bool intake_table_is_own(IntakeTable *table);
extern bool intake_table_hold(IntakeTable *table, bool wait);
extern bool intake_table_fetch(IntakeTable *table, ItemPointer tid);
extern void intake_table_close(IntakeTable *table);

extern void intake_table_scan_begin(IntakeScan *scan, Oid relation, const char *index, ScanKey keys,
									int nkeys);
extern void intake_table_scan_again(IntakeScan *scan, ScanKey keys, int nkeys);
extern bool intake_table_scan_place(IntakeScan *scan, Oid relation, ItemPointer tid);
extern bool intake_table_scan_next(IntakeScan *scan);
extern bool intake_table_scan_any(IntakeScan *scan, int most);
extern void intake_table_scan_end(IntakeScan *scan);

#endif
