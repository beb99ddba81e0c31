/*
 * fingerprint.c
 *		Digests of what was signed: by which content is known again. Pure; results are palloc'ed.
 *
 * All are SHA-256. Where a secret stood there is a byte 0, and in a key where the time stood, too:
 * so what was before it and what was behind it does not flow together.
 */
#include <stdlib.h>

#include "common/memory.h"

#include "read/body.h"
#include "verify/coverage.h"
#include "verify/fingerprint.h"

static const IntakeSlice nothing = {"", 1}; /* a byte 0 */

static bool
digest_message(const IntakeScheme *scheme, IntakeValues values, bool dated, IntakeDigest *out)
{
	IntakeSlice *parts = palloc((scheme->message->count + 1) * sizeof(IntakeSlice));
	int count;

	values.secret = nothing;
	if (!dated)
		values.timestamp = nothing;
	count = intake_template_render(scheme->message, &values, parts);
	return count >= 0 && intake_digest_plain(INTAKE_SHA256, parts, count, out);
}

/* What the message of a request is made of, once it was verified. */
static IntakeValues
values_of(const IntakeVerdict *verdict, const IntakeRequest *request, IntakeSlice token)
{
	IntakeValues values = {0};

	values.request = request;
	values.url = verdict->url;
	values.timestamp = verdict->timestamp;
	values.token = token;
	values.form_sorted = verdict->form_sorted;
	return values;
}

/* The digests of an item that was just verified. Returns false where there are none. */
bool
intake_fingerprint_item(const IntakeVerdict *verdict, const IntakeValues *values,
						IntakeFingerprint *print)
{
	const IntakeScheme *scheme = verdict->scheme;

	if (scheme->message != NULL)
		return digest_message(scheme, *values, true, &print->exact) &&
			   digest_message(scheme, *values, false, &print->undated);
	if (!intake_digest_plain(INTAKE_SHA256, &verdict->signing_input, 1, &print->exact))
		return false;
	print->undated = print->exact;
	return true;
}

static int
by_bytes(const void *a, const void *b)
{
	return memcmp(((const IntakeDigest *) a)->bytes, ((const IntakeDigest *) b)->bytes,
				  ((const IntakeDigest *) a)->len);
}

/* The digests of all items, in order, and each once; returns how many. */
static int
digest_items(const IntakeVerdict *verdict, bool dated, IntakeDigest **out)
{
	IntakeDigest *digests = palloc((verdict->n_items + 1) * sizeof(IntakeDigest));
	int count = 0;

	for (int i = 0; i < verdict->n_items; i++)
		digests[i] = dated ? verdict->items[i].exact : verdict->items[i].undated;
	qsort(digests, verdict->n_items, sizeof(IntakeDigest), by_bytes);
	for (int i = 0; i < verdict->n_items; i++)
		if (count == 0 || by_bytes(&digests[i], &digests[count - 1]) != 0)
			digests[count++] = digests[i];
	*out = digests;
	return count;
}

/*
 * The digests of all that was signed in a request that was verified, each once: of its items, of
 * its token, or of its message. Returns how many, or 0 where libcrypto fails.
 */
int
intake_fingerprint_guards(const IntakeVerdict *verdict, const IntakeRequest *request,
						  IntakeSlice token, IntakeDigest **guards)
{
	const IntakeScheme *scheme = verdict->scheme;
	bool ok;

	if (scheme->each != NULL)
		return digest_items(verdict, true, guards);
	*guards = palloc(sizeof(IntakeDigest));
	if (scheme->message != NULL)
		ok = digest_message(scheme, values_of(verdict, request, token), true, *guards);
	else
		ok = intake_digest_plain(INTAKE_SHA256, &verdict->signing_input, 1, *guards);
	return ok ? 1 : 0;
}

/*
 * The digest of the content of a request: of its message but for the time, and of its body where the
 * message does not have that as it is; of the body where there is no message. Places that are
 * volatile are cut out, and what the message has of them counts as empty.
 */
static bool
digest_content(const IntakeVerdict *verdict, const IntakeRequest *request, IntakeSlice token,
			   IntakeDigest *key)
{
	const IntakeScheme *scheme = verdict->scheme;
	IntakeRequest lasting = *request;
	IntakeValues values = values_of(verdict, &lasting, token);
	IntakeDigest digests[2];
	IntakeSlice parts[2];

	lasting.body = intake_volatile_cut(&scheme->volatiles, request);
	lasting.headers = intake_volatile_cut_headers(&scheme->volatiles, request->headers);
	values.lasting = lasting.headers.data != request->headers.data;
	if (lasting.body.data != intake_request_content(request).data)
	{
		intake_body_reopen(&lasting, scheme->json_from);
		values.lasting = true;
		values.form_sorted = INTAKE_ABSENT;
	}
	if (scheme->message == NULL)
		return intake_digest_plain(INTAKE_SHA256, &lasting.body, 1, key);
	if (scheme->signs_body)
		return digest_message(scheme, values, false, key);
	if (!digest_message(scheme, values, false, &digests[0]) ||
		!intake_digest_plain(INTAKE_SHA256, &lasting.body, 1, &digests[1]))
		return false;
	parts[0] = intake_digest_slice(&digests[0]);
	parts[1] = intake_digest_slice(&digests[1]);
	return intake_digest_plain(INTAKE_SHA256, parts, 2, key);
}

/*
 * The digest that is the key of a request that was verified and has no other: of its content, of the
 * set of its items where each is signed by itself, or of a token that is the body (a signature of
 * ECDSA, which is in it, can be written in two ways). Returns false where libcrypto fails.
 */
bool
intake_fingerprint_key(const IntakeVerdict *verdict, const IntakeRequest *request,
					   IntakeSlice token, IntakeDigest *key)
{
	const IntakeScheme *scheme = verdict->scheme;
	IntakeSlice parts[INTAKE_ITEMS_MAX];
	IntakeDigest *digests;
	int count;

	if (scheme->message == NULL && intake_coverage_token_is_body(scheme))
		return intake_digest_plain(INTAKE_SHA256, &verdict->signing_input, 1, key);
	if (scheme->each == NULL)
		return digest_content(verdict, request, token, key);
	count = digest_items(verdict, false, &digests);
	for (int i = 0; i < count; i++)
		parts[i] = intake_digest_slice(&digests[i]);
	return intake_digest_plain(INTAKE_SHA256, parts, count, key);
}
