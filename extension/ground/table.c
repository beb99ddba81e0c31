/*
 * table.c
 *		Reading and writing the extension's own tables through the table access method.
 *
 * Every function is to be called inside a transaction with an active snapshot. Locks are
 * RowExclusiveLock (writing) and AccessShareLock (reading) and are kept until the
 * transaction ends.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/stratnum.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_trigger.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_coerce.h"
#include "rewrite/rewriteHandler.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/reltrigger.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "ground/compat.h"
#include "ground/intake.h"
#include "ground/owner.h"
#include "ground/range.h"
#include "ground/shape.h"
#include "ground/space.h"
#include "ground/table.h"

/* ---- names ---- */

/* Tables and sequences by name, until a name of the server's changes. Their order is that of need. */
static struct
{
	NameData name;
	Oid oid;
} known[48];
static int n_known = 0;

static void
forget(Datum arg, int cache, uint32 hash)
{
	n_known = 0;
}

static Oid
look_up(const char *name)
{
	Oid oid = get_relname_relid(name, get_namespace_oid(INTAKE_SCHEMA, false));

	if (!OidIsValid(oid))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("table \"%s.%s\" does not exist", INTAKE_SCHEMA, name),
						errhint("Drop and create the extension pg_intake again.")));
	return oid;
}

/* The OID of table NAME of the extension. Raises an error when there is none. */
Oid
intake_table_oid(const char *name)
{
	static bool watching = false;
	Oid oid;

	for (int i = 0; i < n_known; i++)
		if (strcmp(NameStr(known[i].name), name) == 0)
			return known[i].oid;
	if (!watching)
	{
		CacheRegisterSyscacheCallback(RELNAMENSP, forget, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, forget, (Datum) 0);
		watching = true;
	}
	oid = look_up(name);
	if (n_known < lengthof(known))
	{
		namestrcpy(&known[n_known].name, name);
		known[n_known++].oid = oid;
	}
	return oid;
}

/* The next value of a sequence of the extension, whoever asks. */
int64
intake_table_next_id(const char *sequence)
{
	return nextval_internal(intake_table_oid(sequence), false);
}

/*
 * Locks RELATION, as opening it would. A process that is ending cannot be cancelled, so it does not
 * wait: a lock that another session has is an error then.
 */
void
intake_table_lock(Oid relation, LOCKMODE lock)
{
	if (!proc_exit_inprogress)
		LockRelationOid(relation, lock);
	else if (!ConditionalLockRelationOid(relation, lock))
		ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE),
						errmsg("table \"%s\" is locked", get_rel_name(relation))));
}

/* The default of a column that somebody has added; NULL where it has none. */
static Expr *
column_default(Relation relation, Form_pg_attribute column)
{
	Oid base = column->atttypid;
	int32 typmod = column->atttypmod;
	Node *expression;

	if (column->attisdropped)
		return NULL;
	expression = build_column_default(relation, column->attnum);
	base = getBaseTypeAndTypmod(base, &typmod);
	/* A domain may refuse to be null. */
	if (expression == NULL && base != column->atttypid)
		expression = coerce_to_domain((Node *) makeNullConst(base, typmod, column->attcollation),
									  base, typmod, column->atttypid, COERCION_IMPLICIT,
									  COERCE_IMPLICIT_CAST, -1, false);
	return (Expr *) expression;
}

static void
prepare_defaults(IntakeTable *table)
{
	TupleDesc descriptor = RelationGetDescr(table->relation);
	int ours = table->shape.columns;
	MemoryContext old = MemoryContextSwitchTo(table->estate->es_query_cxt);

	table->added = palloc0((descriptor->natts - ours + 1) * sizeof(ExprState *));
	for (int i = ours; i < descriptor->natts; i++)
	{
		Expr *expression = column_default(table->relation, TupleDescAttr(descriptor, i));

		if (expression != NULL)
			table->added[i - ours] = ExecPrepareExpr(expression, table->estate);
	}
	MemoryContextSwitchTo(old);
}

/* Raises an error where RELATION, which exists, cannot be used: see shape.h. */
void
intake_table_check(Oid relation, bool writes)
{
	Relation opened = table_open(relation, writes ? RowExclusiveLock : AccessShareLock);

	(void) intake_shape_check(opened, writes);
	table_close(opened, NoLock);
}

/*
 * Whether there are triggers that must be told of each row: AFTER ... FOR EACH ROW, and ENABLE
 * ALWAYS. Tools that copy a table while it is in use (pg_repack) make such triggers, and their copy
 * would lose a row that they are not told of. All other triggers are disabled for us, as they are
 * on a replica that applies rows.
 */
static bool
is_followed(TriggerDesc *triggers)
{
	bool followed = false;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		Trigger *trigger = &triggers->triggers[i];

		if (trigger->tgenabled == TRIGGER_FIRES_ALWAYS && TRIGGER_FOR_ROW(trigger->tgtype) &&
			TRIGGER_FOR_AFTER(trigger->tgtype))
			followed = true;
		else
			trigger->tgenabled = TRIGGER_DISABLED;
	}
	return followed;
}

/*
 * Fires those triggers for the row that was INSERTED, or else for the one that stood at the place
 * DELETED. They run as the extension's owner, as the defaults of columns do.
 */
static void
tell_followers(IntakeTable *table, TupleTableSlot *inserted, ItemPointer deleted)
{
	IntakeOwner saved;

	intake_owner_begin(&saved);
	AfterTriggerBeginQuery();
	if (inserted != NULL)
		ExecARInsertTriggers(table->estate, table->info, inserted, NIL, NULL);
	else
		ExecARDeleteTriggers(table->estate, table->info, deleted, NULL, NULL, false);
	AfterTriggerEndQuery(table->estate);
	intake_owner_end(&saved);
}

/*
 * Opens the indexes of TABLE, which only insertions need. UNIQUE: also to look whether keys are taken,
 * for which the server asks its catalogues.
 */
static void
open_indexes(IntakeTable *table, bool unique)
{
	MemoryContext old;

	if (table->indexed && (table->unique || !unique))
		return;
	old = MemoryContextSwitchTo(table->estate->es_query_cxt);
	ExecCloseIndices(table->info);
	ExecOpenIndices(table->info, unique);
	table->n_exact = intake_range_indexes_last(table->info);
	MemoryContextSwitchTo(old);
	table->indexed = true;
	table->unique = unique;
}

/* Opens RELATION for writing. Its memory is the current context's until intake_table_close. */
void
intake_table_open(IntakeTable *table, Oid relation)
{
	intake_table_lock(relation, RowExclusiveLock);
	table->relation = table_open(relation, NoLock);
	table->shape = intake_shape_check(table->relation, true);
	table->estate = CreateExecutorState();
	table->info = makeNode(ResultRelInfo);
	InitResultRelInfo(table->info, table->relation, 0, NULL, 0);
	table->indexed = table->unique = false;
	/* Our own copy of the table's triggers, put where the server looks for it. */
	table->followed = is_followed(table->info->ri_TrigDesc);
	if (table->followed)
		table->estate->es_opened_result_relations = list_make1(table->info);
	table->slot = table_slot_create(table->relation, NULL);
	table->n_rows = table->n_slots = 0;
	table->taken = false;
	table->grows = table->streams = false;
	table->added = NULL;
	if (table->shape.additions)
		prepare_defaults(table);
}

/*
 * Fills the columns that somebody has added, and checks the constraints. Both may call functions,
 * which run as the extension's owner, whoever the session is.
 */
static void
respect_additions(IntakeTable *table, TupleTableSlot *slot)
{
	ExprContext *context = GetPerTupleExprContext(table->estate);
	MemoryContext old = MemoryContextSwitchTo(table->estate->es_query_cxt);
	IntakeOwner saved;

	intake_owner_begin(&saved);
	for (int i = table->shape.columns; i < slot->tts_tupleDescriptor->natts; i++)
	{
		ExprState *expression = table->added[i - table->shape.columns];

		if (expression != NULL)
			slot->tts_values[i] = ExecEvalExpr(expression, context, &slot->tts_isnull[i]);
	}
	if (RelationGetDescr(table->relation)->constr != NULL)
		ExecConstraints(table->info, slot, table->estate);
	intake_owner_end(&saved);
	MemoryContextSwitchTo(old);
}

static void
store_values(IntakeTable *table, TupleTableSlot *slot, const Datum *values, const bool *nulls)
{
	int ours = table->shape.columns;

	ExecClearTuple(slot);
	memcpy(slot->tts_values, values, ours * sizeof(Datum));
	memcpy(slot->tts_isnull, nulls, ours * sizeof(bool));
	for (int i = ours; i < slot->tts_tupleDescriptor->natts; i++)
	{
		slot->tts_values[i] = (Datum) 0;
		slot->tts_isnull[i] = true;
	}
	ExecStoreVirtualTuple(slot);
	if (table->shape.additions)
		respect_additions(table, slot);
}

/*
 * Inserts a row, and leaves its place in table->slot->tts_tid. A unique violation is an
 * error.
 */
void
intake_table_insert(IntakeTable *table, const Datum *values, const bool *nulls)
{
	open_indexes(table, false);
	store_values(table, table->slot, values, nulls);
	table_tuple_insert(table->relation, table->slot, GetCurrentCommandId(true), 0, NULL);
	ExecInsertIndexTuples(table->info, table->slot, table->estate, false, false, NULL, NIL, false);
	if (table->followed)
		tell_followers(table, table->slot, NULL);
	ResetPerTupleExprContext(table->estate);
}

/* Tells the indexes of a ROW, unless they know it of PREVIOUS, inserted together with it (or NULL). */
static void
index_row(IntakeTable *table, TupleTableSlot *previous, TupleTableSlot *row)
{
	ResultRelInfo *info = table->info;
	int all = info->ri_NumIndices;

	if (previous != NULL && table->n_exact < all &&
		intake_range_said(info, table->n_exact, previous, row))
		info->ri_NumIndices = table->n_exact;
	ExecInsertIndexTuples(info, row, table->estate, false, true, &table->taken, NIL, false);
	info->ri_NumIndices = all;
}

/* Inserts the rows that were added, unless a key was taken and all of them will be undone. */
static void
insert_rows(IntakeTable *table)
{
	int count = table->taken ? 0 : table->n_rows;
	BulkInsertStateData bulk;

	table->n_rows = 0;
	if (count == 0)
		return;
	open_indexes(table, false);
	bulk = intake_compat_bulk(table->streams ? intake_space_ring() : NULL);
	if (table->grows)
		intake_space_reserve(table->relation, bulk.strategy);
	table_multi_insert(table->relation, table->rows, count, GetCurrentCommandId(true), 0,
					   bulk.strategy ? &bulk : NULL);
	ReleaseBulkInsertStatePin(&bulk);
	if (table->streams)
		intake_space_forget(table->relation,
							ItemPointerGetBlockNumber(&table->rows[count - 1]->tts_tid));
	for (int i = 0; i < count && !table->taken; i++)
	{
		if (table->places[i] != NULL)
			*table->places[i] = table->rows[i]->tts_tid;
		index_row(table, i > 0 ? table->rows[i - 1] : NULL, table->rows[i]);
		if (table->followed && !table->taken)
			tell_followers(table, table->rows[i], NULL);
		ResetPerTupleExprContext(table->estate);
	}
}

/*
 * Adds a row to those that are inserted together, page by page instead of one by one, at
 * intake_table_flush or before. What VALUES point to stays until then, and PLACE, unless it is
 * NULL, receives the row's place.
 */
void
intake_table_add(IntakeTable *table, const Datum *values, const bool *nulls, ItemPointer place)
{
	if (table->n_rows == INTAKE_TABLE_ROWS)
		insert_rows(table);
	if (table->n_rows == table->n_slots)
	{
		MemoryContext old = MemoryContextSwitchTo(table->estate->es_query_cxt);

		table->rows[table->n_slots++] = table_slot_create(table->relation, NULL);
		MemoryContextSwitchTo(old);
	}
	table->places[table->n_rows] = place;
	store_values(table, table->rows[table->n_rows++], values, nulls);
}

/*
 * Inserts the rows that were added and are not there yet. Waits for nobody. Returns false when
 * the key of a row was taken, maybe by a transaction in progress: the caller has to undo this.
 */
bool
intake_table_flush(IntakeTable *table)
{
	bool taken;

	insert_rows(table);
	taken = table->taken;
	table->taken = false;
	return !taken;
}

/*
 * Whether a row with the key of VALUES is there, in a transaction that committed or in this
 * one; its place is then in CONFLICT. Waits for a transaction in progress that has inserted
 * the key.
 */
bool
intake_table_conflicts(IntakeTable *table, const Datum *values, const bool *nulls,
					   ItemPointer conflict)
{
	open_indexes(table, true);
	store_values(table, table->slot, values, nulls);
	return !ExecCheckIndexConstraints(table->info, table->slot, table->estate, conflict, NULL, NIL);
}

/*
 * Inserts a row whose key was found free. Returns false when another transaction was faster:
 * then nothing was inserted, and the caller looks again.
 */
bool
intake_table_insert_unique(IntakeTable *table, const Datum *values, const bool *nulls)
{
	TransactionId xid = GetCurrentTransactionId();
	uint32 token = SpeculativeInsertionLockAcquire(xid);
	bool lost = false;

	open_indexes(table, true);
	store_values(table, table->slot, values, nulls);
	table_tuple_insert_speculative(table->relation, table->slot, GetCurrentCommandId(true), 0, NULL,
								   token);
	ExecInsertIndexTuples(table->info, table->slot, table->estate, false, true, &lost, NIL, false);
	table_tuple_complete_speculative(table->relation, table->slot, token, !lost);
	SpeculativeInsertionLockRelease(xid);
	if (table->followed && !lost)
		tell_followers(table, table->slot, NULL);
	ResetPerTupleExprContext(table->estate);
	return !lost;
}

/* Whether a table has a block. Up to this process's last insertion it has, without asking. */
static bool
has_block(Relation relation, BlockNumber block)
{
	BlockNumber target = RelationGetTargetBlock(relation);

	return (target != InvalidBlockNumber && block <= target) ||
		   block < RelationGetNumberOfBlocks(relation);
}

/*
 * Begins a scan of RELATION, in the order of its index INDEX (NULL: its primary key), for the
 * rows that the active snapshot sees. KEYS number the columns of the index.
 */
void
intake_table_scan_begin(IntakeScan *scan, Oid relation, const char *index, ScanKey keys, int nkeys)
{
	Oid index_oid;

	intake_table_lock(relation, AccessShareLock);
	scan->relation = table_open(relation, NoLock);
	(void) intake_shape_check(scan->relation, false);
	index_oid = index ? get_relname_relid(index, RelationGetNamespace(scan->relation))
					  : RelationGetPrimaryKeyIndex(scan->relation, false);
	scan->index = index_open(index_oid, AccessShareLock);
	scan->scan = index_beginscan(scan->relation, scan->index, GetActiveSnapshot(), NULL, nkeys, 0);
	index_rescan(scan->scan, keys, nkeys, NULL, 0);
	scan->slot = table_slot_create(scan->relation, NULL);
}

/*
 * Begins and ends at the row at TID, a place that may come from another transaction: reads it into
 * scan->slot. Returns false where the active snapshot sees none there. It may be another row by now.
 */
bool
intake_table_scan_place(IntakeScan *scan, Oid relation, ItemPointer tid)
{
	intake_table_lock(relation, AccessShareLock);
	scan->relation = table_open(relation, NoLock);
	scan->index = NULL;
	scan->scan = NULL;
	(void) intake_shape_check(scan->relation, false);
	scan->slot = table_slot_create(scan->relation, NULL);
	return has_block(scan->relation, ItemPointerGetBlockNumber(tid)) &&
		   table_tuple_fetch_row_version(scan->relation, tid, GetActiveSnapshot(), scan->slot);
}

/* Begins again, with other keys, as many as there were. */
void
intake_table_scan_again(IntakeScan *scan, ScanKey keys, int nkeys)
{
	index_rescan(scan->scan, keys, nkeys, NULL, 0);
}

/* Moves to the next row: its columns are then in scan->slot. Returns false at the end. */
bool
intake_table_scan_next(IntakeScan *scan)
{
	CHECK_FOR_INTERRUPTS();
	if (!index_getnext_slot(scan->scan, ForwardScanDirection, scan->slot))
		return false;
	slot_getallattrs(scan->slot);
	return true;
}

/*
 * Whether there is a next row. Those that are gone, and that an old snapshot keeps in the index, are
 * looked at one by one: after MOST of them it is taken for granted.
 */
bool
intake_table_scan_any(IntakeScan *scan, int most)
{
	for (int i = 0; i < most; i++)
	{
		if (index_getnext_tid(scan->scan, ForwardScanDirection) == NULL)
			return false;
		if (index_fetch_heap(scan->scan, scan->slot))
			return true;
	}
	return true;
}

void
intake_table_scan_end(IntakeScan *scan)
{
	ExecDropSingleTupleTableSlot(scan->slot);
	if (scan->index != NULL)
	{
		index_endscan(scan->scan);
		index_close(scan->index, NoLock);
	}
	table_close(scan->relation, NoLock);
}

/* Reads the row at TID as it is now, with all that this transaction has done, into table->slot. */
static bool
look(IntakeTable *table, ItemPointer tid)
{
	return table_tuple_fetch_row_version(table->relation, tid, SnapshotSelf, table->slot);
}

/*
 * Reads the row at TID, a place that may come from another transaction. Returns false if there is
 * none. It may be another row by now, because the table may have been rewritten.
 */
bool
intake_table_look(IntakeTable *table, ItemPointer tid)
{
	if (!has_block(table->relation, ItemPointerGetBlockNumber(tid)) || !look(table, tid))
		return false;
	slot_getallattrs(table->slot);
	return true;
}

/* The same for the row whose primary key, a bigint, is KEY, if it is there. */
bool
intake_table_look_up(IntakeTable *table, int64 key)
{
	IntakeScan scan;
	ScanKeyData scan_key;
	ItemPointerData tid;
	bool found;

	PushActiveSnapshot(GetLatestSnapshot());
	ScanKeyInit(&scan_key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(key));
	intake_table_scan_begin(&scan, RelationGetRelid(table->relation), NULL, &scan_key, 1);
	found = intake_table_scan_next(&scan);
	if (found)
		tid = scan.slot->tts_tid;
	intake_table_scan_end(&scan);
	PopActiveSnapshot();
	return found && intake_table_look(table, &tid);
}

/*
 * Deletes the row that intake_table_look has found. Returns false when another transaction has
 * changed it. While another one is about to, waits for its end if WAIT, and returns false if not.
 */
bool
intake_table_remove(IntakeTable *table, bool wait)
{
	TM_FailureData failure;

	if (table_tuple_delete(table->relation, &table->slot->tts_tid, GetCurrentCommandId(true),
						   InvalidSnapshot, InvalidSnapshot, wait, &failure, false) != TM_Ok)
		return false;
	if (table->followed)
		tell_followers(table, NULL, &table->slot->tts_tid);
	return true;
}

/*
 * Deletes the row at TID, which a scan of this transaction has found. Returns false, without
 * waiting, when this transaction has deleted it since, or another one has changed it or is about
 * to.
 */
bool
intake_table_delete(IntakeTable *table, ItemPointer tid)
{
	return look(table, tid) && intake_table_remove(table, false);
}

/* Reads the row at TID into table->slot, visible or not. */
bool
intake_table_fetch(IntakeTable *table, ItemPointer tid)
{
	if (!table_tuple_fetch_row_version(table->relation, tid, SnapshotAny, table->slot))
		return false;
	slot_getallattrs(table->slot);
	return true;
}

/* Whether this transaction has inserted the row that was fetched. */
bool
intake_table_is_own(IntakeTable *table)
{
	bool null;
	Datum xmin = slot_getsysattr(table->slot, MinTransactionIdAttributeNumber, &null);

	return TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin));
}

/*
 * Locks the row that was fetched until this transaction ends. If others have it locked, waits for them
 * if WAIT, and returns false if not; so it does where one of them has changed the row.
 */
bool
intake_table_hold(IntakeTable *table, bool wait)
{
	ItemPointerData tid = table->slot->tts_tid;
	TM_FailureData failure;

	if (table_tuple_lock(table->relation, &tid, SnapshotSelf, table->slot,
						 GetCurrentCommandId(true), LockTupleExclusive,
						 wait ? LockWaitBlock : LockWaitSkip, 0, &failure) != TM_Ok)
		return false;
	slot_getallattrs(table->slot);
	return true;
}

/* Closes a table; rows that were added and not inserted yet are, and a taken key is an error. */
void
intake_table_close(IntakeTable *table)
{
	if (!intake_table_flush(table))
		ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION),
						errmsg("a row with this key is in table \"%s\" already",
							   RelationGetRelationName(table->relation))));
	for (int i = 0; i < table->n_slots; i++)
		ExecDropSingleTupleTableSlot(table->rows[i]);
	ExecDropSingleTupleTableSlot(table->slot);
	ExecCloseIndices(table->info);
	ExecResetTupleTable(table->estate->es_tupleTable, false);
	FreeExecutorState(table->estate);
	table_close(table->relation, NoLock);
}
