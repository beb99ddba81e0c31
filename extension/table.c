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
#include "access/hio.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "intake.h"
#include "owner.h"
#include "space.h"
#include "table.h"

/* The OID of table NAME of the extension. Raises an error when there is none. */
Oid
intake_table_oid(const char *name)
{
	Oid schema = get_namespace_oid(INTAKE_SCHEMA, false);
	Oid oid = get_relname_relid(name, schema);

	if (!OidIsValid(oid))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("table \"%s.%s\" does not exist", INTAKE_SCHEMA, name),
						errhint("Drop and create the extension pg_intake again.")));
	return oid;
}

/* The name of the first column of a table of the extension. */
static const char *
first_column(const char *table)
{
	return quote_identifier(get_attname(intake_table_oid(table), 1, false));
}

/*
 * The OID of the partition of PARENT (event or done) that holds row ID. It is made, as the
 * owner of the extension, when it is not there yet; concurrent makers take turns at a lock on
 * PARENT that neither readers nor writers of the partitions meet.
 */
Oid
intake_table_partition(const char *parent, int64 id)
{
	char name[NAMEDATALEN];
	Oid schema = get_namespace_oid(INTAKE_SCHEMA, false);
	Oid oid;
	int64 low = id - id % INTAKE_PARTITION_ROWS;

	snprintf(name, sizeof(name), "%s_" INT64_FORMAT, parent, low);
	oid = get_relname_relid(name, schema);
	if (OidIsValid(oid))
		return oid;

	LockRelationOid(intake_table_oid(parent), ShareUpdateExclusiveLock);
	oid = get_relname_relid(name, schema);
	if (!OidIsValid(oid))
	{
		/*
		 * The first column is the id. Rows only come, and go with the partition: VACUUM would
		 * but write every page once more. It still freezes what has become old.
		 */
		intake_owner_execute(psprintf("CREATE TABLE intake.%s (LIKE intake.%s INCLUDING ALL, "
									  "PRIMARY KEY (%s)) "
									  "WITH (autovacuum_vacuum_insert_threshold = -1)",
									  name, parent, first_column(parent)));
		intake_owner_execute(psprintf("ALTER TABLE intake.%s ATTACH PARTITION intake.%s "
									  "FOR VALUES FROM (" INT64_FORMAT ") TO (" INT64_FORMAT ")",
									  parent, name, low, low + INTAKE_PARTITION_ROWS));
		oid = get_relname_relid(name, schema);
	}
	return oid;
}

/* Opens RELATION for writing. Its memory is the current context's until intake_table_close. */
void
intake_table_open(IntakeTable *table, Oid relation)
{
	table->relation = table_open(relation, RowExclusiveLock);
	table->estate = CreateExecutorState();
	table->info = makeNode(ResultRelInfo);
	InitResultRelInfo(table->info, table->relation, 0, NULL, 0);
	ExecOpenIndices(table->info, true);
	table->slot = table_slot_create(table->relation, NULL);
	table->n_rows = table->n_slots = 0;
	table->taken = false;
	table->grows = table->streams = false;
}

static void
store_values(TupleTableSlot *slot, const Datum *values, const bool *nulls)
{
	int columns = slot->tts_tupleDescriptor->natts;

	ExecClearTuple(slot);
	memcpy(slot->tts_values, values, columns * sizeof(Datum));
	memcpy(slot->tts_isnull, nulls, columns * sizeof(bool));
	ExecStoreVirtualTuple(slot);
}

/*
 * Inserts a row, and leaves its place in table->slot->tts_tid. A unique violation is an
 * error.
 */
void
intake_table_insert(IntakeTable *table, const Datum *values, const bool *nulls)
{
	store_values(table->slot, values, nulls);
	table_tuple_insert(table->relation, table->slot, GetCurrentCommandId(true), 0, NULL);
	ExecInsertIndexTuples(table->info, table->slot, table->estate, false, false, NULL, NIL);
	ResetPerTupleExprContext(table->estate);
}

/* Inserts the rows that wait, unless all is to be undone. */
static void
insert_rows(IntakeTable *table)
{
	int count = table->taken ? 0 : table->n_rows;
	BulkInsertStateData bulk = {.current_buf = InvalidBuffer};

	table->n_rows = 0;
	if (count == 0)
		return;
#if PG_VERSION_NUM >= 160000
	bulk.next_free = bulk.last_free = InvalidBlockNumber;
#endif
	bulk.strategy = table->streams ? intake_space_ring() : NULL;
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
		ExecInsertIndexTuples(table->info, table->rows[i], table->estate, false, true,
							  &table->taken, NIL);
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
	store_values(table->rows[table->n_rows++], values, nulls);
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
	store_values(table->slot, values, nulls);
	return !ExecCheckIndexConstraints(table->info, table->slot, table->estate, conflict, NIL);
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

	store_values(table->slot, values, nulls);
	table_tuple_insert_speculative(table->relation, table->slot, GetCurrentCommandId(true), 0, NULL,
								   token);
	ExecInsertIndexTuples(table->info, table->slot, table->estate, false, true, &lost, NIL);
	table_tuple_complete_speculative(table->relation, table->slot, token, !lost);
	SpeculativeInsertionLockRelease(xid);
	ResetPerTupleExprContext(table->estate);
	return !lost;
}

/*
 * Deletes the row at TID. Returns false, without waiting, when another transaction has
 * changed it or is about to.
 */
bool
intake_table_delete(IntakeTable *table, ItemPointer tid)
{
	TM_FailureData failure;

	return table_tuple_delete(table->relation, tid, GetCurrentCommandId(true), GetActiveSnapshot(),
							  InvalidSnapshot, false, &failure, false) == TM_Ok;
}

/* Reads the row at TID, whoever may see it, into table->slot. */
bool
intake_table_fetch(IntakeTable *table, ItemPointer tid)
{
	if (!table_tuple_fetch_row_version(table->relation, tid, SnapshotAny, table->slot))
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
	FreeExecutorState(table->estate);
	table_close(table->relation, NoLock);
}

/*
 * Begins a scan of RELATION, in the order of its index INDEX (NULL: its primary key), for the
 * rows that the active snapshot sees. KEYS number the columns of the index.
 */
void
intake_table_scan_begin(IntakeScan *scan, Oid relation, const char *index, ScanKey keys, int nkeys)
{
	Oid index_oid;

	scan->relation = table_open(relation, AccessShareLock);
	index_oid = index ? get_relname_relid(index, RelationGetNamespace(scan->relation))
					  : RelationGetPrimaryKeyIndex(scan->relation);
	scan->index = index_open(index_oid, AccessShareLock);
	scan->scan = index_beginscan(scan->relation, scan->index, GetActiveSnapshot(), nkeys, 0);
	index_rescan(scan->scan, keys, nkeys, NULL, 0);
	scan->slot = table_slot_create(scan->relation, NULL);
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

void
intake_table_scan_end(IntakeScan *scan)
{
	ExecDropSingleTupleTableSlot(scan->slot);
	index_endscan(scan->scan);
	index_close(scan->index, NoLock);
	table_close(scan->relation, NoLock);
}
