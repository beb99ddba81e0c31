/*
 * extract.c
 *		What a verified request is as an event: its content, key, type and guards.
 */
#include "postgres.h"

#include "events/payload.h"
#include "ground/datum.h"
#include "ground/intake.h"
#include "receive/extract.h"
#include "verify/content.h"
#include "verify/coverage.h"
#include "verify/fingerprint.h"

/* A value of the request that can be stored as text, or absent. */
static IntakeSlice
read_text(const IntakeLocation *location, const IntakeRequest *request)
{
	IntakeSlice value = {NULL, 0};

	if (location != NULL)
		value = intake_location_read(location, request);
	if (value.data == NULL || value.len == 0 || !intake_datum_is_text(value))
		value = (IntakeSlice){NULL, 0};
	return value;
}

/* Nothing is stored without the guard that it needs. */
static void
fail_to_digest(void)
{
	ereport(ERROR, (errcode(ERRCODE_SYSTEM_ERROR), errmsg("libcrypto cannot digest a request")));
}

/* The key of an event that has no other: the digest of what is signed. */
static IntakeSlice
content_key(const IntakeDelivery *delivery, const IntakeVerdict *verdict)
{
	IntakeDigest digest;
	char *hex = palloc(2 * INTAKE_DIGEST_MAX + 1);

	if (!intake_fingerprint_key(verdict, &delivery->request, delivery->source->token, &digest))
		fail_to_digest();
	intake_encoding_hex(digest.bytes, digest.len, hex);
	return intake_slice_cstr(hex);
}

/* Has what was signed remembered, where another key would make another event of it. */
static void
guard(IntakeDelivery *delivery, const IntakeVerdict *verdict)
{
	IntakeEvent *event = &delivery->event;
	IntakeDigest *guards;

	if (!verdict->scheme->guarded && !(delivery->source->guarded && verdict->endless))
		return;
	event->n_guards =
		intake_fingerprint_guards(verdict, &delivery->request, delivery->source->token, &guards);
	event->guards = guards;
	event->varies = intake_coverage_varies(verdict->scheme);
	if (event->n_guards == 0)
		fail_to_digest();
}

/* Whether a value has at most LIMIT bytes; the request is refused where it has more. */
static bool
fits(IntakeDelivery *delivery, IntakeSlice value, size_t limit, const char *what)
{
	if (value.len <= limit)
		return true;
	intake_judge_reject(delivery, 400, psprintf("%s_too_long", what),
						psprintf("the %s has %zu bytes; %zu are the most", what, value.len, limit));
	return false;
}

static bool
extract_key(IntakeDelivery *delivery, const IntakeVerdict *verdict)
{
	IntakeSource *source = delivery->source;
	IntakeEvent *event = &delivery->event;

	event->key = read_text(source->key, &delivery->request);
	if ((event->key.data == NULL || event->key.len > INTAKE_MAX_KEY) && source->digest_key)
		event->key = content_key(delivery, verdict);
	if (event->key.data != NULL)
		return fits(delivery, event->key, INTAKE_MAX_KEY, "key");
	intake_judge_reject(delivery, 400, "no_key",
						source->key == NULL ? "neither source nor scheme says where the key is"
						: delivery->request.json == INTAKE_JSON_NOT
							? "no usable key was found; the body is not JSON"
							: "no usable key was found");
	return false;
}

/* Whether the body is what the scheme says; the request is refused where it is not. */
static bool
has_content(IntakeDelivery *delivery, const IntakeScheme *scheme)
{
	IntakeRequest *request = &delivery->request;
	const char *problem = intake_content_problem(scheme, scheme->content, request);

	if (problem == NULL)
	{
		if (delivery->source->reads_body)
			intake_content_look(request);
		return true;
	}
	intake_judge_reject(delivery, 400, intake_content_reason(scheme->content), problem);
	return false;
}

/*
 * Makes an event of a request, which is to be stored then, or refuses it where that cannot be: it
 * has been verified, but is not usable.
 */
void
intake_extract_event(IntakeDelivery *delivery, const IntakeVerdict *verdict)
{
	IntakeSource *source = delivery->source;
	IntakeEvent *event = &delivery->event;
	IntakeReaders readers = {verdict->scheme, source->key, source->type};

	if (!has_content(delivery, verdict->scheme) || !extract_key(delivery, verdict))
		return;
	event->type = read_text(source->type, &delivery->request);
	if (!fits(delivery, event->type, INTAKE_MAX_TYPE, "type"))
		return;
	guard(delivery, verdict);
	event->source_id = source->id;
	event->source_name = source->name;
	event->secret_id = delivery->secret ? delivery->secret->id : 0;
	event->verified = verdict->scheme->verified;
	event->headers =
		intake_payload_headers(delivery->request.headers, &readers,
							   delivery->secret ? delivery->secret->key.secret : INTAKE_ABSENT);
	/* What is no object or array may be JSON, too. */
	if (delivery->request.json != INTAKE_JSON_NOT)
		event->json = delivery->request.json;
	event->replay_dead = source->replay_dead;
	delivery->accepted = true;
}
