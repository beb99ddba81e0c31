/*
 * workflow.c
 *		Workflows, read from their table.
 *
 * They are read without SQL: no plan can be a bad one, and no privilege is asked for, so that an
 * executor, which is an ordinary role, needs none. Where an index is missing, the table is read
 * instead.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

#include "config/workflow.h"
#include "config/workflow_row.h"
#include "ground/compat.h"
#include "ground/database.h"
#include "ground/intake.h"
#include "ground/piece.h"
#include "ground/table.h"

PG_FUNCTION_INFO_V1(intake_sql_row_problem);

/* The table, open, and what was found there. */
typedef struct Reader
{
	Relation table;
	IntakeWorkflowRow *row;
	bool patterns;         /* only workflows with a pattern as source are wanted */
	MemoryContext scratch; /* for one row */
	MemoryContext context; /* for what is found */
	List *found;
} Reader;

/* ---- the table ---- */

static void
open_table(Reader *reader, MemoryContext context)
{
	Oid oid = intake_table_oid("workflow");

	intake_table_lock(oid, AccessShareLock);
	reader->table = table_open(oid, NoLock);
	intake_piece_read_from(INTAKE_PIECE_WORKFLOW, oid);
	reader->row = intake_workflow_row_make(RelationGetDescr(reader->table));
	if (reader->row->id == 0 || reader->row->source == 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("table \"%s.workflow\" cannot be used: it has lost a column",
							   INTAKE_SCHEMA),
						errhint("Undo what was altered.")));
	reader->scratch =
		AllocSetContextCreate(CurrentMemoryContext, "pg_intake workflow", ALLOCSET_DEFAULT_SIZES);
	reader->patterns = false;
	reader->context = context;
	reader->found = NIL;
}

static void
close_table(Reader *reader)
{
	MemoryContextDelete(reader->scratch);
	table_close(reader->table, NoLock);
}

/* Adds a row to what was found, unless the workflow was dropped or is not wanted. */
static void
take(Reader *reader, HeapTuple tuple)
{
	MemoryContext old = MemoryContextSwitchTo(reader->scratch);
	IntakeWorkflow workflow;
	bool wanted =
		intake_workflow_row_read(reader->row, tuple, RelationGetDescr(reader->table), &workflow) &&
		(workflow.source.wild || !reader->patterns);

	MemoryContextSwitchTo(old);
	if (wanted)
		reader->found = lappend(reader->found, intake_workflow_pack(&workflow, reader->context));
	MemoryContextReset(reader->scratch);
}

/*
 * Takes all rows that have KEY (NULL: all that the index has), by the newest snapshot. An index that
 * is not there, or not whole, is no reason not to find them.
 */
static void
take_all(Reader *reader, const char *index, ScanKey key)
{
	Oid oid = index ? get_relname_relid(index, RelationGetNamespace(reader->table))
					: RelationGetPrimaryKeyIndex(reader->table, false);
	bool usable = OidIsValid(oid) && get_index_isvalid(oid);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	SysScanDesc scan =
		systable_beginscan(reader->table, oid, usable, snapshot, key != NULL ? 1 : 0, key);
	HeapTuple tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		CHECK_FOR_INTERRUPTS();
		take(reader, tuple);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
}

/* Reads a workflow into CONTEXT; NULL: it was dropped, or never was. The caller is in a transaction. */
IntakeWorkflow *
intake_workflow_read(int32 id, MemoryContext context)
{
	Reader reader;
	ScanKeyData key;

	open_table(&reader, context);
	ScanKeyInit(&key, reader.row->id, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(id));
	take_all(&reader, NULL, &key);
	close_table(&reader);
	return reader.found == NIL ? NULL : linitial(reader.found);
}

/* Reads the workflows that have the name of a source as source. */
List *
intake_workflow_read_source(const char *source, MemoryContext context)
{
	Reader reader;
	ScanKeyData key;
	AttrNumber number;

	open_table(&reader, context);
	number = reader.row->source;
	ScanKeyInit(&key, number, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(source));
	key.sk_collation = TupleDescAttr(RelationGetDescr(reader.table), number - 1)->attcollation;
	take_all(&reader, "workflow_source", &key);
	close_table(&reader);
	return reader.found;
}

/* Reads the workflows that have a pattern as source. */
List *
intake_workflow_read_patterns(MemoryContext context)
{
	Reader reader;

	open_table(&reader, context);
	reader.patterns = true;
	take_all(&reader, "workflow_patterns", NULL);
	close_table(&reader);
	return reader.found;
}

/* ---- whether its jobs can run ---- */

bool
intake_workflow_is_looked_at(const IntakeWorkflow *workflow)
{
	return !workflow->here || intake_binding_is_fresh(&workflow->binding);
}

/* Looks whether its jobs can run, unless that is known. The caller is in a transaction. */
void
intake_workflow_look(IntakeWorkflow *workflow)
{
	bool bound = true;

	if (intake_workflow_is_looked_at(workflow))
		return;
	intake_binding_look(&workflow->binding);
	bound = workflow->binding.problem == NULL;
	workflow->problem = workflow->fault ? workflow->fault : workflow->binding.problem;
	workflow->active = workflow->problem == NULL && !workflow->paused;
	workflow->blocked = !bound && !workflow->paused;
}

/*
 * The role whose executors run the jobs of a workflow, which may be NULL, now; InvalidOid: none do.
 * If they wait for something outside, the server is to tell when that may have changed.
 */
Oid
intake_workflow_role(IntakeWorkflow *workflow)
{
	if (workflow == NULL)
		return InvalidOid;
	intake_workflow_look(workflow);
	if (workflow->blocked)
		intake_database_note_blocked();
	return workflow->active ? workflow->owner : InvalidOid;
}

/* ---- what a view shows ---- */

/* What reading rows that are at hand takes, kept while a query runs. */
static IntakeWorkflowRow *
row_of(FmgrInfo *function, TupleDesc shape)
{
	MemoryContext old = MemoryContextSwitchTo(function->fn_mcxt);

	if (function->fn_extra == NULL)
		function->fn_extra = intake_workflow_row_make(shape);
	MemoryContextSwitchTo(old);
	return function->fn_extra;
}

/*
 * SQL: why the jobs of the workflow that a row of the table is wait, or NULL. Looks at nothing but the
 * row, and keeps nothing, so that a view may show all workflows.
 */
Datum
intake_sql_row_problem(PG_FUNCTION_ARGS)
{
	HeapTupleHeader row = PG_GETARG_HEAPTUPLEHEADER(0);
	TupleDesc shape =
		lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(row), HeapTupleHeaderGetTypMod(row));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(row), .t_data = row};
	IntakeWorkflow workflow = {0};

	(void) intake_workflow_row_read(row_of(fcinfo->flinfo, shape), &tuple, shape, &workflow);
	ReleaseTupleDesc(shape);
	if (workflow.problem == NULL)
		workflow.problem = intake_binding_problem(workflow.owner, workflow.handler);
	if (workflow.problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(workflow.problem));
}
