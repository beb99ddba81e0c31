/*
 * signature.c
 *		Verification of a request. Pure: time and keys are arguments.
 *
 * Every signature that a request presents is tried with every key; one pair that matches is
 * enough. What depends on the timestamp or the key is made once and compared with all candidates
 * that share them. All comparisons are in constant time, anything that cannot be read is a refusal,
 * and so is what costs more than a request may (work.h). Memory of what did not match is given
 * back before the next is tried (scratch.h).
 */
#include <stdio.h>

#include "common/memory.h"

#include "common/scratch.h"
#include "read/form.h"
#include "read/work.h"
#include "verify/candidate.h"
#include "verify/content.h"
#include "verify/fingerprint.h"
#include "verify/jwt.h"
#include "verify/signature.h"
#include "verify/url.h"

#define MOST_SIGNATURE 2048          /* bytes, decoded */
#define CLOCK_SKEW INT64_C(10000000) /* microseconds that clocks of tokens may differ */

typedef struct Verification
{
	const IntakeScheme *scheme;
	IntakeRequest request; /* a copy, which gets claims */
	IntakeValues values;
	IntakeKey **keys;
	int n_keys;
	IntakeVerdict *verdict;
	IntakeCandidates candidates; /* last: it is large, and begins empty */
} Verification;

static bool
refuse(Verification *v, IntakeReason reason, const char *detail)
{
	v->verdict->reason = reason;
	snprintf(v->verdict->detail, sizeof(v->verdict->detail), "%s", detail);
	return false;
}

/* ---- candidates ---- */

/* Refuses, and says where the scheme looks. */
static bool
refuse_missing(Verification *v)
{
	const IntakePlace *place = &v->scheme->signatures[0];
	char detail[160];

	snprintf(detail, sizeof(detail), "there is nothing at %s:%.*s%s",
			 intake_place_word(place->kind), (int) (place->name.len < 100 ? place->name.len : 100),
			 place->name.data,
			 v->scheme->n_signatures > 1 ? ", nor at the other places of the scheme" : "");
	return refuse(v, INTAKE_NO_SIGNATURE, detail);
}

/* Whether signatures are verified by public keys, which takes long. */
static bool
is_public(const IntakeScheme *scheme)
{
	return scheme->kind == INTAKE_PUBLIC_KEY ||
		   (scheme->kind == INTAKE_JWT && !scheme->key_is_shared);
}

static bool
collect(Verification *v)
{
	IntakeCandidates *candidates = &v->candidates;

	intake_candidates_collect(v->scheme, &v->request, v->values.item, candidates);
	if (candidates->overflow)
		return refuse(v, INTAKE_MALFORMED_SIGNATURE, "more than 100 signatures");
	if (is_public(v->scheme) && candidates->count > INTAKE_PUBLIC_CANDIDATES_MAX)
		return refuse(v, INTAKE_MALFORMED_SIGNATURE, "more than 8 signatures by a private key");
	if (candidates->count == 0 && candidates->other_tags)
		return refuse(v, INTAKE_UNKNOWN_TAG,
					  "no signature has the tag, version or prefix that the scheme names");
	return candidates->count > 0 || refuse_missing(v);
}

/* ---- time ---- */

/* The timestamp that belongs to a candidate, as it is written. */
static IntakeSlice
timestamp_of(Verification *v, const IntakeCandidate *candidate)
{
	IntakeSlice value;

	if (!v->scheme->has_timestamp)
		return INTAKE_ABSENT;
	if (v->scheme->timestamp.kind == INTAKE_SIGNATURE_ITEM)
		return candidate->timestamp;
	if (intake_location_all(&v->scheme->timestamp, &v->request, v->values.item, &value, 1) == 0)
		return INTAKE_ABSENT;
	return value;
}

/* Whether a time is no more than OLD before now, and no more than AHEAD behind it. */
static bool
check_age(Verification *v, int64_t time, int64_t old, int64_t ahead)
{
	int64_t age = v->request.now - time;
	char detail[120];

	if (age <= old && -age <= ahead)
		return true;
	snprintf(detail, sizeof(detail), "the timestamp is %lld s %s, the tolerance is %lld s",
			 (long long) ((age < 0 ? -age : age) / 1000000), age < 0 ? "ahead" : "old",
			 (long long) ((age < 0 ? ahead : old) / 1000000));
	return refuse(v, age < 0 ? INTAKE_FUTURE_TIMESTAMP : INTAKE_STALE_TIMESTAMP, detail);
}

static bool
in_window(Verification *v, IntakeSlice timestamp)
{
	int64_t tolerance = v->scheme->tolerance;
	int64_t time;

	if (!v->scheme->has_timestamp)
		return true;
	if (timestamp.data == NULL || timestamp.len == 0)
		return refuse(v, INTAKE_NO_TIMESTAMP,
					  "the request has no timestamp where the scheme looks");
	if (timestamp.len > INTAKE_TIMESTAMP_MAX ||
		!intake_timestamp_read(v->scheme->unit, timestamp, &time))
		return refuse(v, INTAKE_BAD_TIMESTAMP, "the timestamp cannot be read");
	memcpy(v->verdict->timestamp_text, timestamp.data, timestamp.len);
	v->verdict->timestamp = (IntakeSlice){v->verdict->timestamp_text, timestamp.len};
	return tolerance < 0 || check_age(v, time, tolerance, tolerance);
}

/* ---- signed messages ---- */

static void
refuse_malformed(Verification *v)
{
	const IntakePart *part = intake_template_malformed(v->scheme->message, &v->values);
	char detail[160];

	snprintf(detail, sizeof(detail), "the value of %.*s is not what the scheme requires there",
			 part ? (int) (part->text.len < 80 ? part->text.len : 80) : 0,
			 part ? part->text.data : "");
	refuse(v, INTAKE_MALFORMED_PART, detail);
}

static int
render(Verification *v, IntakeSlice **parts)
{
	int count;

	*parts = palloc((v->scheme->message->count + 1) * sizeof(IntakeSlice));
	count = intake_template_render(v->scheme->message, &v->values, *parts);
	if (count == INTAKE_RENDER_MALFORMED)
		refuse_malformed(v);
	else if (count < 0)
		refuse(v, INTAKE_MISSING_PART, "the request lacks a value that the scheme signs");
	return count;
}

/* Whether a candidate, decoded, is a signature of the message by one of the public keys. */
static bool
matches_public(Verification *v, const IntakeKey *key, const IntakeSigned *content,
			   IntakeSlice value)
{
	unsigned char bytes[MOST_SIGNATURE];
	IntakeSlice signature = {(char *) bytes, 0};

	if (!intake_encoding_decode(v->scheme->encoding, value, bytes, sizeof(bytes), &signature.len))
		return false;
	for (int i = 0; i < key->n_public_keys && !intake_work_over(); i++)
		if (intake_publickey_verify(&key->public_keys[i], v->scheme->algorithm, content, signature))
			return true;
	return false;
}

/* Whether a candidate, decoded, is the digest. */
static bool
matches_digest(const IntakeScheme *scheme, IntakeSlice value, const IntakeDigest *digest)
{
	unsigned char bytes[INTAKE_DIGEST_MAX];
	size_t length;

	return intake_encoding_decode(scheme->encoding, value, bytes, sizeof(bytes), &length) &&
		   intake_digest_equal((IntakeSlice){(char *) bytes, length}, intake_digest_slice(digest));
}

/* What candidates are compared with: of public keys the same for all keys. */
static bool
prepare(Verification *v, IntakeKey *key, const IntakeSlice *parts, int count, IntakeSigned *content)
{
	const IntakeScheme *scheme = v->scheme;

	if (scheme->kind == INTAKE_PUBLIC_KEY)
		return intake_publickey_prepare(scheme->key_type, scheme->algorithm, parts, count, content);
	if (scheme->kind == INTAKE_HASH)
		return intake_digest_plain(scheme->algorithm, parts, count, &content->digest);
	return intake_digest_mac(intake_signing_key_mac(key, scheme->algorithm), parts, count,
							 &content->digest);
}

/* Tries the candidates that share TIMESTAMP with one key. */
static bool
try_key(Verification *v, IntakeSlice timestamp, int index, const IntakeSigned *content)
{
	for (int i = 0; i < v->candidates.count && !intake_work_over(); i++)
	{
		IntakeCandidate *candidate = &v->candidates.list[i];

		if (candidate->timestamp.data != NULL &&
			!intake_slice_equal(candidate->timestamp, timestamp))
			continue;
		if (v->scheme->kind == INTAKE_PUBLIC_KEY
				? matches_public(v, v->keys[index], content, candidate->value)
				: matches_digest(v->scheme, candidate->value, &content->digest))
		{
			v->verdict->key = index;
			return true;
		}
	}
	return refuse(v, INTAKE_MISMATCH, "no signature matches with any secret");
}

/* Tries the candidates that share TIMESTAMP with all keys. */
static bool
try_keys(Verification *v, IntakeSlice timestamp)
{
	bool is_hash = v->scheme->kind == INTAKE_HASH; /* of the secret, too */
	bool is_mac = v->scheme->kind == INTAKE_HMAC;
	IntakeSigned content;
	IntakeSlice *parts = NULL;
	int count = 0;
	bool found = false;

	v->values.timestamp = timestamp;
	for (int key = 0; key < v->n_keys && count >= 0 && !found && !intake_work_over(); key++)
	{
		bool anew = key == 0 || is_hash;
		int scratch = is_hash ? intake_scratch_begin() : 0;

		v->values.secret = v->keys[key]->secret;
		if (anew)
			count = render(v, &parts);
		if (count >= 0 && (anew || is_mac) && !prepare(v, v->keys[key], parts, count, &content))
		{
			refuse(v, INTAKE_BAD_SECRET, "the secret cannot be used");
			count = -1;
		}
		found = count >= 0 && try_key(v, timestamp, key, &content);
		if (is_hash)
			intake_scratch_end(scratch);
	}
	return found;
}

static bool
seen_before(const IntakeCandidates *candidates, int index)
{
	for (int i = 0; i < index; i++)
		if (intake_slice_equal(candidates->list[i].timestamp, candidates->list[index].timestamp))
			return true;
	return false;
}

static bool
try_messages(Verification *v)
{
	bool several = v->candidates.count > 1; /* one leaves nothing behind for another */
	bool found = false;

	for (int i = 0; i < v->candidates.count && !found && !intake_work_over(); i++)
	{
		int scratch;
		IntakeSlice timestamp;

		if (seen_before(&v->candidates, i))
			continue;
		scratch = several ? intake_scratch_begin() : 0;
		timestamp = timestamp_of(v, &v->candidates.list[i]);
		found = in_window(v, timestamp) && try_keys(v, timestamp);
		if (several)
			intake_scratch_end(scratch);
	}
	return found;
}

/* ---- tokens ---- */

/* Digests are compared: they have one length, so that of the secret does not show. */
static bool
token_digest(const IntakeScheme *scheme, IntakeSlice token, IntakeDigest *digest)
{
	if (scheme->kind == INTAKE_BASIC)
		token = intake_candidate_password(token);
	return token.data != NULL && intake_digest_plain(INTAKE_SHA256, &token, 1, digest);
}

/* Every token that is presented must be one secret: one forged item spoils a batch. */
static bool
try_tokens(Verification *v)
{
	IntakeDigest tokens[INTAKE_CANDIDATES_MAX];
	IntakeDigest secret;
	int count = 0;

	while (count < v->candidates.count && !intake_work_over() &&
		   token_digest(v->scheme, v->candidates.list[count].value, &tokens[count]))
		count++;
	for (int key = 0; key < v->n_keys && count == v->candidates.count; key++)
	{
		bool all = intake_digest_plain(INTAKE_SHA256, &v->keys[key]->secret, 1, &secret);

		for (int i = 0; i < count; i++)
			all = all && intake_digest_equal(intake_digest_slice(&tokens[i]),
											 intake_digest_slice(&secret));
		if (all)
		{
			v->verdict->key = key;
			return true;
		}
	}
	return refuse(v, INTAKE_MISMATCH, "the token is not a secret of the source");
}

/* ---- JSON Web Tokens ---- */

/* Whether now is between the times that a token names. */
static bool
check_token_times(Verification *v, const IntakeJwt *token)
{
	const int64_t ever = INT64_MAX;
	int64_t time;
	bool present;

	if (!intake_jwt_time(token, "/exp", &present, &time))
		return refuse(v, INTAKE_BAD_TIMESTAMP, "the claim exp cannot be read");
	v->verdict->endless = !present && !v->scheme->binds_body && v->scheme->tolerance < 0;
	if (present && !check_age(v, time, CLOCK_SKEW, ever))
		return false;
	if (!intake_jwt_time(token, "/nbf", &present, &time))
		return refuse(v, INTAKE_BAD_TIMESTAMP, "the claim nbf cannot be read");
	return !present || check_age(v, time, ever, CLOCK_SKEW);
}

static bool
try_jwt(Verification *v, IntakeSlice text)
{
	IntakeJwt token;
	int key = 0;

	if (!intake_jwt_read(text, &token))
		return refuse(v, INTAKE_MALFORMED_SIGNATURE, "it is not a JSON Web Token");
	if (!intake_jwt_algorithm_is(&token, v->scheme->jwt_algorithm))
		return refuse(v, INTAKE_UNKNOWN_TAG, "the token names another algorithm than the scheme");
	while (key < v->n_keys && !intake_work_over() &&
		   !intake_jwt_verify(&token, v->scheme, v->keys[key]))
		key++;
	if (key == v->n_keys || intake_work_over())
		return refuse(v, INTAKE_MISMATCH, "the token was not signed with any secret");
	v->request.claims = v->verdict->claims = token.claims;
	v->verdict->key = key;
	return check_token_times(v, &token) && in_window(v, timestamp_of(v, NULL));
}

static bool
try_jwts(Verification *v)
{
	for (int i = 0; i < v->candidates.count && !intake_work_over(); i++)
	{
		IntakeSlice text = v->candidates.list[i].value;
		int scratch = intake_scratch_begin();
		bool right = try_jwt(v, text);
		IntakeJwt token;

		intake_scratch_end(scratch);
		if (right && intake_jwt_read(text, &token))
		{
			/* Its claims are read again, to be there for longer. */
			v->request.claims = v->verdict->claims = token.claims;
			v->verdict->signing_input = token.content;
			return true;
		}
		v->request.claims = v->verdict->claims = INTAKE_ABSENT;
	}
	return false;
}

/* ---- the whole ---- */

static bool
try_candidates(Verification *v)
{
	switch (v->scheme->kind)
	{
		case INTAKE_TOKEN:
		case INTAKE_BASIC:
			return try_tokens(v);
		case INTAKE_JWT:
			return try_jwts(v);
		default:
			return try_messages(v);
	}
}

/* Whether everything holds that the scheme requires; says so in the verdict where it does not. */
static bool
meets_requirements(Verification *v)
{
	for (int i = 0; i < v->scheme->n_require; i++)
		if (!v->scheme->require[i].in_message &&
			!intake_requirement_meets(&v->scheme->require[i], &v->values))
		{
			char detail[120];

			snprintf(detail, sizeof(detail), "%srequirement %d of the scheme is not met%s",
					 v->scheme->kind == INTAKE_UNSIGNED ? "" : "the signature is right, but ",
					 i + 1,
					 intake_requirement_overlooks(&v->scheme->require[i], &v->values)
						 ? ": the value has more than 4096 bytes"
						 : "");
			return refuse(v, INTAKE_REQUIREMENT, detail);
		}
	return true;
}

static bool
verify_item(Verification *v)
{
	return collect(v) && try_candidates(v) && meets_requirements(v);
}

/* Keeps the digests of an item, where it is content that is signed. */
static bool
note_item(Verification *v, int index)
{
	if (v->verdict->items == NULL)
		return true;
	v->verdict->n_items = index + 1;
	return intake_fingerprint_item(v->verdict, &v->values, &v->verdict->items[index]) ||
		   refuse(v, INTAKE_BAD_SECRET, "libcrypto cannot digest an item");
}

static bool
verify_items(Verification *v)
{
	IntakeSlice items[INTAKE_ITEMS_MAX + 1];
	int count;

	if (v->scheme->each == NULL)
		return verify_item(v);
	count = intake_json_find(intake_request_text(&v->request), v->scheme->each, items,
							 INTAKE_ITEMS_MAX + 1);
	if (count == 0 || count > INTAKE_ITEMS_MAX)
		return refuse(v, INTAKE_NO_SIGNATURE, "the request has no items, or more than 100");
	for (int i = 0; i < count; i++)
	{
		int scratch = intake_scratch_begin();
		bool right;

		v->values.item = items[i];
		right = verify_item(v) && note_item(v, i);
		v->verdict->claims = INTAKE_ABSENT;
		intake_scratch_end(scratch);
		if (!right || intake_work_over())
			return false;
	}
	return true;
}

/* ---- URLs ---- */

static bool
verify_with_url(Verification *v, IntakeSlice url)
{
	int scratch;
	bool right;

	if (url.data == NULL || intake_work_over())
		return false;
	v->values.url = v->verdict->url = url;
	scratch = intake_scratch_begin();
	right = verify_items(v);
	intake_scratch_end(scratch);
	return right;
}

static bool
verify_urls(Verification *v)
{
	const IntakeScheme *scheme = v->scheme;
	IntakeSlice url = v->request.url;

	if (scheme->message != NULL && intake_template_uses(scheme->message, "form_sorted"))
		v->verdict->form_sorted = v->values.form_sorted =
			intake_form_sorted(intake_request_form(&v->request));
	if (scheme->each != NULL && (scheme->message != NULL || scheme->kind == INTAKE_JWT))
		v->verdict->items = palloc(INTAKE_ITEMS_MAX * sizeof(IntakeFingerprint));
	v->values.url = v->verdict->url = url;
	if (verify_items(v))
		return true;
	if (url.data == NULL || v->verdict->reason != INTAKE_MISMATCH || scheme->kind == INTAKE_JWT)
		return false;
	return (scheme->toggle_port && verify_with_url(v, intake_url_toggle_port(url))) ||
		   (scheme->decode_url && verify_with_url(v, intake_url_decode_escapes(url)));
}

/* ---- entry ---- */

static Verification *
begin(const IntakeScheme *scheme, const IntakeRequest *request, IntakeSlice token)
{
	Verification *v = palloc(sizeof(Verification));

	memset(v, 0, offsetof(Verification, candidates));
	v->candidates.count = 0;
	v->scheme = scheme;
	v->request = *request;
	v->request.claims = INTAKE_ABSENT;
	intake_content_prepare(scheme, &v->request);
	v->values.request = &v->request;
	v->values.url = request->url;
	v->values.token = token;
	return v;
}

/*
 * Verifies a request with the keys that are valid now. TOKEN is what {token} stands for.
 * VERDICT says INTAKE_OK only when everything was checked and right.
 */
void
intake_signature_verify(const IntakeScheme *scheme, const IntakeRequest *request, IntakeSlice token,
						IntakeKey **keys, int n_keys, IntakeVerdict *verdict)
{
	IntakeRequest opened = *request;
	Verification *v;
	bool ok = false;

	memset(verdict, 0, sizeof(*verdict));
	verdict->key = -1;
	verdict->reason = INTAKE_MISMATCH;
	intake_work_begin(
		request->headers.len + request->query.len + request->url.len + request->body.len, n_keys);
	intake_content_open_early(scheme, &opened);
	verdict->scheme = scheme = intake_scheme_for(scheme, &opened);
	v = begin(scheme, &opened, token);
	v->verdict = verdict;
	v->keys = keys;
	v->n_keys = n_keys;
	verdict->opened = v->request;
	if (scheme->kind == INTAKE_UNSIGNED)
		ok = meets_requirements(v);
	else if (n_keys == 0)
		refuse(v, INTAKE_NO_SECRET, "the source has no secret that is valid now");
	else if (request->url.data == NULL && scheme->uses_url)
		refuse(v, INTAKE_NO_URL, "the scheme signs the URL; the source needs public_url");
	else if (scheme->query_is_fixed && request->public_url.data != NULL &&
			 !intake_url_query_is(request->public_url, request->query, scheme->url_fields,
								  scheme->n_url_fields))
		refuse(v, INTAKE_OTHER_QUERY,
			   "the scheme signs the URL, and the query is not that of public_url");
	else if (token.data == NULL && scheme->uses_token)
		refuse(v, INTAKE_NO_TOKEN, "the source needs the verify_token that its scheme describes");
	else if (intake_content_is_hidden(scheme, &opened))
		refuse(v, INTAKE_MISMATCH, "the scheme signs what was packed");
	else
		ok = verify_urls(v);
	if (intake_work.too_many_fields)
		ok = refuse(v, INTAKE_TOO_MANY_FIELDS, "a form or a query has more than 10000 fields");
	else if (intake_work_over())
		ok = refuse(v, INTAKE_TOO_COSTLY,
					"so many signatures, secrets, places and bytes are more than is tried");
	else if (!ok && opened.problem != NULL && strlen(verdict->detail) < 80)
		snprintf(verdict->detail + strlen(verdict->detail), 110, "; %s", opened.problem);
	if (ok)
	{
		verdict->reason = INTAKE_OK;
		verdict->detail[0] = '\0';
	}
	else
	{
		verdict->key = -1;
		verdict->claims = INTAKE_ABSENT;
	}
	pfree(v);
}

/* The messages of all items, one behind the other. */
static IntakeSlice
content_of_items(Verification *v)
{
	IntakeSlice items[INTAKE_ITEMS_MAX];
	int count = intake_json_find(intake_request_text(&v->request), v->scheme->each, items,
								 INTAKE_ITEMS_MAX);
	size_t room = 1024;
	char *out = palloc(room);
	size_t length = 0;

	for (int i = 0; i < count; i++)
	{
		IntakeSlice more;

		v->values.item = items[i];
		more = intake_template_text(v->scheme->message, &v->values);
		if (more.data == NULL)
			return INTAKE_ABSENT;
		if (length + more.len > room)
		{
			room = 2 * (length + more.len);
			out = repalloc(out, room);
		}
		memcpy(out + length, more.data, more.len);
		length += more.len;
		pfree((char *) more.data);
	}
	return (IntakeSlice){out, length};
}

/*
 * The content that the signature of a request covers, by its verdict, with TIMESTAMP for its
 * time and without any secret, to be shown; the body where a scheme has no message. Absent where
 * the request lacks a part of it.
 */
IntakeSlice
intake_signature_content(const IntakeVerdict *verdict, const IntakeRequest *request,
						 IntakeSlice token, IntakeSlice timestamp)
{
	Verification *v;
	IntakeSlice content;

	if (verdict->scheme->message == NULL)
		return request->body;
	v = begin(verdict->scheme, request, token);
	v->values.url = verdict->url;
	v->values.secret = intake_slice_cstr("");
	v->values.timestamp = timestamp;
	if (v->scheme->each != NULL)
		content = content_of_items(v);
	else
		content = intake_template_text(v->scheme->message, &v->values);
	pfree(v);
	return content;
}
