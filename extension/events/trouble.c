/*
 * trouble.c
 *		What this process has seen of filters that failed, or were slow.
 *
 * Failures are recorded as rejections, at most once a minute for each workflow. What is known of a
 * workflow's filter is over when the workflow is read again.
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/ilist.h"
#include "mb/pg_wchar.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "config/workflows.h"
#include "events/rejection.h"
#include "events/trouble.h"
#include "ground/clock.h"
#include "ground/txn.h"

#define BETWEEN_RECORDS 60000 /* milliseconds */

typedef struct Trouble
{
	int32 workflow_id;   /* hash key */
	uint64 reading;      /* of the workflow: another one is news */
	TimestampTz slow_in; /* the transaction, by its start, in which it was slow */
	int64 slow;          /* milliseconds that slow tries have taken there */
	int64 failures;      /* since they were recorded last; with some, it is among the unrecorded */
	int64 recorded_at;   /* by intake_clock_ms; 0: never */
	dlist_node node;
	char error[200];
	char source[104]; /* of the last event */
} Trouble;

static HTAB *troubles = NULL; /* NULL: none yet */
static dlist_head unrecorded = DLIST_STATIC_INIT(unrecorded);
static int64 record_next = 0; /* not before, by intake_clock_ms, one of them is to be recorded */
/* What is known of a filter that has failed, or been slow. NULL where it is not, yet. */
static Trouble *
find_trouble(const IntakeWorkflow *workflow)
{
	Trouble *trouble = troubles ? hash_search(troubles, &workflow->id, HASH_FIND, NULL) : NULL;

	return trouble != NULL && trouble->reading == workflow->reading ? trouble : NULL;
}

static void
make_troubles(void)
{
	HASHCTL control = {.keysize = sizeof(int32), .entrysize = sizeof(Trouble)};

	control.hcxt = TopMemoryContext;
	troubles =
		hash_create("pg_intake troubles", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* The same, begun where there is none: what was known of a workflow before it changed is over. */
static Trouble *
trouble_of(const IntakeWorkflow *workflow)
{
	Trouble *trouble = find_trouble(workflow);
	bool found;

	if (trouble != NULL)
		return trouble;
	if (troubles == NULL)
		make_troubles();
	trouble = hash_search(troubles, &workflow->id, HASH_ENTER, &found);
	if (found && trouble->failures > 0)
		dlist_delete(&trouble->node);
	*trouble = (Trouble){.workflow_id = workflow->id, .reading = workflow->reading};
	return trouble;
}

/* When its failures are to be recorded, by intake_clock_ms. */
static int64
record_at(const Trouble *trouble)
{
	return trouble->recorded_at == 0 ? 0 : trouble->recorded_at + BETWEEN_RECORDS;
}

/* Notes that the filter of a workflow has failed for an event of a source. */
void
intake_trouble_note(const IntakeWorkflow *workflow, const char *source, const char *message)
{
	Trouble *trouble = trouble_of(workflow);
	size_t length = pg_mbcliplen(message, strlen(message), sizeof(trouble->error) - 1);

	memcpy(trouble->error, message, length);
	trouble->error[length] = '\0';
	strlcpy(trouble->source, source, sizeof(trouble->source));
	if (trouble->failures++ == 0)
	{
		dlist_push_tail(&unrecorded, &trouble->node);
		record_next = Min(record_next, record_at(trouble));
	}
}

/* How many milliseconds the slow tries of a filter have taken in this transaction. */
int64
intake_trouble_slow(const IntakeWorkflow *workflow)
{
	const Trouble *trouble = find_trouble(workflow);

	if (trouble == NULL || trouble->slow_in != GetCurrentTransactionStartTimestamp())
		return 0;
	return trouble->slow;
}

/* Notes how many they are now. */
void
intake_trouble_note_slow(const IntakeWorkflow *workflow, int64 slow)
{
	Trouble *trouble = trouble_of(workflow);

	trouble->slow_in = GetCurrentTransactionStartTimestamp();
	trouble->slow = slow;
}

static bool
record(void *argument)
{
	intake_rejection_record(argument, 1);
	return true;
}

/* Records the failures of a filter; none are left. Those of a workflow that is dropped are dropped. */
static void
record_failures(Trouble *trouble)
{
	IntakeWorkflow *workflow = intake_workflows_get(trouble->workflow_id);
	IntakeRejection rejection = {0};
	ErrorData *error;

	rejection.source = trouble->source;
	rejection.reason = "filter_failed";
	rejection.status = 200;
	rejection.requests = trouble->failures;
	if (workflow != NULL)
		rejection.detail = psprintf("workflow \"%s\": %s", workflow->name, trouble->error);
	if (workflow != NULL && !intake_txn_try(record, &rejection, &error) &&
		intake_txn_error_is_general(error))
		ReThrowError(error);
	dlist_delete(&trouble->node);
	trouble->failures = 0;
	trouble->recorded_at = intake_clock_ms();
}

/*
 * Records in the current transaction which filters have failed, if that is due. The event is stored
 * even if this cannot be.
 */
void
intake_trouble_record(void)
{
	int64 now;
	int64 next = PG_INT64_MAX;
	dlist_mutable_iter place;

	if (dlist_is_empty(&unrecorded))
		return;
	now = intake_clock_ms();
	if (now < record_next)
		return;
	dlist_foreach_modify(place, &unrecorded)
	{
		Trouble *trouble = dlist_container(Trouble, node, place.cur);

		if (record_at(trouble) <= now)
			record_failures(trouble);
		else
			next = Min(next, record_at(trouble));
	}
	record_next = next;
}
