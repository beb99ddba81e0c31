/*
 * shape.c
 *		What the extension's tables must look like for table.c to read and write them.
 *
 * table.c knows columns by their numbers, so a table that somebody has altered, a partition
 * that was attached with its columns in another order, and a library that is older or newer
 * than the schema are found here, before a row is touched, and are errors. What is added to a
 * table without harm is none: columns behind ours, indexes, CHECK and NOT NULL constraints.
 *
 * The answer is kept until the server says that the relation has changed.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/partition.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/reltrigger.h"
#include "utils/syscache.h"

#include "ground/columns.h"
#include "ground/compat.h"
#include "ground/intake.h"
#include "ground/shape.h"

PG_FUNCTION_INFO_V1(intake_sql_table_problem);

/* The answer for a relation, kept. */
typedef struct Checked
{
	Oid oid; /* hash key */
	bool readable;
	bool writable;
	IntakeShape shape;
} Checked;

/* What is known of RELATION, or of the table that it is a partition of; NULL: nothing. */
static const IntakeColumns *
find_table(Relation relation)
{
	const char *name = RelationGetRelationName(relation);

	if (relation->rd_rel->relispartition)
		name = get_rel_name(get_partition_parent(RelationGetRelid(relation), true));
	return name ? intake_columns_of(name) : NULL;
}

static const char *
column_problem(const IntakeColumn *expected, TupleDesc descriptor, int i)
{
	Form_pg_attribute column = i < descriptor->natts ? TupleDescAttr(descriptor, i) : NULL;

	if (column == NULL || column->attisdropped ||
		strcmp(NameStr(column->attname), expected->name) != 0)
		return psprintf("its column %d is not \"%s\"", i + 1, expected->name);
	if (column->atttypid != expected->type)
		return psprintf("its column \"%s\" has type %s instead of %s", expected->name,
						format_type_be(column->atttypid), format_type_be(expected->type));
	if (!column->attnotnull && !expected->nullable)
		return psprintf("its column \"%s\" has lost its NOT NULL", expected->name);
	return NULL;
}

/*
 * Whether the primary key of RELATION is on these columns, in this order. Asks for a row of the
 * catalogue: to open the index of each room would take a process that has just started too long.
 */
static bool
has_key(Relation relation, const AttrNumber *columns)
{
	Oid oid = RelationGetPrimaryKeyIndex(relation, false);
	HeapTuple tuple = OidIsValid(oid) ? SearchSysCache1(INDEXRELID, ObjectIdGetDatum(oid)) : NULL;
	Form_pg_index index;
	int n = 0;
	bool same;

	if (!HeapTupleIsValid(tuple))
		return false;
	index = (Form_pg_index) GETSTRUCT(tuple);
	while (n < INTAKE_COLUMNS_KEYS && columns[n] != 0)
		n++;
	same = index->indnkeyatts == n;
	for (int i = 0; same && i < n; i++)
		same = index->indkey.values[i] == columns[i];
	ReleaseSysCache(tuple);
	return same;
}

/* Why a table cannot be read by the numbers of its columns, or NULL. */
static const char *
reading_problem(const IntakeColumns *table, Relation relation)
{
	const char *problem = NULL;

	if (table == NULL)
		return "it is neither a table of pg_intake nor a partition of one";
	for (int i = 0; i < table->n_columns && problem == NULL; i++)
		problem = column_problem(&table->columns[i], RelationGetDescr(relation), i);
	if (problem == NULL && table->key[0] != 0 &&
		relation->rd_rel->relkind != RELKIND_PARTITIONED_TABLE && !has_key(relation, table->key))
		problem = "its primary key is gone, or another one";
	return problem;
}

/* The constraint that only triggers check, which direct writes do not call, or NULL. */
static const char *
constraint_by_trigger(const TriggerDesc *triggers)
{
	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		if (triggers->triggers[i].tgisinternal && OidIsValid(triggers->triggers[i].tgconstraint))
			return get_constraint_name(triggers->triggers[i].tgconstraint);
	return NULL;
}

/* Why a column cannot be filled, or NULL. */
static const char *
filling_problem(Form_pg_attribute column, bool ours)
{
	if (column->attisdropped)
		return NULL;
	if (column->attgenerated)
		return "is generated";
	if (!ours && column->attnotnull && !column->atthasdef && !column->attidentity &&
		get_typtype(column->atttypid) != TYPTYPE_DOMAIN)
		return "is NOT NULL and has no default";
	return NULL;
}

/* Why a table that can be read cannot be written directly, or NULL. */
static const char *
writing_problem(const IntakeColumns *table, Relation relation)
{
	TupleDesc descriptor = RelationGetDescr(relation);
	const char *constraint = constraint_by_trigger(relation->trigdesc);

	if (relation->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED)
		return "it is unlogged, and a crash would empty it";
	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(descriptor, i);
		const char *problem = filling_problem(column, i < table->n_columns);

		if (problem != NULL)
			return psprintf("its column \"%s\" %s", NameStr(column->attname), problem);
	}
	if (constraint != NULL)
		return psprintf("its constraint \"%s\" is a foreign key or deferrable", constraint);
	return NULL;
}

/* What is wrong with RELATION, or NULL. */
static const char *
find_problem(Relation relation, bool writes)
{
	const IntakeColumns *table = find_table(relation);
	const char *problem = reading_problem(table, relation);

	return problem == NULL && writes ? writing_problem(table, relation) : problem;
}

static IntakeShape
describe(const IntakeColumns *table, Relation relation)
{
	TupleDesc descriptor = RelationGetDescr(relation);
	IntakeShape shape = {.columns = table->n_columns};

	shape.additions = descriptor->constr != NULL && descriptor->constr->num_check > 0;
	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(descriptor, i);

		if (i < table->n_columns)
			shape.additions |= column->attnotnull && table->columns[i].nullable;
		else
			shape.additions |= !column->attisdropped;
	}
	return shape;
}

static HTAB *checked_tables = NULL;
static uint64 changes = 1;

/* The server has read a relation, or all, anew. */
static void
forget(Datum arg, Oid oid)
{
	HASH_SEQ_STATUS status;
	Checked *checked;

	hash_seq_init(&status, checked_tables);
	while ((checked = hash_seq_search(&status)) != NULL)
		if (!OidIsValid(oid) || checked->oid == oid)
		{
			checked->readable = checked->writable = false;
			changes++;
		}
}

static Checked *
find_checked(Oid oid)
{
	HASHCTL control = {.keysize = sizeof(Oid), .entrysize = sizeof(Checked)};
	Checked *checked;
	bool found;

	if (checked_tables == NULL)
	{
		checked_tables = hash_create("pg_intake shapes", 16, &control, HASH_ELEM | HASH_BLOBS);
		CacheRegisterRelcacheCallback(forget, (Datum) 0);
	}
	checked = hash_search(checked_tables, &oid, HASH_ENTER, &found);
	if (!found)
		checked->readable = checked->writable = false;
	return checked;
}

/* Grows when a table that was checked may have changed. */
uint64
intake_shape_changes(void)
{
	return changes;
}

/*
 * Raises an error where RELATION, which is open and locked, cannot be read or written by the
 * numbers of its columns.
 */
IntakeShape
intake_shape_check(Relation relation, bool writes)
{
	Checked *checked = find_checked(RelationGetRelid(relation));
	const char *problem;

	if (writes ? checked->writable : checked->readable)
		return checked->shape;
	problem = find_problem(relation, writes);
	if (problem != NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s.%s\" cannot be used: %s",
					get_namespace_name(RelationGetNamespace(relation)),
					RelationGetRelationName(relation), problem),
			 errhint("Undo what was altered. After an update of the library, restart the server "
					 "and run ALTER EXTENSION pg_intake UPDATE.")));
	checked->shape = describe(find_table(relation), relation);
	checked->readable = true;
	checked->writable |= writes;
	return checked->shape;
}

/* SQL: intake.table_problem(relation). */
Datum
intake_sql_table_problem(PG_FUNCTION_ARGS)
{
	Relation relation = relation_open(PG_GETARG_OID(0), AccessShareLock);
	const IntakeColumns *table = find_table(relation);
	const char *problem = table ? find_problem(relation, !table->read_only) : NULL;

	relation_close(relation, AccessShareLock);
	if (problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem));
}
