/*
 * rowtype.c
 *		Rows of the extension's composite types.
 *
 * Somebody may have given such a type more attributes, or changed those that it had: a row is
 * formed and read by what the catalogue says, not by what the code was written for.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "utils/typcache.h"

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

/*
 * Reads all attributes of a ROW. Raises an error where it does not fit: then the type, NAME to people, was
 * altered. The values stay where the row is. Returns its descriptor, for the caller to release.
 */
TupleDesc
intake_rowtype_read(Datum row, const char *name, const Oid *types, int count, Datum **values,
					bool **nulls)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(row);
	TupleDesc descriptor =
		lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};

	if (!intake_rowtype_fits(descriptor, types, count))
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("the type %s is not what pg_intake reads", name),
						errhint("Undo what was altered; attributes behind its own may stay.")));
	*values = palloc(descriptor->natts * sizeof(Datum));
	*nulls = palloc(descriptor->natts * sizeof(bool));
	heap_deform_tuple(&tuple, descriptor, *values, *nulls);
	return descriptor;
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
