/*
 * txn.c
 *		Transactions that have the extension, and what may fail alone within one.
 *
 * An error that leaves a subtransaction open on its way is dangerous. A caller that catches it
 * rolls back the innermost subtransaction, which he takes for his own, and goes on within ours, as
 * the user who was current there. So subtransactions are begun here and nowhere else, and they are
 * over when intake_txn_try returns, or raises.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "ground/txn.h"

/*
 * Begins a transaction that passes GATE: the extension is there until the end. Returns false, in
 * no transaction, when it is not installed.
 */
bool
intake_txn_begin(IntakeGate gate)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	if (OidIsValid(intake_owner_extension(gate)))
		return true;
	AbortOutOfAnyTransaction();
	return false;
}

/* Ends the subtransactions above LEVEL: ours, and what the body may have left open in it. */
static void
roll_back(int level)
{
	while (GetCurrentTransactionNestLevel() > level)
		RollbackAndReleaseCurrentSubTransaction();
}

/*
 * Runs BODY(ARGUMENT) in a subtransaction. Returns whether it was kept. Otherwise it is undone, and
 * *ERROR is what was raised, or NULL where BODY asked for that. The caller decides what the error
 * means, and raises it again (ReThrowError) if it is not his to handle: a query that is cancelled
 * must end.
 *
 * Whatever happens, user, settings, memory context and resource owner are afterwards what they
 * were before, and the error is copied only then: memory may have run out.
 */
bool
intake_txn_try(IntakeTxnBody body, void *argument, ErrorData **error)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	int level = GetCurrentTransactionNestLevel();
	volatile bool kept = false;

	*error = NULL;
	PG_TRY();
	{
		BeginInternalSubTransaction(NULL);
		MemoryContextSwitchTo(context);
		kept = body(argument);
		if (kept && GetCurrentTransactionNestLevel() != level + 1)
			elog(ERROR, "a subtransaction was left open");
		if (kept)
			ReleaseCurrentSubTransaction();
		else
			roll_back(level);
	}
	PG_CATCH();
	{
		kept = false;
		roll_back(level);
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		*error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return kept;
}

/*
 * Whether an error concerns the server or the query as a whole, and not only what was tried: what
 * comes next would fail as well, or must not be done.
 */
bool
intake_txn_error_is_general(const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_INTERNAL_ERROR:
			return true;
		default:
			return false;
	}
}

/*
 * Runs BODY(ARGUMENT), which tells somebody about what was done. Where that fails, it is undone
 * alone, and a WARNING says that we could not do WHAT. Only what ends the query goes on.
 */
void
intake_txn_tell(IntakeTxnBody body, void *argument, const char *what)
{
	ErrorData *error;

	(void) intake_txn_try(body, argument, &error);
	if (error == NULL)
		return;
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
		ReThrowError(error);
	/* The detail of an error may hold what the sender sent; the message does not. */
	ereport(WARNING, (errcode(error->sqlerrcode), errmsg("could not %s: %s", what, error->message),
					  errhidecontext(true), errhidestmt(true)));
}
