/*
 * change.c
 *		The trigger on the tables of the configuration.
 *
 * It says which piece a row belongs to: its arguments are the kind of piece, and the column that
 * names it. A trigger that is not for rows says that all of the kind may have changed.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "ground/datum.h"
#include "ground/piece.h"
#include "queue/announce.h"
#include "read/word.h"

PG_FUNCTION_INFO_V1(intake_sql_config_changed);

static const char *const kinds[INTAKE_PIECE_KINDS] = {"workflow", "source", "scheme"};

/* The piece that a row belongs to; 0 where that cannot be told. */
static int32
piece_of(HeapTuple row, TupleDesc shape, const char *column)
{
	int number = SPI_fnumber(shape, column);
	bool null;
	Datum value;
	IntakeSlice name;

	if (number <= 0)
		return 0;
	value = heap_getattr(row, number, shape, &null);
	if (null)
		return 0;
	switch (TupleDescAttr(shape, number - 1)->atttypid)
	{
		case INT4OID:
			return DatumGetInt32(value);
		case TEXTOID:
			name = intake_datum_bytes(value);
			return intake_piece_named(name.data, name.len);
		default:
			return 0;
	}
}

static void
tell_rows(const TriggerData *trigger, IntakePieceKind kind, const char *column)
{
	TupleDesc shape = RelationGetDescr(trigger->tg_relation);
	int32 piece = piece_of(trigger->tg_trigtuple, shape, column);
	int32 moved_to = trigger->tg_newtuple ? piece_of(trigger->tg_newtuple, shape, column) : piece;

	intake_piece_changed(kind, piece);
	if (moved_to != piece)
		intake_piece_changed(kind, moved_to);
}

/* Trigger: after a row of the configuration changed, or a table of it was emptied. */
Datum
intake_sql_config_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	int kind;

	if (!CALLED_AS_TRIGGER(fcinfo) || trigger->tg_trigger->tgnargs != 2)
		elog(ERROR, "intake.config_changed is a trigger function with two arguments");
	if (!intake_word_find(trigger->tg_trigger->tgargs[0], kinds, lengthof(kinds), &kind))
		elog(ERROR, "there is no such piece of the configuration");
	if (TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		tell_rows(trigger, kind, trigger->tg_trigger->tgargs[1]);
	else
		intake_piece_changed(kind, 0);
	if (kind == INTAKE_PIECE_WORKFLOW)
		intake_announce_workflow();
	return PointerGetDatum(NULL);
}
