/*
 * secret_use.c
 *		What requests do to secrets: use them, and teach them.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "ground/owner.h"
#include "ground/txn.h"
#include "receive/secret_use.h"

#define RECORD_EVERY (60 * USECS_PER_SEC)
#define MOST_USES 100 /* secrets of a batch of which it is recorded that they were used */

/*
 * Where another transaction is at it and not over, there is nothing to add, nor to wait for. What is
 * new enough is not locked either: each process has its own minute.
 */
static const char use_query[] =
	"INSERT INTO intake.secret_use AS u (secret_id, last_used_at)"
	" SELECT i.id, now() FROM unnest($1) i(id)"
	" WHERE coalesce((SELECT k.last_used_at FROM intake.secret_use k WHERE k.secret_id = i.id)"
	"  < now() - interval '1 minute', true)"
	" AND pg_try_advisory_xact_lock('intake.secret_use'::regclass::oid::int4, i.id) ORDER BY i.id"
	" ON CONFLICT (secret_id) DO UPDATE SET last_used_at = excluded.last_used_at"
	" WHERE u.last_used_at < excluded.last_used_at - interval '1 minute'";

static const char learn_query[] = "SELECT intake.secret_learned($1, $2)";

/* Runs a query as the owner of the extension; returns its first value, or 0. */
static Datum
run(const char *query, int count, Oid *types, Datum *values)
{
	IntakeOwner saved;
	Datum result = (Datum) 0;
	bool null;

	intake_owner_begin(&saved);
	SPI_connect();
	if (SPI_execute_with_args(query, count, types, values, NULL, false, 0) < 0)
		elog(ERROR, "could not run a query on secrets");
	if (SPI_tuptable != NULL && SPI_processed > 0)
		result = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null);
	SPI_finish();
	intake_owner_end(&saved);
	return result;
}

/* Secrets of which the use is to be recorded. */
typedef struct Uses
{
	int count;
	Datum ids[MOST_USES];
} Uses;

static bool
record_uses(void *argument)
{
	static SPIPlanPtr plan = NULL;
	Uses *uses = argument;
	IntakeOwner saved;
	Datum values[1];

	intake_owner_begin(&saved);
	SPI_connect();
	if (plan == NULL)
	{
		plan = SPI_prepare_cursor(use_query, 1, (Oid[]){INT4ARRAYOID}, CURSOR_OPT_GENERIC_PLAN);
		SPI_keepplan(plan);
	}
	values[0] = PointerGetDatum(
		construct_array(uses->ids, uses->count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
	if (SPI_execute_plan(plan, values, NULL, false, 0) < 0)
		elog(ERROR, "could not run a query on secrets");
	SPI_finish();
	intake_owner_end(&saved);
	return true;
}

/* Records which secrets have verified something, to the minute. Others than fit are so later. */
void
intake_secret_use_note(IntakeDelivery *deliveries, int count)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();
	Uses uses = {0};

	for (int i = 0; i < count && uses.count < MOST_USES; i++)
	{
		IntakeSecret *secret = deliveries[i].secret;

		if (secret == NULL || secret->recorded > now - RECORD_EVERY)
			continue;
		secret->recorded = now;
		uses.ids[uses.count++] = Int32GetDatum(secret->id);
	}
	if (uses.count > 0)
		intake_txn_tell(record_uses, &uses, "record the use of secrets");
}

typedef struct Lesson
{
	const IntakeDelivery *delivery;
	bool learned;
} Lesson;

static bool
learn(void *argument)
{
	Lesson *lesson = argument;
	IntakeSlice secret = lesson->delivery->answer.secret;
	Oid types[] = {INT4OID, TEXTOID};
	Datum values[2];

	values[0] = Int32GetDatum(lesson->delivery->source->id);
	values[1] = PointerGetDatum(cstring_to_text_with_len(secret.data, secret.len));
	lesson->learned = DatumGetBool(run(learn_query, 2, types, values));
	return true;
}

/* Whether the secret that a handshake teaches could verify anything. Refuses it otherwise. */
static bool
is_usable(IntakeDelivery *delivery)
{
	const char *why = "the scheme of the source does not fit";
	IntakeKey key;

	if (delivery->source->profile->scheme == NULL ||
		!intake_signing_key_prepare(delivery->source->profile->scheme, delivery->answer.secret,
									&key, &why))
	{
		intake_judge_reject(delivery, delivery->source->profile->reject_status, "handshake_refused",
							psprintf("the secret that it teaches is unusable: %s", why));
		return false;
	}
	intake_signing_key_release(&key);
	return true;
}

/*
 * Stores the secret that a handshake teaches. Where its source is not to learn one, the
 * request is refused; where it cannot be stored, this request may come again.
 */
void
intake_secret_use_learn(IntakeDelivery *delivery)
{
	Lesson lesson = {delivery, false};
	ErrorData *error;

	if (!is_usable(delivery))
		return;
	if (!intake_txn_try(learn, &lesson, &error))
	{
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
			ReThrowError(error);
		ereport(LOG, (errmsg("a secret could not be learned: %s", error->message)));
		intake_judge_reject(delivery, 503, "not_learned", "see the log of the server");
		delivery->headers = "Retry-After: 5\r\n";
	}
	else if (!lesson.learned)
		intake_judge_reject(delivery, delivery->source->profile->reject_status, "handshake_refused",
							"the source has its secret; learn_secret lets it learn another");
}
