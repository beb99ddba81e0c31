/*
 * match.c
 *		Which workflows an event is for: globs on source and type, and a filter in the payload.
 *
 * A filter is written by one role and sees everybody's events. So a filter that raises an error or
 * takes too long finds nothing, and no other workflow notices. If one of an event's filters might
 * do so, all of them are tried in one subtransaction; if that fails, each is tried in its own. A
 * failed filter is recorded as a rejection (trouble.c).
 *
 * A delivery may be ten thousand events, and a transaction have many. So slow tries are added up in
 * each: when those of all filters together have taken long, each is tried in its own, and one whose
 * own tries have finds nothing any more.
 */
#include "postgres.h"

#include <ctype.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/jsonpath.h"
#include "utils/timeout.h"

#include "config/workflows.h"
#include "events/match.h"
#include "events/payload.h"
#include "events/trouble.h"
#include "ground/clock.h"
#include "ground/datum.h"
#include "ground/intake.h"
#include "ground/txn.h"

#define LONGEST_SAFE 1000     /* characters of a filter */
#define LONGEST_TRY 500       /* milliseconds for the filters of an event */
#define SLOW_TRY 10           /* milliseconds */
#define LONGEST_TOGETHER 1000 /* milliseconds of slow tries of all filters, in a transaction */
#define LONGEST_ALONE 5000    /* milliseconds of slow tries of one filter, likewise */

static TimeoutId try_timeout = MAX_TIMEOUTS;
static volatile sig_atomic_t late = false;

/*
 * Whether a filter may raise an error or take long: it has a variable, a method, a regular
 * expression or .**, it has a second $, which reads the payload anew for each value found, or it is
 * long and so perhaps deep. In any other path, by the rules of JSON paths, a value that does not
 * fit is no match, and nothing is read twice. In its text, names and strings are quoted.
 */
static bool
may_fail(JsonPath *filter)
{
	char *text = DatumGetCString(DirectFunctionCall1(jsonpath_out, PointerGetDatum(filter)));
	bool quoted = false;
	int roots = 0;

	for (char *c = text; *c != '\0'; c++)
	{
		if (c[0] == '"')
			quoted = !quoted;
		else if (quoted && c[0] == '\\')
			c++;
		else if (!quoted && ((c[0] == '$' && c[1] == '"') || (c[0] == '.' && isalpha(c[1])) ||
							 strncmp(c, "**", 2) == 0 || strncmp(c, "like_regex", 10) == 0))
			return true;
		roots += !quoted && c[0] == '$';
		if (roots > 1 || c - text > LONGEST_SAFE)
			return true;
	}
	return false;
}

static bool
is_risky(IntakeWorkflow *workflow)
{
	if (workflow->filter_risk == INTAKE_RISK_UNKNOWN)
		workflow->filter_risk = may_fail(workflow->filter) ? INTAKE_RISK_SOME : INTAKE_RISK_NONE;
	return workflow->filter_risk == INTAKE_RISK_SOME;
}

/* Whether FILTER finds something in the payload. Many errors inside the path count as no. */
static bool
filter_matches(JsonPath *filter, Jsonb *payload)
{
	LOCAL_FCINFO(fcinfo, 2);
	Datum found;

	InitFunctionCallInfoData(*fcinfo, NULL, 2, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = JsonbPGetDatum(payload);
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = PointerGetDatum(filter);
	fcinfo->args[1].isnull = false;
	found = jsonb_path_exists_opr(fcinfo);
	return !fcinfo->isnull && DatumGetBool(found);
}

/* Workflows whose globs match an event, and those of them that are for it. */
typedef struct Matching
{
	List *candidates;
	Jsonb *payload; /* NULL: it is no JSON, and no filter finds anything */
	List *matching;
} Matching;

/* Appends to MATCHING those of the candidates whose filter finds something. */
static bool
apply_filters(void *argument)
{
	Matching *matching = argument;
	ListCell *cell;

	foreach (cell, matching->candidates)
	{
		IntakeWorkflow *workflow = lfirst(cell);

		if (workflow->filter == NULL ||
			(matching->payload != NULL && filter_matches(workflow->filter, matching->payload)))
			matching->matching = lappend(matching->matching, workflow);
	}
	return true;
}

static void
end_of_try(void)
{
	/* The query is being cancelled already, and the error will say by what. */
	if (QueryCancelPending)
		return;
	late = true;
	InterruptPending = true;
	QueryCancelPending = true;
}

/*
 * Tries the filters of MATCHING, for LONGEST_TRY at most. Returns false with a MESSAGE if one
 * failed; raises errors that are not due to a filter. When the time is up the query is cancelled,
 * which is caught here: only a cancel by somebody else at that very moment is lost.
 */
static bool
try_filters(Matching *matching, const char **message)
{
	ErrorData *error;

	if (try_timeout == MAX_TIMEOUTS)
		try_timeout = RegisterTimeout(USER_TIMEOUT, end_of_try);
	late = false;
	enable_timeout_after(try_timeout, LONGEST_TRY);
	(void) intake_txn_try(apply_filters, matching, &error);
	disable_timeout(try_timeout, false);
	if (late)
		QueryCancelPending = false;
	if (error == NULL)
		return true;
	*message = error->message;
	if (late && error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		*message = psprintf("it takes longer than %d ms", LONGEST_TRY);
	else if (intake_txn_error_is_general(error))
		ReThrowError(error);
	return false;
}

/* Tries the filters of MATCHING, and adds what a slow try takes to *SLOW. */
static bool
try_and_time(Matching *matching, int64 *slow, const char **message)
{
	int64 start = intake_clock_ms();
	bool good = try_filters(matching, message);
	int64 taken = intake_clock_ms() - start;

	if (taken >= SLOW_TRY)
		*slow += taken;
	return good;
}

/* Tries the filters of all candidates together, unless that has taken too long in this transaction. */
static bool
try_together(Matching *all)
{
	static TimestampTz in = 0;
	static int64 slow = 0;
	const char *message;

	if (in != GetCurrentTransactionStartTimestamp())
		slow = 0;
	in = GetCurrentTransactionStartTimestamp();
	return slow < LONGEST_TOGETHER && try_and_time(all, &slow, &message);
}

/* Tries the filter of one workflow, with the same exception. */
static bool
try_alone(Matching *one, const IntakeWorkflow *workflow, const char **message)
{
	int64 before = intake_trouble_slow(workflow);
	int64 slow = before;
	bool good;

	*message = "its slow tries have taken too long together";
	if (slow >= LONGEST_ALONE)
		return false;
	good = try_and_time(one, &slow, message);
	if (slow > before)
		intake_trouble_note_slow(workflow, slow);
	return good;
}

/* The workflows that an event is for, in order. Those whose filter fails are noted. */
static List *
apply_filters_apart(const Matching *all, const char *source)
{
	Matching one = {NIL, all->payload, NIL};
	ListCell *cell;

	foreach (cell, all->candidates)
	{
		const char *message;

		one.candidates = list_make1(lfirst(cell));
		if (!try_alone(&one, lfirst(cell), &message))
			intake_trouble_note(lfirst(cell), source, message);
	}
	return one.matching;
}

/* Those of them whose filters find something, too. */
static List *
filter(List *candidates, const IntakeEvent *event)
{
	Matching all = {candidates, NULL, NIL};
	bool filtered = false;
	bool risky = false;
	ListCell *cell;

	foreach (cell, candidates)
	{
		IntakeWorkflow *workflow = lfirst(cell);

		filtered |= workflow->filter != NULL;
		risky |= workflow->filter != NULL && is_risky(workflow);
	}
	if (!filtered)
		return candidates;
	/* An item is JSON, whatever its delivery is. */
	all.payload =
		intake_payload_of_event(event->delivery ? INTAKE_SOURCE_INTERNAL : event->source_id,
								event->headers, intake_event_body(event), event->json);
	if (all.payload == NULL || !risky)
		(void) apply_filters(&all);
	else if (!try_together(&all))
		return apply_filters_apart(&all, event->source_name);
	return all.matching;
}

/* The workflows that an event is for. The workflows are fresh. */
List *
intake_match_workflows(const IntakeEvent *event)
{
	List *matching = filter(intake_workflows_for(event->source_name, event->type), event);
	ListCell *cell;

	foreach (cell, matching)
		intake_workflow_look(lfirst(cell));
	return matching;
}
