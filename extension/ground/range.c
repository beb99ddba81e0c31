/*
 * range.c
 *		Indexes that know ranges of pages (BRIN), told of rows that are inserted together.
 *
 * Such an index keeps the least and the greatest value of each range, so it learns nothing from a row
 * that has the same value as one before it in the same range, and being told costs more than all else
 * about it. Rows that are inserted together have the same time, and lie behind each other.
 *
 * All of them are in the table before the first is told. So when the range is summarized meanwhile,
 * whoever does that finds them there.
 */
#include "postgres.h"

#include "access/brin.h"
#include "catalog/pg_am.h"
#include "utils/rel.h"

#include "ground/range.h"

static bool
is_of_ranges(Relation index, const IndexInfo *info)
{
	if (index->rd_rel->relam != BRIN_AM_OID || info->ii_Expressions != NIL ||
		info->ii_Predicate != NIL)
		return false;
	for (int i = 0; i < RelationGetDescr(index)->natts; i++)
		if (!TupleDescAttr(RelationGetDescr(index), i)->attbyval)
			return false;
	return true;
}

/* Puts those of the open indexes behind the others. Returns how many others there are. */
int
intake_range_indexes_last(ResultRelInfo *info)
{
	int others = 0;

	for (int i = 0; i < info->ri_NumIndices; i++)
	{
		Relation index = info->ri_IndexRelationDescs[i];
		IndexInfo *index_info = info->ri_IndexRelationInfo[i];

		if (is_of_ranges(index, index_info))
			continue;
		info->ri_IndexRelationDescs[i] = info->ri_IndexRelationDescs[others];
		info->ri_IndexRelationInfo[i] = info->ri_IndexRelationInfo[others];
		info->ri_IndexRelationDescs[others] = index;
		info->ri_IndexRelationInfo[others++] = index_info;
	}
	return others;
}

static bool
is_same(const IndexInfo *index, TupleTableSlot *a, TupleTableSlot *b)
{
	for (int i = 0; i < index->ii_NumIndexAttrs; i++)
	{
		AttrNumber column = index->ii_IndexAttrNumbers[i];
		bool null;
		bool also_null;
		Datum value = slot_getattr(a, column, &null);
		Datum other = slot_getattr(b, column, &also_null);

		if (null != also_null || (!null && value != other))
			return false;
	}
	return true;
}

/*
 * Whether ROW says to no index from FIRST on what PREVIOUS, inserted together with it, has not said.
 */
bool
intake_range_said(ResultRelInfo *info, int first, TupleTableSlot *previous, TupleTableSlot *row)
{
	BlockNumber before = ItemPointerGetBlockNumber(&previous->tts_tid);
	BlockNumber block = ItemPointerGetBlockNumber(&row->tts_tid);

	for (int i = first; i < info->ri_NumIndices; i++)
	{
		BlockNumber pages = BrinGetPagesPerRange(info->ri_IndexRelationDescs[i]);

		if (before / pages != block / pages ||
			!is_same(info->ri_IndexRelationInfo[i], previous, row))
			return false;
	}
	return true;
}
