/*
 * pieces.c
 *		A large body that comes in pieces, so that it is in memory once.
 *
 * In one message, the server would hold it three times before the first line of ours runs. What was put
 * together belongs to the transaction, or the subtransaction, that its first piece came in: at the end
 * of that it is gone, and with the call that has taken it.
 */
#include "postgres.h"

#include <malloc.h>

#include "access/htup_details.h" /* varatt.h, which is younger than 15 */
#include "utils/memutils.h"

#include "ground/datum.h"
#include "ground/settings.h"
#include "receive/pieces.h"

#define KEPT_MEMORY (32 * 1024 * 1024) /* bytes */
#define LARGE_PIECE (1024 * 1024)      /* bytes */

typedef struct Pieces
{
	MemoryContext context;
	MemoryContextCallback callback; /* at the end of that */
	struct varlena *body;           /* NULL: it is larger than may be */
	Size room;
	Size length; /* without its header */
} Pieces;

static Pieces *pieces = NULL;

static void
forget(void *argument)
{
	if (pieces == argument)
		pieces = NULL;
}

/*
 * The C library keeps freed memory up to a size, and gives back pieces of more. Batches get their memory
 * back for the next one: to clear every page of it anew shows in large batches. What one large body
 * takes is not kept.
 */
static void
keep_freed(int bytes)
{
	static int now = 0;

	if (now != bytes && mallopt(M_MMAP_THRESHOLD, bytes) && mallopt(M_TRIM_THRESHOLD, bytes))
		now = bytes;
}

void
intake_pieces_keep_memory(void)
{
	keep_freed(KEPT_MEMORY);
}

static void
begin(void)
{
	MemoryContext context =
		AllocSetContextCreate(CurTransactionContext, "pg_intake pieces", ALLOCSET_SMALL_SIZES);

	keep_freed(LARGE_PIECE);
	pieces = MemoryContextAllocZero(context, sizeof(Pieces));
	pieces->context = context;
	pieces->callback = (MemoryContextCallback){.func = forget, .arg = pieces};
	MemoryContextRegisterResetCallback(context, &pieces->callback);
	pieces->room = 2 * LARGE_PIECE;
	pieces->body = MemoryContextAlloc(context, pieces->room);
}

/* Lets go of a body of which more has come than may be: how much it is, is all that matters. */
static void
let_go(void)
{
	if (pieces->body != NULL)
		pfree(pieces->body);
	pieces->body = NULL;
}

/* If there is no memory for it, what is there stays as it is. */
static void
make_room(Size needed)
{
	Size room = needed + pieces->room / 2;

	if (needed <= pieces->room)
		return;
	pieces->body = repalloc_huge(pieces->body, room);
	pieces->room = room;
}

/* Puts a piece behind those that are there. */
void
intake_pieces_put(Datum piece)
{
	IntakeSlice bytes = intake_datum_bytes(piece);

	if (pieces == NULL)
		begin();
	if (pieces->length + bytes.len > (Size) intake_settings_max_body_size * 1024)
		let_go();
	if (pieces->body != NULL)
	{
		make_room(pieces->length + bytes.len + VARHDRSZ);
		memcpy(VARDATA(pieces->body) + pieces->length, bytes.data, bytes.len);
	}
	pieces->length += bytes.len;
}

/* Whether pieces wait for their request. */
bool
intake_pieces_are_there(void)
{
	return pieces != NULL;
}

/*
 * The body that LAST is the last piece of, a bytea, which is there as long as the current context; sets
 * *LENGTH. A NULL pointer where it is longer than may be.
 */
Datum
intake_pieces_take(Datum last, size_t *length)
{
	struct varlena *body;

	intake_pieces_put(last);
	MemoryContextSetParent(pieces->context, CurrentMemoryContext);
	body = pieces->body;
	*length = pieces->length;
	pieces = NULL;
	if (body == NULL && *length <= (size_t) intake_settings_max_body_size * 1024)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("pg_intake.max_body_size has grown while a body came in")));
	if (body != NULL)
		SET_VARSIZE(body, *length + VARHDRSZ);
	return PointerGetDatum(body);
}
