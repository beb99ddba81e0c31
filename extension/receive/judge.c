/*
 * judge.c
 *		Judging one request, from its bytes alone: route, size, handshake, signature. What
 *		becomes of it says extract.c. Nothing is written here.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "common/scratch.h"
#include "ground/datum.h"
#include "ground/intake.h"
#include "ground/settings.h"
#include "read/work.h"
#include "receive/extract.h"
#include "receive/judge.h"
#include "receive/split.h"

/* Refuses a request, with REASON and DETAIL for the operator. */
void
intake_judge_reject(IntakeDelivery *delivery, int status, const char *reason, const char *detail)
{
	delivery->status = status;
	delivery->reason = reason;
	delivery->detail = detail;
	delivery->content_type = delivery->headers = delivery->body = NULL;
}

static char *
slice_text(IntakeSlice slice)
{
	return slice.data ? pnstrdup(slice.data, slice.len) : NULL;
}

static void
answer_handshake(IntakeDelivery *delivery)
{
	IntakeAnswer *answer = &delivery->answer;

	if (!intake_datum_is_text(answer->body) || !intake_datum_is_text(answer->headers) ||
		!intake_datum_is_text(answer->secret))
	{
		answer->secret = (IntakeSlice){NULL, 0};
		intake_judge_reject(delivery, 400, "handshake_refused", "the challenge is not text");
		return;
	}
	delivery->status = answer->status;
	delivery->content_type = answer->content_type;
	delivery->body = slice_text(answer->body);
	if (answer->headers.data != NULL)
		delivery->headers = psprintf("%s\r\n", slice_text(answer->headers));
}

/*
 * The secrets of a source that are valid at the time of the request, or those that are not: the
 * newest, and as many as are tried.
 */
static int
select_secrets(IntakeSource *source, int64 now, bool valid, IntakeSecret **secrets,
			   IntakeKey **keys)
{
	TimestampTz at = now - INTAKE_UNIX_EPOCH;
	int count = 0;

	for (int i = 0; i < source->n_secrets && count < INTAKE_SECRETS_TRIED; i++)
	{
		IntakeSecret *secret = &source->secrets[i];

		if ((secret->from <= at && at < secret->until) != valid)
			continue;
		secrets[count] = secret;
		keys[count++] = &secret->key;
	}
	return count;
}

/* HMAC with the newest secret that is valid, for handshakes; without a key where there is none. */
static IntakeMac
handshake_mac(IntakeSource *source, int64 now)
{
	IntakeSecret *secrets[INTAKE_SECRETS_TRIED];
	IntakeKey *keys[INTAKE_SECRETS_TRIED];

	if (source->profile->scheme == NULL || select_secrets(source, now, true, secrets, keys) == 0)
		return (IntakeMac){0};
	return intake_signing_key_mac(keys[0], source->profile->scheme->algorithm);
}

static bool
try_handshake(IntakeDelivery *delivery, bool verified)
{
	IntakeSource *source = delivery->source;

	if (source->profile->n_handshakes == 0 ||
		!intake_handshake_answer(source->profile->handshakes, source->profile->n_handshakes,
								 &delivery->request, source->token,
								 handshake_mac(source, delivery->request.now), verified,
								 &delivery->answer))
		return false;
	answer_handshake(delivery);
	return true;
}

static bool
method_is(const IntakeDelivery *delivery, const char *method)
{
	return intake_slice_equal(delivery->request.method, intake_slice_cstr(method));
}

/* The URL that the sender called: the configured one, with the query that arrived, if any. */
static IntakeSlice
sender_url(IntakeSlice public_url, IntakeSlice query)
{
	IntakeSlice rest;
	char *url;

	if (public_url.data == NULL || query.len == 0)
		return public_url;
	public_url = intake_slice_cut(public_url, "?", &rest);
	url = palloc(public_url.len + query.len + 1);
	memcpy(url, public_url.data, public_url.len);
	url[public_url.len] = '?';
	memcpy(url + public_url.len + 1, query.data, query.len);
	return (IntakeSlice){url, public_url.len + query.len + 1};
}

static bool
peer_is_allowed(const IntakeSource *source, const char *peer)
{
	IntakeAddress address;

	if (source->n_allowed == 0)
		return true;
	if (peer == NULL || !intake_address_parse(intake_slice_cstr(peer), &address))
		return false;
	for (int i = 0; i < source->n_allowed; i++)
		if (intake_range_has(&source->allowed[i], &address))
			return true;
	return false;
}

/* Headers and query are read many times. Larger ones than senders make are not looked at again. */
static bool
head_fits(IntakeDelivery *delivery)
{
	IntakeRequest *request = &delivery->request;
	size_t headers = request->headers.len, query = request->query.len;

	if (headers <= INTAKE_MAX_HEAD && query <= INTAKE_MAX_HEAD)
		return true;
	intake_judge_reject(delivery, headers > INTAKE_MAX_HEAD ? 431 : 414,
						headers > INTAKE_MAX_HEAD ? "headers_too_large" : "query_too_large",
						psprintf("%zu bytes of headers, %zu of a query; %d of each are the most",
								 headers, query, INTAKE_MAX_HEAD));
	request->headers = request->query = INTAKE_ABSENT;
	return false;
}

/* Decides what can be decided without a signature. */
static void
route(IntakeDelivery *delivery)
{
	int limit = intake_settings_max_body_size;

	delivery->source = intake_sources_find(delivery->source_name);
	delivery->request.most = (size_t) limit * 1024;
	if (!head_fits(delivery))
		return;
	if (delivery->source != NULL)
		delivery->request.public_url = delivery->source->public_url;
	if (delivery->source != NULL)
		delivery->request.url = sender_url(delivery->source->public_url, delivery->request.query);
	if (delivery->source == NULL)
		intake_judge_reject(delivery, 404, "unknown_source", NULL);
	else if (!peer_is_allowed(delivery->source, delivery->peer))
		intake_judge_reject(delivery, delivery->source->profile->reject_status, "peer",
							"the address is not among the allowed_peers of the source");
	else if (delivery->request.body.len > (size_t) limit * 1024)
		intake_judge_reject(delivery, 413, "too_large",
							psprintf("the body has %zu bytes, pg_intake.max_body_size is %d kB",
									 delivery->request.body.len, limit));
	else if (try_handshake(delivery, false))
		return;
	else if (!method_is(delivery, "POST"))
	{
		for (int i = 0; i < delivery->source->profile->n_handshakes; i++)
			if (intake_slice_equal(
					intake_slice_cstr(delivery->source->profile->handshakes[i].method),
					delivery->request.method))
			{
				intake_judge_reject(delivery, delivery->source->profile->reject_status,
									"handshake_refused",
									"no rule matches; is the verify token right?");
				return;
			}
		intake_judge_reject(delivery, 405, "method", NULL);
		delivery->headers = "Allow: POST\r\n";
	}
}

/* Says so where a request that does not verify would, had its secret not ended or not begun. */
static void
explain_mismatch(IntakeSource *source, const IntakeRequest *request, IntakeSecret **secrets,
				 IntakeKey **keys, IntakeVerdict *verdict)
{
	IntakeVerdict other;
	int count = select_secrets(source, request->now, false, secrets, keys);
	IntakeSecret *secret;

	/* What was expensive in vain is not done twice. */
	if (count == 0 || intake_work.spent > intake_work.limit / 4)
		return;
	intake_signature_verify(source->profile->scheme, request, source->token, keys, count, &other);
	if (other.reason != INTAKE_OK)
		return;
	secret = secrets[other.key];
	verdict->reason = INTAKE_EXPIRED_SECRET;
	snprintf(verdict->detail, sizeof(verdict->detail), "it matches secret %d, which %s %s",
			 secret->id,
			 secret->from > request->now - INTAKE_UNIX_EPOCH ? "is not valid before" : "expired at",
			 timestamptz_to_str(secret->from > request->now - INTAKE_UNIX_EPOCH ? secret->from
																				: secret->until));
}

/*
 * Verifies a request against a source, and sets *SECRET to the one that matched, or NULL.
 * Fails closed.
 */
void
intake_judge_verify(IntakeSource *source, const IntakeRequest *request, IntakeVerdict *verdict,
					IntakeSecret **secret)
{
	IntakeSecret *secrets[INTAKE_SECRETS_TRIED];
	IntakeKey *keys[INTAKE_SECRETS_TRIED];
	int count;

	*secret = NULL;
	memset(verdict, 0, sizeof(*verdict));
	if (source->profile->scheme == NULL || source->profile->closed || source->our_fault)
	{
		verdict->reason = INTAKE_BAD_SECRET;
		strlcpy(verdict->detail, source->problem, sizeof(verdict->detail));
		return;
	}
	count = select_secrets(source, request->now, true, secrets, keys);
	intake_signature_verify(source->profile->scheme, request, source->token, keys, count, verdict);
	if (verdict->key >= 0)
		*secret = secrets[verdict->key];
	else if (verdict->reason == INTAKE_MISMATCH || verdict->reason == INTAKE_NO_SECRET)
		explain_mismatch(source, request, secrets, keys, verdict);
}

static void
authenticate(IntakeDelivery *delivery, IntakeVerdict *verdict)
{
	IntakeSource *source = delivery->source;

	intake_judge_verify(source, &delivery->request, verdict, &delivery->secret);
	if (verdict->reason == INTAKE_OK)
	{
		delivery->request = verdict->opened;
		delivery->request.claims = verdict->claims;
	}
	else if (source->our_fault)
		intake_judge_reject(delivery, 503, source->our_fault, pstrdup(verdict->detail));
	else
		intake_judge_reject(delivery, source->profile->reject_status,
							intake_reason_name(verdict->reason), pstrdup(verdict->detail));
}

static const char *
keep_text(const char *text)
{
	return text ? pstrdup(text) : NULL;
}

static IntakeSlice
keep_slice(IntakeSlice slice)
{
	return slice.data ? (IntakeSlice){slice_text(slice), slice.len} : slice;
}

/* Copies what the batch needs of a judgement into the current context. */
static void
keep(IntakeDelivery *delivery)
{
	IntakeEvent *event = &delivery->event;

	delivery->request.public_url = delivery->request.url = delivery->request.claims = INTAKE_ABSENT;
	delivery->request.text = delivery->request.form = delivery->request.content = INTAKE_ABSENT;
	delivery->request.body = delivery->request.unpacked = INTAKE_ABSENT;
	delivery->answer = (IntakeAnswer){.secret = keep_slice(delivery->answer.secret)};
	delivery->headers = keep_text(delivery->headers);
	delivery->body = keep_text(delivery->body);
	delivery->reason = keep_text(delivery->reason);
	delivery->detail = keep_text(delivery->detail);
	if (!delivery->accepted)
		return;
	event->key = event->keyless ? INTAKE_ABSENT : keep_slice(event->key);
	if (event->n_guards > 0)
		event->guards = memcpy(palloc(event->n_guards * sizeof(IntakeDigest)), event->guards,
							   event->n_guards * sizeof(IntakeDigest));
	event->type = keep_slice(event->type);
	event->headers =
		memcpy(palloc(VARSIZE(event->headers)), event->headers, VARSIZE(event->headers));
	intake_split_keep(delivery);
}

/*
 * Decides about one request without writing anything: sets accepted and event, or status and
 * what else the answer is made of. The sources are fresh. What judging takes of memory
 * is given back before the next request is judged.
 */
void
intake_judge_delivery(IntakeDelivery *delivery)
{
	MemoryContext batch = CurrentMemoryContext;
	IntakeVerdict verdict;
	int scratch;

	intake_scratch_restart();
	scratch = intake_scratch_begin();
	route(delivery);
	if (delivery->status == 0)
		authenticate(delivery, &verdict);
	if (delivery->status == 0 && !try_handshake(delivery, true))
		intake_extract_event(delivery, &verdict);
	MemoryContextSwitchTo(batch);
	keep(delivery);
	intake_scratch_end(scratch);
}
