/*
 * piece.c
 *		Pieces of the configuration, and who is told when one has changed.
 *
 * What has changed travels with the server's own invalidation messages, as if it were a relation:
 * so every process of the database gets it after the commit, over COMMIT PREPARED and on standbys,
 * too, and the process that changes something after each of its commands, and once more when it
 * rolls back. The oid of that relation says which piece it is. Nothing stands behind it in
 * pg_class; where a real relation has the same oid, each of the two is looked at once in vain.
 *
 * Rows may also change, or go, without a word of theirs: where triggers are disabled for a while, where
 * a table is dropped with the extension. So a message about a table that pieces were read from is one
 * about all of them. VACUUM and ANALYZE send such messages, too, which is rare enough.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "common/hashfn.h"
#include "nodes/pg_list.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "ground/piece.h"

/* Oids of pieces: this bit, which real ones hardly reach, then two of the kind, then the id. */
#define IS_PIECE 0x80000000U
#define ID_BITS 29
#define ID_MASK ((1U << ID_BITS) - 1)

/* A command that changes more pieces than that has changed all: the server compares each message of
 * a command with all others. */
#define MOST_OF_COMMAND 1000

#define MOST_TABLES 2 /* that pieces of a kind are read from */

static List *watchers[INTAKE_PIECE_KINDS];          /* of IntakePieceForget, in TopMemoryContext */
static Oid tables[INTAKE_PIECE_KINDS][MOST_TABLES]; /* the last one first */

/* ---- telling ---- */

/* The id of a piece that is known by a name. Two names may share it; it is never 0. */
int32
intake_piece_named(const char *name, size_t length)
{
	int32 id = hash_bytes((const unsigned char *) name, length) & ID_MASK;

	return id == 0 ? 1 : id;
}

static bool
is_one_too_many(void)
{
	static FullTransactionId transaction;
	static CommandId command;
	static int count;
	FullTransactionId this_transaction = GetTopFullTransactionId();
	CommandId this_command = GetCurrentCommandId(false);

	if (!FullTransactionIdEquals(transaction, this_transaction) || command != this_command)
		count = 0;
	transaction = this_transaction;
	command = this_command;
	return count++ >= MOST_OF_COMMAND;
}

/* Has the server send an invalidation of the relation with that oid: of it, it reads that only. */
static void
invalidate(Oid oid)
{
	union
	{
		HeapTupleHeaderData header;
		char bytes[MAXALIGN(SizeofHeapTupleHeader) + sizeof(FormData_pg_class)];
	} row = {0};
	HeapTupleData tuple = {.t_len = sizeof(row), .t_data = &row.header};
	Form_pg_class relation;

	row.header.t_hoff = MAXALIGN(SizeofHeapTupleHeader);
	relation = (Form_pg_class) GETSTRUCT(&tuple);
	relation->oid = oid;
	relation->relisshared = false;
	CacheInvalidateRelcacheByTuple(&tuple);
}

/*
 * Says that this transaction changes a piece. Id 0, or one that does not fit into a message: any of
 * that kind may have changed.
 */
void
intake_piece_changed(IntakePieceKind kind, int32 id)
{
	uint32 told = (uint32) id > ID_MASK || is_one_too_many() ? 0 : (uint32) id;

	invalidate(IS_PIECE | ((uint32) kind << ID_BITS) | told);
}

/* ---- being told ---- */

static void
tell(IntakePieceKind kind, int32 id)
{
	ListCell *cell;

	foreach (cell, watchers[kind])
		((IntakePieceForget) lfirst(cell))(id);
}

static bool
is_read_from(IntakePieceKind kind, Oid table)
{
	for (int i = 0; i < MOST_TABLES; i++)
		if (tables[kind][i] == table)
			return true;
	return false;
}

/* A relation has changed; InvalidOid: messages were lost, any may have. */
static void
take_in(Datum arg, Oid relation)
{
	uint32 kind = (relation & ~IS_PIECE) >> ID_BITS;

	for (int i = 0; i < INTAKE_PIECE_KINDS; i++)
		if (!OidIsValid(relation) || is_read_from(i, relation))
			tell(i, 0);
	if ((relation & IS_PIECE) != 0 && kind < INTAKE_PIECE_KINDS)
		tell(kind, relation & ID_MASK);
}

/*
 * Has this process call FORGET, from now on until it ends, when pieces of a kind have changed. What it
 * has read before that, it may have read too early.
 */
void
intake_piece_watch(IntakePieceKind kind, IntakePieceForget forget)
{
	static bool registered = false;
	MemoryContext old;

	if (!registered)
		CacheRegisterRelcacheCallback(take_in, (Datum) 0);
	registered = true;
	if (list_member_ptr(watchers[kind], forget))
		return;
	old = MemoryContextSwitchTo(TopMemoryContext);
	watchers[kind] = lappend(watchers[kind], forget);
	MemoryContextSwitchTo(old);
}

/* Notes that pieces of a kind are read from TABLE, which is open. */
void
intake_piece_read_from(IntakePieceKind kind, Oid table)
{
	if (is_read_from(kind, table))
		return;
	memmove(&tables[kind][1], &tables[kind][0], (MOST_TABLES - 1) * sizeof(Oid));
	tables[kind][0] = table;
}
