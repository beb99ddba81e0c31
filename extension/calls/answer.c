/*
 * answer.c
 *		Answers that a courier brings, and what becomes of their calls.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/stratnum.h"
#include "common/pg_prng.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "calls/answer.h"
#include "calls/credential.h"
#include "calls/note.h"
#include "calls/outcome.h"
#include "calls/parcel.h"
#include "config/workflows.h"
#include "events/payload.h"
#include "ground/datum.h"
#include "ground/intake.h"
#include "ground/settings.h"
#include "queue/retry.h"
#include "read/headers.h"

#define MAX_EXCERPT 200 /* bytes of an answer that an error shows */
#define MAX_WORD 40     /* bytes of the word that begins it */
#define CHANGES                                                                                    \
	(5 * USECS_PER_SEC) /* before a call, in which its secret may have been the old one */
#define MAX_ERROR 1000  /* bytes of what a courier says */
#define UNIX_EPOCH INT64CONST(946684800000000) /* of PostgreSQL, in microseconds of Unix */

/* What is open while answers are settled. */
typedef struct Settling
{
	IntakeDesk *desk;
	IntakeLines *lines;
	int64 courier;
	IntakeScan held;
	bool scanning;
	IntakeParcelReader requests;
	IntakeHidden hidden;      /* in answers to calls that were made with a secret */
	int32 hidden_of;          /* that one; 0: none so far */
	TimestampTz hidden_since; /* it is what it is; an earlier call was made with another one */
} Settling;

/* ---- what an answer says ---- */

/* A text of at most MOST bytes of what is text, cut between characters. */
static const char *
clip(IntakeSlice bytes, int most)
{
	int length = Min(bytes.len, most);

	while (length > 0 && !intake_datum_is_text((IntakeSlice){bytes.data, length}) &&
		   length > most - 4)
		length--;
	if (length == 0 || !intake_datum_is_text((IntakeSlice){bytes.data, length}))
		return NULL;
	return pnstrdup(bytes.data, length);
}

/* Why a call was not accepted. */
static const char *
describe(const IntakeAnswer *answer)
{
	const char *more = NULL;

	if (answer->error.data != NULL)
	{
		more = clip(answer->error, MAX_ERROR);
		return more ? more : "protocol";
	}
	if (answer->status < 100)
		return "there was no answer";
	if (answer->body != (Datum) 0)
		more = clip(intake_datum_bytes(answer->body), MAX_EXCERPT);
	return more ? psprintf("the answer is %d: %s", answer->status, more)
				: psprintf("the answer is %d", answer->status);
}

/* How long an answer asks to wait, in microseconds; below 0: it does not. */
static int64
read_wait(const IntakeAnswer *answer, TimestampTz now)
{
	IntakeHeaderIterator iterator;
	IntakeSlice name;
	IntakeSlice value;

	if ((answer->status != 429 && answer->status != 503) || answer->headers.data == NULL)
		return -1;
	iterator = intake_headers_begin(answer->headers);
	while (intake_headers_next(&iterator, &name, &value))
		if (intake_slice_equal_nocase(name, intake_slice_cstr("retry-after")))
			return intake_outcome_wait(value, now + UNIX_EPOCH);
	return -1;
}

/* An answer that is larger than may be, whoever brings it, is none. */
static IntakeCallAnswer
judge_bytes(const IntakeAnswer *answer, TimestampTz now)
{
	IntakeCallAnswer judged = {answer->status, answer->error, read_wait(answer, now)};
	size_t most = (size_t) intake_settings_max_response_size * 1024;

	if (answer->body != (Datum) 0 && toast_raw_datum_size(answer->body) - VARHDRSZ > most)
		judged.error = intake_slice_cstr("too_large");
	if (answer->headers.len > INTAKE_MAX_HEAD)
		judged.error = intake_slice_cstr("too_large");
	return judged;
}

/* ---- what becomes of a call ---- */

static IntakeWorkflow *
workflow_of(const IntakeCall *call)
{
	return intake_workflows_get(call->workflow_id);
}

/* By what rules an answer is judged, and the secret that it must not show; 0: none. */
static int32
read_rules(Settling *settling, const IntakeCall *call, IntakeOutcomeRules *rules)
{
	IntakeWorkflow *workflow = workflow_of(call);
	IntakeParcel request;

	memset(rules, 0, sizeof(*rules));
	rules->max_attempts = workflow ? workflow->max_attempts : 1;
	if (!call->options || !intake_parcel_find(&settling->requests, call, &request))
		return 0;
	intake_parcel_rules(request.options, rules);
	return request.secret_id;
}

/* Learns what is to be hidden of a secret; 0: nothing. */
static void
learn_secret(Settling *settling, int32 secret_id)
{
	if (secret_id == 0)
	{
		intake_hide_forget(&settling->hidden);
		settling->hidden_since = DT_NOBEGIN;
	}
	else if (secret_id != settling->hidden_of)
		settling->hidden_since = intake_credential_learn(secret_id, &settling->hidden);
	settling->hidden_of = secret_id;
}

/* A body without what is hidden. */
static Datum
hide_in_body(const IntakeHidden *hidden, Datum body)
{
	IntakeSlice bytes;
	IntakeSlice shown;

	if (body == (Datum) 0 || hidden->count == 0)
		return body;
	bytes = intake_datum_bytes(body);
	shown = intake_hide(hidden, bytes);
	return shown.data == bytes.data
			   ? body
			   : PointerGetDatum(cstring_to_text_with_len(shown.data, (int) shown.len));
}

/* When a call that was charged is tried again. */
static TimestampTz
next_try(const IntakeCall *call, TimestampTz now)
{
	IntakeWorkflow *workflow = workflow_of(call);

	if (workflow == NULL)
		return now;
	return now + intake_retry_delay(call->attempts, workflow->backoff, workflow->backoff_max,
									pg_prng_double(&pg_global_prng_state));
}

/* Moves a call, out of call_held, to where its outcome says. */
static void
move(IntakeDesk *desk, IntakeCall *call, const IntakeOutcome *outcome, const IntakeCallEnd *end)
{
	switch (outcome->verdict)
	{
		case INTAKE_CALL_ACCEPTED:
		case INTAKE_CALL_FAILED:
			intake_desk_end(desk, call, end);
			break;
		case INTAKE_CALL_RETRY:
			call->attempts++;
			intake_desk_give_back(desk, call, next_try(call, desk->now));
			break;
		case INTAKE_CALL_BACK:
			intake_desk_give_back(desk, call, desk->now + outcome->hold);
			break;
	}
}

/* The same without a word that comes from the other side, where its secret is not known any more. */
static const char *
describe_shortly(const IntakeAnswer *answer)
{
	IntakeSlice rest;
	const char *word;

	if (answer->error.data == NULL)
		return answer->status < 100 ? "there was no answer"
									: psprintf("the answer is %d", answer->status);
	word = clip(intake_slice_cut(answer->error, ":", &rest), MAX_WORD);
	return word ? word : "protocol";
}

/* An error, or NULL, without what is hidden. */
static const char *
hide_in_error(const IntakeHidden *hidden, const char *error)
{
	IntakeSlice text = intake_slice_cstr(error);
	IntakeSlice shown = intake_hide(hidden, text);

	return shown.data == text.data ? error : pnstrdup(shown.data, (int) shown.len);
}

static IntakeCallEnd
end_of(const IntakeAnswer *answer, const IntakeCallAnswer *judged, const IntakeOutcome *outcome)
{
	IntakeCallEnd end = {.status = answer->status, .duration = answer->duration};

	if (outcome->verdict != INTAKE_CALL_ACCEPTED)
		end.error = describe(answer);
	if (judged->error.data != NULL && judged->error.data != answer->error.data)
		end.error = "too_large";
	if (outcome->verdict == INTAKE_CALL_ACCEPTED || outcome->verdict == INTAKE_CALL_FAILED)
	{
		if (answer->headers.data != NULL && answer->headers.len <= INTAKE_MAX_HEAD)
			end.headers = intake_payload_headers(answer->headers, NULL, INTAKE_ABSENT);
		if (judged->error.data == NULL)
			end.body = answer->body;
	}
	return end;
}

/* Settles one call that was taken out of call_held. */
static void
settle(Settling *settling, IntakeCall *call, const IntakeAnswer *answer)
{
	IntakeDesk *desk = settling->desk;
	IntakeCallAnswer judged = judge_bytes(answer, desk->now);
	IntakeAnswer shown = *answer;
	IntakeOutcomeRules rules;
	IntakeOutcome outcome;
	IntakeCallEnd end;
	bool released;

	learn_secret(settling, read_rules(settling, call, &rules));
	outcome = intake_outcome_decide(&judged, &rules, call->attempts);
	if (judged.error.data == NULL)
		shown.body = hide_in_body(&settling->hidden, answer->body);
	shown.headers = intake_hide(&settling->hidden, answer->headers);
	end = end_of(&shown, &judged, &outcome);
	end.error = hide_in_error(&settling->hidden, end.error);
	if (end.error != NULL && judged.error.data == answer->error.data &&
		settling->hidden_since > call->taken_at - CHANGES)
		end.error = describe_shortly(answer);
	released = outcome.verdict == INTAKE_CALL_BACK && outcome.hold == 0 &&
			   outcome.trouble == INTAKE_TROUBLE_UNSAID;
	if (!released)
		intake_desk_attempt(desk, call, &end);
	intake_outage_judge(settling->lines, call, &outcome, end.error);
	move(desk, call, &outcome, &end);
}

/* Takes the call of an answer out of call_held. Returns false where its courier does not hold it. */
static bool
take_held(Settling *settling, const IntakeAnswer *answer, IntakeCall *call)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(answer->call_id));
	if (settling->scanning)
		intake_table_scan_again(&settling->held, &key, 1);
	else
		intake_table_scan_begin(&settling->held, intake_table_oid("call_held"), NULL, &key, 1);
	settling->scanning = true;
	if (!intake_table_scan_next(&settling->held))
		return false;
	intake_desk_read_held(settling->held.slot->tts_values, call);
	return call->courier == settling->courier && call->job_id == answer->job_id &&
		   intake_table_delete(intake_desk_table(settling->desk, INTAKE_DESK_HELD),
							   &settling->held.slot->tts_tid);
}

/* Whether a courier says only that it makes a call. */
static bool
is_made(const IntakeAnswer *answer)
{
	return intake_slice_equal(answer->error, intake_slice_cstr("held"));
}

/*
 * Settles the answers that a courier has brought. One to a call that it does not hold is passed over: it
 * came too late. The workflows are fresh.
 */
void
intake_answer_settle(IntakeDesk *desk, IntakeLines *lines, int64 courier,
					 const IntakeAnswer *answers, int count)
{
	Settling settling = {desk, lines, courier};

	if (count == 0)
		return;
	PushActiveSnapshot(GetLatestSnapshot());
	for (int i = 0; i < count; i++)
	{
		IntakeCall call;

		if (is_made(&answers[i]) || !take_held(&settling, &answers[i], &call))
			continue;
		intake_note_held(call.line_id, -1);
		settle(&settling, &call, &answers[i]);
	}
	intake_hide_forget(&settling.hidden);
	intake_parcel_close(&settling.requests);
	if (settling.scanning)
		intake_table_scan_end(&settling.held);
	PopActiveSnapshot();
}

/*
 * Charges a call, out of call_held, for a courier that was lost, of which ERROR tells. Nothing is known of
 * the other side. The workflows are fresh, and there is an active snapshot.
 */
void
intake_answer_lose(IntakeDesk *desk, IntakeLines *lines, IntakeCall *call, const char *error)
{
	IntakeWorkflow *workflow = workflow_of(call);
	IntakeCallEnd end = {.error = error, .duration = -1};
	IntakeOutcome outcome = {INTAKE_CALL_RETRY, INTAKE_TROUBLE_UNSAID, 0};

	if (workflow != NULL && call->attempts + 1 >= workflow->max_attempts)
		outcome.verdict = INTAKE_CALL_FAILED;
	intake_desk_attempt(desk, call, &end);
	move(desk, call, &outcome, &end);
}
