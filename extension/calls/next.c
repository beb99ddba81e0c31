/*
 * next.c
 *		What a handler returns to say what comes next: a row of type intake.next.
 *
 * The functions that make such a row check what they are given, but a handler may have made it by
 * ROW(...), or got it from anywhere. So nothing of it is taken for granted.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "calls/next.h"
#include "ground/intake.h"
#include "ground/rowtype.h"

enum
{
	next_act,
	next_step,
	next_state,
	next_args,
	next_requests,
	next_columns
};

/* A type of the extension's schema, or InvalidOid. */
Oid
intake_next_type(const char *name)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(name),
						   ObjectIdGetDatum(get_namespace_oid(INTAKE_SCHEMA, true)));
}

/* A row of one of the extension's types. */
Datum
intake_next_form(const char *type, const NullableDatum *columns, int count)
{
	TupleDesc descriptor = lookup_rowtype_tupdesc(intake_next_type(type), -1);
	Datum *values = palloc(count * sizeof(Datum));
	bool *nulls = palloc(count * sizeof(bool));
	Datum row;

	for (int i = 0; i < count; i++)
	{
		values[i] = columns[i].value;
		nulls[i] = columns[i].isnull;
	}
	row =
		heap_copy_tuple_as_datum(intake_rowtype_form(descriptor, values, nulls, count), descriptor);
	ReleaseTupleDesc(descriptor);
	return row;
}

static const char *
read_text(Datum value, bool null)
{
	return null ? NULL : TextDatumGetCString(value);
}

/* JSON null stands for none, as it does where somebody clears what the job kept. */
static Jsonb *
read_jsonb(Datum value, bool null)
{
	Jsonb *json = null ? NULL : DatumGetJsonbPCopy(value);
	JsonbValue scalar;

	if (json != NULL && JsonbExtractScalar(&json->root, &scalar) && scalar.type == jbvNull)
		return NULL;
	return json;
}

/* Reads a ROW of type intake.next. */
void
intake_next_read(Datum row, IntakeNext *next)
{
	Oid requests = get_array_type(intake_next_type("request"));
	const Oid types[next_columns] = {TEXTOID, TEXTOID, JSONBOID, JSONBOID, requests};
	Datum *values;
	bool *nulls;
	TupleDesc descriptor =
		intake_rowtype_read(row, "intake.next", types, next_columns, &values, &nulls);

	ReleaseTupleDesc(descriptor);
	next->act = read_text(values[next_act], nulls[next_act]);
	next->step = read_text(values[next_step], nulls[next_step]);
	next->keep_state = nulls[next_state];
	next->state = read_jsonb(values[next_state], nulls[next_state]);
	next->args = read_jsonb(values[next_args], nulls[next_args]);
	next->requests = nulls[next_requests] ? NULL : DatumGetArrayTypePCopy(values[next_requests]);
}

/* A member of args, as text; NULL: there is none, or it is null, or no scalar. */
const char *
intake_next_argument(const IntakeNext *next, const char *name)
{
	JsonbValue value;
	JsonbValue *found;

	if (next->args == NULL || !JB_ROOT_IS_OBJECT(next->args))
		return NULL;
	found = getKeyJsonValueFromContainer(&next->args->root, name, strlen(name), &value);
	if (found == NULL)
		return NULL;
	if (found->type == jbvString)
		return pnstrdup(found->val.string.val, found->val.string.len);
	if (found->type == jbvNumeric)
		return numeric_normalize(found->val.numeric);
	return NULL;
}
