/*
 * rowtype.c
 *		Rows of the extension's composite types, intake.job and intake.answer.
 *
 * Somebody may have given such a type more attributes, or changed those that it had: a row is
 * formed by what the catalogue says, not by what the code was written for.
 */
#include "postgres.h"

#include "access/htup_details.h"

#include "ground/rowtype.h"

/* Whether the first COUNT attributes of a row are of TYPES. There may be more. */
bool
intake_rowtype_fits(TupleDesc descriptor, const Oid *types, int count)
{
	if (descriptor->natts < count)
		return false;
	for (int i = 0; i < count; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);

		if (attribute->attisdropped || attribute->atttypid != types[i])
			return false;
	}
	return true;
}

/* Forms a row that fits: the first COUNT attributes are VALUES, those behind them are NULL. */
HeapTuple
intake_rowtype_form(TupleDesc descriptor, const Datum *values, const bool *nulls, int count)
{
	Datum *all_values = palloc0(descriptor->natts * sizeof(Datum));
	bool *all_nulls = palloc(descriptor->natts * sizeof(bool));

	memset(all_nulls, true, descriptor->natts * sizeof(bool));
	memcpy(all_values, values, count * sizeof(Datum));
	memcpy(all_nulls, nulls, count * sizeof(bool));
	return heap_form_tuple(descriptor, all_values, all_nulls);
}
