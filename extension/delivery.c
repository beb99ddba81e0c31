/*
 * delivery.c
 *		Judging one request, from its bytes alone: route, size, handshake, signature, key and
 *		type. Nothing is written here.
 */
#include "postgres.h"

#include "config.h"
#include "delivery.h"
#include "json.h"
#include "payload.h"

#define MAX_KEY 1024 /* bytes */
#define MAX_TYPE 256

static void
reject(IntakeDelivery *delivery, int status, const char *reason, const char *detail)
{
	delivery->status = status;
	delivery->reason = reason;
	delivery->detail = detail;
}

static void
answer_handshake(IntakeDelivery *delivery)
{
	delivery->status = delivery->answer.status;
	delivery->content_type = delivery->answer.content_type;
	delivery->headers = delivery->answer.headers;
	delivery->body = delivery->answer.body.data
						 ? pnstrdup(delivery->answer.body.data, delivery->answer.body.len)
						 : NULL;
	if (delivery->body != NULL && !intake_payload_text_valid(delivery->answer.body))
	{
		delivery->content_type = delivery->headers = delivery->body = NULL;
		reject(delivery, 400, "handshake_refused", "the challenge is not text");
	}
}

static bool
try_handshake(IntakeDelivery *delivery, bool verified)
{
	IntakeSource *source = delivery->source;

	if (!intake_handshake_answer(source->handshakes, source->n_handshakes, &delivery->request,
								 source->token, verified, &delivery->answer))
		return false;
	answer_handshake(delivery);
	return true;
}

static bool
method_is(const IntakeDelivery *delivery, const char *method)
{
	return intake_slice_equal(delivery->request.method, intake_slice_cstr(method));
}

/* The URL that the sender called: the configured one, with the query that arrived. */
static IntakeSlice
sender_url(IntakeSlice public_url, IntakeSlice query)
{
	char *url;

	if (public_url.data == NULL || query.len == 0)
		return public_url;
	url = palloc(public_url.len + query.len + 1);
	memcpy(url, public_url.data, public_url.len);
	url[public_url.len] = '?';
	memcpy(url + public_url.len + 1, query.data, query.len);
	return (IntakeSlice){url, public_url.len + query.len + 1};
}

/* Decides what can be decided without a signature. */
static void
route(IntakeDelivery *delivery)
{
	int limit = intake_config_max_body_size;

	delivery->source = intake_registry_source(delivery->source_name);
	if (delivery->source != NULL)
		delivery->request.url = sender_url(delivery->source->public_url, delivery->request.query);
	if (delivery->source == NULL)
		reject(delivery, 404, "unknown_source", NULL);
	else if (delivery->request.body.len > (size_t) limit * 1024)
		reject(delivery, 413, "too_large",
			   psprintf("the body has %zu bytes, pg_intake.max_body_size is %d kB",
						delivery->request.body.len, limit));
	else if (try_handshake(delivery, false))
		return;
	else if (!method_is(delivery, "POST"))
	{
		for (int i = 0; i < delivery->source->n_handshakes; i++)
			if (intake_slice_equal(intake_slice_cstr(delivery->source->handshakes[i].method),
								   delivery->request.method))
			{
				reject(delivery, delivery->source->reject_status, "handshake_refused",
					   "no rule matches; is the verify token right?");
				return;
			}
		reject(delivery, 405, "method", NULL);
		delivery->headers = "Allow: POST\r\n";
	}
}

/* The secrets of a source that are valid at the time of the request. */
static int
current_secrets(const IntakeSource *source, int64 now, IntakeSlice *secrets)
{
	int count = 0;

	for (int i = 0; i < source->n_secrets; i++)
		if (source->expires[i] > now - INTAKE_UNIX_EPOCH)
			secrets[count++] = source->secrets[i];
	return count;
}

/* Verifies a request against a source. Fails closed. */
void
intake_delivery_verify(const IntakeSource *source, const IntakeRequest *request,
					   IntakeVerdict *verdict)
{
	IntakeSlice *secrets;
	int count;

	if (source->scheme == NULL)
	{
		verdict->reason = INTAKE_BAD_SECRET;
		strlcpy(verdict->detail, source->problem, sizeof(verdict->detail));
		return;
	}
	secrets = palloc((source->n_secrets + 1) * sizeof(IntakeSlice));
	count = current_secrets(source, request->now, secrets);
	intake_signature_verify(source->scheme, request, secrets, count, verdict);
}

static void
authenticate(IntakeDelivery *delivery)
{
	IntakeVerdict verdict = {0};

	intake_delivery_verify(delivery->source, &delivery->request, &verdict);
	if (verdict.reason != INTAKE_OK)
		reject(delivery, delivery->source->reject_status, intake_reason_name(verdict.reason),
			   pstrdup(verdict.detail));
}

/* A value of the request that can be stored as text of at most LIMIT bytes, or absent. */
static IntakeSlice
read_text(const IntakeLocation *location, const IntakeRequest *request, size_t limit)
{
	IntakeSlice value = {NULL, 0};

	if (location != NULL)
		value = intake_location_read(location, request);
	if (value.data == NULL || value.len == 0 || value.len > limit ||
		!intake_payload_text_valid(value))
		value = (IntakeSlice){NULL, 0};
	return value;
}

static void
extract(IntakeDelivery *delivery)
{
	IntakeSource *source = delivery->source;
	IntakeEvent *event = &delivery->event;

	event->key = read_text(source->key, &delivery->request, MAX_KEY);
	event->type = read_text(source->type, &delivery->request, MAX_TYPE);
	if (event->key.data == NULL)
	{
		reject(delivery, 400, "no_key",
			   source->key == NULL ? "neither source nor scheme says where the key is"
			   : intake_json_valid(delivery->request.body)
				   ? "no usable key was found"
				   : "no usable key was found; the body is not JSON");
		return;
	}
	event->source_id = source->id;
	event->source_name = source->name;
	event->headers = intake_payload_headers(delivery->request.headers, source->scheme);
	event->body = delivery->request.body;
	event->replay_dead = source->replay_dead;
	delivery->accepted = true;
}

/*
 * Decides about one request without writing anything: sets accepted and event, or status and
 * what else the answer is made of. The registry of sources is fresh.
 */
void
intake_delivery_judge(IntakeDelivery *delivery)
{
	route(delivery);
	if (delivery->status == 0)
		authenticate(delivery);
	if (delivery->status == 0 && !try_handshake(delivery, true))
		extract(delivery);
}
