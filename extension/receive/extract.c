/*
 * extract.c
 *		What a verified request is as an event: its content, key, type and guards.
 */
#include "postgres.h"

#include "events/key_row.h"
#include "events/payload.h"
#include "ground/datum.h"
#include "ground/intake.h"
#include "receive/extract.h"
#include "receive/split.h"
#include "verify/content.h"
#include "verify/coverage.h"
#include "verify/fingerprint.h"
#include "verify/key_parts.h"

/* A value of the request that can be stored as text, or absent. */
IntakeSlice
intake_extract_text(const IntakeLocation *location, const IntakeRequest *request)
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

	if (!verdict->scheme->guarded && !(delivery->source->profile->guarded && verdict->endless))
		return;
	event->n_guards =
		intake_fingerprint_guards(verdict, &delivery->request, delivery->source->token, &guards);
	event->guards = guards;
	event->guard_window = intake_coverage_is_whole(verdict->scheme)
							  ? delivery->source->profile->dedup_window
							  : INTAKE_FOR_EVER;
	event->typed = verdict->scheme->typed;
	event->shared = verdict->scheme->shared;
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

/*
 * Reads the parts of a key but for its digest. Returns false, with no part, where there is no key, or
 * where one of them cannot be stored as text: a header may be written in a code.
 */
bool
intake_extract_parts(const IntakeLocation *key, const IntakeRequest *request, IntakeKeyParts *parts)
{
	if (!intake_key_parts_read(key, request, INTAKE_ABSENT, parts))
		return false;
	for (int i = 0; i < parts->count; i++)
		if (!intake_datum_is_text(parts->values[i]))
			parts->count = 0;
	return parts->count > 0;
}

/*
 * How long a key stands for its event: for ever where it is a documented id. An item is a single
 * event, so an id that stands alone in it is that event's.
 */
int64
intake_extract_window(const IntakeSource *source, const IntakeKeyParts *parts, bool of_item)
{
	bool ends =
		of_item ? source->profile->item_key_ends && parts->count > 1 : source->profile->key_ends;

	return ends || intake_key_parts_have_digest(parts) ? source->profile->dedup_window
													   : INTAKE_FOR_EVER;
}

/* Makes the digest of the content the key. */
static void
use_digest(const IntakeDelivery *delivery, const IntakeVerdict *verdict, IntakeKeyParts *parts)
{
	parts->count = 1;
	parts->is_digest[0] = true;
	parts->values[0] = content_key(delivery, verdict);
}

/* Refuses a request that has no key. */
static void
refuse_without_key(IntakeDelivery *delivery)
{
	intake_judge_reject(delivery, 400, "no_key",
						delivery->source->profile->key == NULL
							? "neither source nor scheme says where the key is"
						: delivery->request.json == INTAKE_JSON_NOT
							? "no usable key was found; the body is not JSON"
							: "no usable key was found");
}

/* Finds the key; refuses the request where it has none that can be used, and needs one. */
static bool
extract_key(IntakeDelivery *delivery, const IntakeVerdict *verdict, const IntakeLocation *key)
{
	IntakeSource *source = delivery->source;
	IntakeEvent *event = &delivery->event;
	IntakeKeyParts parts;
	bool usable;

	if (intake_extract_parts(key, &delivery->request, &parts) &&
		intake_key_parts_have_digest(&parts))
		intake_key_parts_put_digest(&parts, content_key(delivery, verdict));
	event->key = intake_key_parts_join(parts.values, parts.count);
	usable = parts.count > 0 && event->key.len <= INTAKE_MAX_KEY;
	event->keyless = !usable && source->profile->missing_key == INTAKE_MISSING_EACH;
	if (event->keyless)
		return true;
	if (!usable && source->profile->missing_key == INTAKE_MISSING_DIGEST)
	{
		use_digest(delivery, verdict, &parts);
		event->key = parts.values[0];
	}
	if (parts.count == 0)
		refuse_without_key(delivery);
	if (parts.count == 0 || !fits(delivery, event->key, INTAKE_MAX_KEY, "key"))
		return false;
	event->stored_key = intake_key_row_make(source->id, parts.values, parts.count);
	event->key_window = intake_extract_window(source, &parts, false);
	return true;
}

/* Whether the body is what the scheme says; the request is refused where it is not. */
static bool
has_content(IntakeDelivery *delivery, const IntakeScheme *scheme)
{
	IntakeRequest *request = &delivery->request;
	const char *problem = intake_content_problem(scheme, scheme->content, request);

	if (problem == NULL)
	{
		if (delivery->source->profile->reads_body)
			intake_content_look(request);
		if (request->problem != NULL)
		{
			delivery->reason = "unreadable_body";
			delivery->detail = psprintf("%s; the event has no payload", request->problem);
		}
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
	IntakeReaders readers = {verdict->scheme, source->profile->key, source->profile->type};
	bool split;

	if (!has_content(delivery, verdict->scheme))
		return;
	split = source->profile->split != NULL && intake_split_delivery(delivery, verdict->scheme);
	/* A delivery is no event of its sender's: nothing but its content tells it from others. */
	if (!extract_key(delivery, verdict, split ? NULL : source->profile->key))
		return;
	if (!split)
		event->type = intake_extract_text(source->profile->type, &delivery->request);
	if (!fits(delivery, event->type, INTAKE_MAX_TYPE, "type"))
		return;
	if (!event->keyless)
		guard(delivery, verdict);
	event->volatiles = &verdict->scheme->volatiles;
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
