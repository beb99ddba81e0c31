/*
 * signature.c
 *		Verification of a request. Pure: time and secrets are arguments.
 *
 * Every candidate signature is tried with every secret; one pair that matches is enough. The
 * digest of a message depends on the timestamp and the secret only, and candidates that
 * share their timestamp share it. All comparisons are in constant time, and anything that
 * cannot be read is a refusal.
 */
#include <stdio.h>

#include "memory.h"

#include "signature.h"

#define MOST_CANDIDATES 100
#define MOST_KEY 4096 /* bytes of a decoded key */

/* One signature that the request presents. */
typedef struct Candidate
{
	IntakeSlice value;
	IntakeSlice timestamp; /* of its group, where the scheme has it there */
} Candidate;

typedef struct Verification
{
	const IntakeScheme *scheme;
	IntakeValues values;
	const IntakeSlice *secrets;
	int n_secrets;
	Candidate candidates[MOST_CANDIDATES];
	int n_candidates;
	bool overflow;   /* there were more */
	bool other_tags; /* there were items with other tags */
	IntakeVerdict *verdict;
} Verification;

const char *
intake_reason_name(IntakeReason reason)
{
	static const char *const names[] = {
		"ok",           "no_secret",    "bad_secret",    "no_signature",    "malformed_signature",
		"unknown_tag",  "no_timestamp", "bad_timestamp", "stale_timestamp", "future_timestamp",
		"missing_part", "requirement",  "no_public_url", "mismatch",
	};

	return names[reason];
}

static bool
refuse(Verification *v, IntakeReason reason, const char *detail)
{
	v->verdict->reason = reason;
	snprintf(v->verdict->detail, sizeof(v->verdict->detail), "%s", detail);
	return false;
}

/* ---- keys ---- */

/* The key that a secret stands for, in BUFFER if it must be decoded. */
static bool
decode_key(const IntakeScheme *scheme, IntakeSlice secret, unsigned char *buffer, IntakeSlice *key)
{
	IntakeDigest digest;
	size_t length;

	if (scheme->key_form == INTAKE_KEY_SHA1)
	{
		if (!intake_digest_plain(INTAKE_SHA1, &secret, 1, &digest))
			return false;
		memcpy(buffer, digest.bytes, digest.len);
		*key = (IntakeSlice){(char *) buffer, digest.len};
		return true;
	}
	*key = secret;
	if (scheme->key_encoding == INTAKE_RAW)
		return true;
	if (scheme->key_prefix.data != NULL && intake_slice_starts(secret, scheme->key_prefix))
		secret = intake_slice_after(secret, scheme->key_prefix.len);
	if (!intake_encoding_decode(scheme->key_encoding, secret, buffer, MOST_KEY, &length) &&
		!(scheme->key_encoding == INTAKE_BASE64 &&
		  intake_encoding_decode(INTAKE_BASE64URL, secret, buffer, MOST_KEY, &length)))
		return false;
	*key = (IntakeSlice){(char *) buffer, length};
	return true;
}

/*
 * Whether a secret can be one for a scheme; *WHY says what is wrong, without the secret. A
 * base64 key may lack its padding, since people copy it by hand.
 */
bool
intake_signature_key_valid(const IntakeScheme *scheme, IntakeSlice secret, const char **why)
{
	unsigned char buffer[MOST_KEY];
	IntakeSlice key;

	*why = "it is empty";
	if (secret.data == NULL || secret.len == 0)
		return false;
	*why = "it is not in the encoding that the scheme asks for";
	if (!decode_key(scheme, secret, buffer, &key))
		return false;
	*why = "its key is empty";
	if (key.len == 0)
		return false;
	*why = "it has characters that Unicode normalisation would change";
	for (size_t i = 0; scheme->key_form == INTAKE_KEY_NFKD && i < secret.len; i++)
		if ((unsigned char) secret.data[i] >= 0x80)
			return false;
	*why = "it is not user:password";
	return scheme->kind != INTAKE_BASIC || memchr(secret.data, ':', secret.len) != NULL;
}

/* ---- candidates ---- */

static void
add_candidate(Verification *v, IntakeSlice value, IntakeSlice timestamp)
{
	if (v->n_candidates == MOST_CANDIDATES)
		v->overflow = true;
	else
		v->candidates[v->n_candidates++] = (Candidate){value, timestamp};
}

/* The value of the first item of that name in a group. */
static IntakeSlice
find_item(const IntakeScheme *scheme, IntakeSlice group, IntakeSlice wanted)
{
	while (group.data != NULL)
	{
		IntakeSlice item = intake_slice_trim(intake_slice_cut(group, scheme->item_sep, &group));
		IntakeSlice value;
		IntakeSlice name = intake_slice_cut(item, scheme->kv_sep, &value);

		if (value.data != NULL && intake_slice_equal(name, wanted))
			return value;
	}
	return INTAKE_ABSENT;
}

static void
add_group(Verification *v, IntakeSlice group)
{
	const IntakeScheme *scheme = v->scheme;
	IntakeSlice timestamp = INTAKE_ABSENT;

	if (scheme->format == INTAKE_PLAIN)
	{
		add_candidate(v, group, timestamp);
		return;
	}
	if (scheme->has_timestamp && scheme->timestamp.kind == INTAKE_SIGNATURE_ITEM)
		timestamp = find_item(scheme, group, scheme->timestamp.name);
	while (group.data != NULL && !v->overflow)
	{
		IntakeSlice item = intake_slice_trim(intake_slice_cut(group, scheme->item_sep, &group));
		IntakeSlice value = item;
		IntakeSlice name;

		if (scheme->format == INTAKE_LIST)
		{
			add_candidate(v, item, timestamp);
			continue;
		}
		name = intake_slice_cut(item, scheme->kv_sep, &value);
		if (value.data == NULL)
			continue;
		if (scheme->tag == NULL || intake_slice_equal(name, intake_slice_cstr(scheme->tag)))
			add_candidate(v, value, timestamp);
		else
			v->other_tags = true;
	}
}

/* Collects the candidates of one value; false where the prefix is missing. */
static void
add_value(Verification *v, IntakeSlice value)
{
	if (value.data == NULL)
		return;
	if (v->scheme->prefix.data != NULL)
	{
		if (!intake_slice_starts(value, v->scheme->prefix))
		{
			v->other_tags = true;
			return;
		}
		value = intake_slice_after(value, v->scheme->prefix.len);
	}
	if (v->scheme->group_sep == NULL)
	{
		add_group(v, value);
		return;
	}
	while (value.data != NULL && !v->overflow)
	{
		IntakeSlice group =
			intake_slice_trim(intake_slice_cut(value, v->scheme->group_sep, &value));

		if (group.len > 0)
			add_group(v, group);
	}
}

static bool
collect(Verification *v)
{
	IntakeSlice values[MOST_CANDIDATES + 1];

	v->n_candidates = 0;
	v->other_tags = false;
	for (int i = 0; i < v->scheme->n_signatures; i++)
	{
		int found = intake_location_all(&v->scheme->signatures[i], v->values.request,
										v->values.item, values, MOST_CANDIDATES + 1);

		for (int j = 0; j < found; j++)
			add_value(v, values[j]);
	}
	if (v->overflow)
		return refuse(v, INTAKE_MALFORMED_SIGNATURE, "more than 100 signatures");
	if (v->n_candidates == 0 && v->other_tags)
		return refuse(v, INTAKE_UNKNOWN_TAG, "no signature of the version that the scheme names");
	if (v->n_candidates == 0)
		return refuse(v, INTAKE_NO_SIGNATURE,
					  "the request has no signature where the scheme looks");
	return true;
}

/* ---- time ---- */

/* The timestamp that belongs to a candidate, as it is written. */
static IntakeSlice
timestamp_of(Verification *v, const Candidate *candidate)
{
	IntakeSlice value;

	if (v->scheme->timestamp.kind == INTAKE_SIGNATURE_ITEM)
		return candidate->timestamp;
	if (intake_location_all(&v->scheme->timestamp, v->values.request, v->values.item, &value, 1) ==
		0)
		return INTAKE_ABSENT;
	return value;
}

static bool
in_window(Verification *v, IntakeSlice timestamp)
{
	int64_t time;
	int64_t age;
	char detail[120];

	if (timestamp.data == NULL || timestamp.len == 0)
		return refuse(v, INTAKE_NO_TIMESTAMP,
					  "the request has no timestamp where the scheme looks");
	if (!intake_timestamp_read(v->scheme->unit, timestamp, &time))
		return refuse(v, INTAKE_BAD_TIMESTAMP, "the timestamp cannot be read");
	age = v->values.request->now - time;
	if (v->scheme->tolerance < 0 || (age <= v->scheme->tolerance && -age <= v->scheme->tolerance))
		return true;
	snprintf(detail, sizeof(detail), "the timestamp is %lld s %s, the tolerance is %lld s",
			 (long long) ((age < 0 ? -age : age) / 1000000), age < 0 ? "ahead" : "old",
			 (long long) (v->scheme->tolerance / 1000000));
	return refuse(v, age < 0 ? INTAKE_FUTURE_TIMESTAMP : INTAKE_STALE_TIMESTAMP, detail);
}

/* ---- digests ---- */

static bool
digest_message(Verification *v, IntakeSlice secret, IntakeDigest *digest)
{
	IntakeSlice *parts =
		palloc((intake_message_parts(v->scheme->message) + 1) * sizeof(IntakeSlice));
	unsigned char buffer[MOST_KEY];
	IntakeSlice key;
	int count;
	bool ok;

	v->values.secret = secret;
	count = intake_message_render(v->scheme->message, &v->values, parts);
	if (count < 0)
	{
		pfree(parts);
		return refuse(v, INTAKE_MISSING_PART, "the request lacks a value that the scheme signs");
	}
	if (v->scheme->kind == INTAKE_HASH)
		ok = intake_digest_plain(v->scheme->algorithm, parts, count, digest);
	else
		ok = decode_key(v->scheme, secret, buffer, &key) && key.len > 0 &&
			 intake_digest_hmac(v->scheme->algorithm, key, parts, count, digest);
	pfree(parts);
	if (!ok)
		return refuse(v, INTAKE_BAD_SECRET, "the secret cannot be used");
	return true;
}

/* Whether a candidate, decoded, is the digest. */
static bool
matches(const IntakeScheme *scheme, IntakeSlice value, const IntakeDigest *digest)
{
	unsigned char decoded[INTAKE_DIGEST_MAX];
	size_t length;

	return intake_encoding_decode(scheme->encoding, value, decoded, sizeof(decoded), &length) &&
		   intake_digest_equal((IntakeSlice){(char *) decoded, length},
							   (IntakeSlice){(char *) digest->bytes, digest->len});
}

/* Tries the candidates that share TIMESTAMP with one secret. */
static bool
try_secret(Verification *v, IntakeSlice timestamp, int secret)
{
	IntakeDigest digest;

	v->values.timestamp = timestamp;
	if (!digest_message(v, v->secrets[secret], &digest))
		return false;
	for (int i = 0; i < v->n_candidates; i++)
	{
		Candidate *candidate = &v->candidates[i];

		if ((candidate->timestamp.data == NULL ||
			 intake_slice_equal(candidate->timestamp, timestamp)) &&
			matches(v->scheme, candidate->value, &digest))
		{
			v->verdict->secret = secret;
			return true;
		}
	}
	return refuse(v, INTAKE_MISMATCH, "no signature matches with any secret");
}

static bool
seen_before(const Verification *v, int index)
{
	for (int i = 0; i < index; i++)
		if (intake_slice_equal(v->candidates[i].timestamp, v->candidates[index].timestamp))
			return true;
	return false;
}

static bool
try_digests(Verification *v)
{
	for (int i = 0; i < v->n_candidates; i++)
	{
		IntakeSlice timestamp = INTAKE_ABSENT;

		if (seen_before(v, i))
			continue;
		if (v->scheme->has_timestamp)
		{
			timestamp = timestamp_of(v, &v->candidates[i]);
			if (!in_window(v, timestamp))
				continue;
		}
		for (int secret = 0; secret < v->n_secrets; secret++)
			if (try_secret(v, timestamp, secret))
				return true;
	}
	return false;
}

/* ---- tokens ---- */

static bool
token_equal(IntakeSlice presented, IntakeSlice secret)
{
	IntakeDigest a;
	IntakeDigest b;

	/* Digests have one length, so that of the secret does not show. */
	return intake_digest_plain(INTAKE_SHA256, &presented, 1, &a) &&
		   intake_digest_plain(INTAKE_SHA256, &secret, 1, &b) &&
		   intake_digest_equal((IntakeSlice){(char *) a.bytes, a.len},
							   (IntakeSlice){(char *) b.bytes, b.len});
}

static IntakeSlice
decode_basic(IntakeSlice value)
{
	IntakeSlice scheme = intake_slice_cstr("Basic ");
	unsigned char *out;
	size_t length;

	if (value.len <= scheme.len ||
		!intake_slice_equal_nocase((IntakeSlice){value.data, scheme.len}, scheme))
		return INTAKE_ABSENT;
	value = intake_slice_trim(intake_slice_after(value, scheme.len));
	out = palloc(value.len + 1);
	if (!intake_encoding_decode(INTAKE_BASE64, value, out, value.len, &length))
		return INTAKE_ABSENT;
	return (IntakeSlice){(char *) out, length};
}

/* Every token that is presented must be one secret: one forged item spoils a batch. */
static bool
try_tokens(Verification *v)
{
	for (int secret = 0; secret < v->n_secrets; secret++)
	{
		bool all = true;

		for (int i = 0; i < v->n_candidates; i++)
		{
			IntakeSlice token = v->candidates[i].value;

			if (v->scheme->kind == INTAKE_BASIC)
				token = decode_basic(token);
			all = all && token.data != NULL && token_equal(token, v->secrets[secret]);
		}
		if (all)
		{
			v->verdict->secret = secret;
			return true;
		}
	}
	return refuse(v, INTAKE_MISMATCH, "the token is not a secret of the source");
}

/* ---- the whole ---- */

static bool
verify_item(Verification *v)
{
	for (int i = 0; i < v->scheme->n_require; i++)
		if (!intake_scheme_meets(&v->scheme->require[i], &v->values))
			return refuse(v, INTAKE_REQUIREMENT, "the request lacks what the scheme requires");
	if (!collect(v))
		return false;
	if (v->scheme->kind == INTAKE_TOKEN || v->scheme->kind == INTAKE_BASIC)
		return try_tokens(v);
	return try_digests(v);
}

static bool
verify_items(Verification *v)
{
	IntakeSlice items[MOST_CANDIDATES + 1];
	int count;

	if (v->scheme->each == NULL)
		return verify_item(v);
	count = intake_json_find(v->values.request->body, v->scheme->each, items, MOST_CANDIDATES + 1);
	if (count == 0 || count > MOST_CANDIDATES)
		return refuse(v, INTAKE_NO_SIGNATURE, "the request has no items, or more than 100");
	for (int i = 0; i < count; i++)
	{
		v->values.item = items[i];
		if (!verify_item(v))
			return false;
	}
	return true;
}

/* The URL with its default port if it has none, or without it; absent if that is no matter. */
static IntakeSlice
toggle_port(IntakeSlice url)
{
	bool secure = intake_slice_starts(url, intake_slice_cstr("https://"));
	IntakeSlice port = intake_slice_cstr(secure ? ":443" : ":80");
	size_t start = secure ? 8 : 7;
	size_t end = start;
	char *out;

	if (url.len <= start)
		return INTAKE_ABSENT;
	while (end < url.len && strchr("/?#", url.data[end]) == NULL)
		end++;
	out = palloc(url.len + port.len + 1);
	if (end - start > port.len && memcmp(url.data + end - port.len, port.data, port.len) == 0)
	{
		memcpy(out, url.data, end - port.len);
		memcpy(out + end - port.len, url.data + end, url.len - end);
		return (IntakeSlice){out, url.len - port.len};
	}
	if (memchr(url.data + start, ':', end - start) != NULL)
		return INTAKE_ABSENT;
	memcpy(out, url.data, end);
	memcpy(out + end, port.data, port.len);
	memcpy(out + end + port.len, url.data + end, url.len - end);
	return (IntakeSlice){out, url.len + port.len};
}

/*
 * Verifies a request with the secrets that are valid now. VERDICT says INTAKE_OK only when
 * everything was checked and right.
 */
void
intake_signature_verify(const IntakeScheme *scheme, const IntakeRequest *request,
						const IntakeSlice *secrets, int n_secrets, IntakeVerdict *verdict)
{
	Verification *v = palloc0(sizeof(Verification));
	bool ok = false;

	memset(verdict, 0, sizeof(*verdict));
	verdict->secret = -1;
	verdict->reason = INTAKE_MISMATCH;
	v->scheme = scheme;
	v->values.request = request;
	v->values.url = request->url;
	v->secrets = secrets;
	v->n_secrets = n_secrets;
	v->verdict = verdict;
	if (n_secrets == 0)
		refuse(v, INTAKE_NO_SECRET, "the source has no secret that is valid now");
	else if (scheme->message != NULL && intake_message_uses_url(scheme->message) &&
			 request->url.data == NULL)
		refuse(v, INTAKE_NO_URL, "the scheme signs the URL; the source needs public_url");
	else
	{
		ok = verify_items(v);
		if (!ok && scheme->toggle_port && verdict->reason == INTAKE_MISMATCH)
		{
			v->values.url = toggle_port(request->url);
			ok = v->values.url.data != NULL && verify_items(v);
		}
	}
	if (ok)
	{
		verdict->reason = INTAKE_OK;
		verdict->detail[0] = '\0';
	}
	pfree(v);
}
