/*
 * rejection.c
 *		The record of refused requests, in bounded space.
 *
 * The rows are a ring: a sequence gives each its slot, and an old row is overwritten. The
 * rejections of one batch that share source and reason share a row, so a flood costs at most
 * a few updates for each batch.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "events/rejection.h"
#include "ground/owner.h"
#include "ground/table.h"
#include "ground/txn.h"

#define N_VALUES 8

/*
 * A transaction that has written a row of the ring may stay open while the ring goes round.
 * Nobody waits for it: what comes to a row that is locked is not recorded.
 */
static const char record_query[] =
	"WITH free AS (SELECT FROM intake.rejection WHERE slot = ($8 % 10000)::int FOR UPDATE SKIP LOCKED)"
	" INSERT INTO intake.rejection AS r (slot, id, rejected_at, source, reason, detail, status,"
	"  peer, request_id, requests)"
	" SELECT $8 % 10000, $8, now(), $1, $2, $3, $4, $5, $6, $7"
	" WHERE EXISTS (SELECT FROM free)"
	"  OR NOT EXISTS (SELECT FROM intake.rejection WHERE slot = ($8 % 10000)::int)"
	" ON CONFLICT (slot) DO UPDATE SET id = excluded.id, rejected_at = excluded.rejected_at,"
	"  source = excluded.source, reason = excluded.reason, detail = excluded.detail,"
	"  status = excluded.status, peer = excluded.peer, request_id = excluded.request_id,"
	"  requests = excluded.requests";

static bool
same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Joins the rejections that share a row, the last one's peer, id and detail kept. */
static int
group(IntakeRejection *rejections, int count)
{
	int groups = 0;

	for (int i = 0; i < count; i++)
	{
		int g = 0;

		while (g < groups && !(same(rejections[g].source, rejections[i].source) &&
							   same(rejections[g].reason, rejections[i].reason)))
			g++;
		if (rejections[i].requests == 0)
			rejections[i].requests = 1;
		if (g < groups)
			rejections[i].requests += rejections[g].requests;
		rejections[g] = rejections[i];
		groups = Max(groups, g + 1);
	}
	return groups;
}

static SPIPlanPtr
prepare(void)
{
	static SPIPlanPtr plan = NULL;
	Oid types[N_VALUES] = {TEXTOID, TEXTOID, TEXTOID, INT4OID, TEXTOID, TEXTOID, INT8OID, INT8OID};

	if (plan == NULL)
	{
		plan = SPI_prepare(record_query, N_VALUES, types);
		SPI_keepplan(plan);
	}
	return plan;
}

static Datum
text_or_null(const char *text, char *null)
{
	*null = text ? ' ' : 'n';
	return text ? CStringGetTextDatum(text) : (Datum) 0;
}

typedef struct Groups
{
	IntakeRejection *rejections;
	int count;
} Groups;

static bool
record(void *argument)
{
	Groups *groups = argument;
	IntakeOwner saved;

	intake_owner_begin(&saved);
	SPI_connect();
	for (int i = 0; i < groups->count; i++)
	{
		const IntakeRejection *rejection = &groups->rejections[i];
		Datum values[N_VALUES];
		char nulls[N_VALUES];

		memset(nulls, ' ', N_VALUES);
		values[0] = text_or_null(rejection->source, &nulls[0]);
		values[1] = text_or_null(rejection->reason, &nulls[1]);
		values[2] = text_or_null(rejection->detail, &nulls[2]);
		values[3] = Int32GetDatum(rejection->status);
		values[4] = text_or_null(rejection->peer, &nulls[4]);
		values[5] = text_or_null(rejection->request_id, &nulls[5]);
		values[6] = Int64GetDatum(rejection->requests);
		values[7] = Int64GetDatum(nextval_internal(intake_table_oid("rejection_seq"), false));
		if (SPI_execute_plan(prepare(), values, nulls, false, 0) != SPI_OK_INSERT)
			elog(ERROR, "the insertion did not end as one");
	}
	SPI_finish();
	intake_owner_end(&saved);
	return true;
}

/*
 * Records rejections in the current transaction; where that fails, the events of the same batch
 * stay all the same. Changes the array.
 */
void
intake_rejection_record(IntakeRejection *rejections, int count)
{
	Groups groups = {rejections, group(rejections, count)};

	if (groups.count > 0)
		intake_txn_tell(record, &groups, "record rejections");
}
