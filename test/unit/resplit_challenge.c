/*
 * resplit_challenge.c
 *		Whether the answer to a challenge is the signature of an event.
 */
#include <stdlib.h>

#include "common/memory.h"

#include "attack.h"
#include "verify/handshake.h"

/* Whether a text has another in it. */
static bool
has(IntakeSlice text, IntakeSlice other)
{
	for (size_t i = 0; i + other.len <= text.len; i++)
		if (memcmp(text.data + i, other.data, other.len) == 0)
			return true;
	return false;
}

/* Whether a rule answers a challenge, CONTENT, with its signature. */
static bool
answers(Attack *a, const IntakeHandshake *rule, const IntakePlace *place, IntakeSlice content)
{
	IntakeMac mac = intake_signing_key_mac(&a->key, a->scheme->algorithm);
	IntakeRequest request = {.method = intake_slice_cstr(rule->method),
							 .headers = intake_slice_cstr(""),
							 .body = intake_slice_cstr("")};
	Draft query = {0};
	IntakeAnswer answer;
	IntakeDigest digest;
	bool found = false;

	draft_add(&query, place->name);
	draft_put(&query, "=");
	draft_put_encoded(&query, content);
	request.query = draft_slice(&query);
	if (!intake_handshake_answer(rule, 1, &request, intake_slice_cstr(ATTACK_TOKEN), mac, false,
								 &answer) ||
		!intake_digest_mac(mac, &content, 1, &digest))
		return false;
	for (IntakeEncoding encoding = INTAKE_HEX; encoding <= INTAKE_BASE64URL && !found; encoding++)
	{
		char *out = palloc(intake_encoding_size(digest.len));
		size_t length = intake_encoding_encode(encoding, intake_digest_slice(&digest), out);

		found = has(answer.body, (IntakeSlice){out, length});
	}
	return found;
}

/* Whether somebody who has CONTENT signed has an event with it. */
static bool
makes_event(Attack *a, IntakeSlice content)
{
	a->content = content;
	a->signature = attack_sign(a, a->scheme, content);
	a->extended = true;
	a->resplit->problem[0] = '\0';
	a->resplit->moves = INTAKE_ABSENT;
	attack_cut(a);
	return a->resplit->problem[0] != '\0';
}

/* The place that a rule makes an HMAC of, if it is in the query. */
static bool
find_argument(const IntakeHandshakeRow *rule, IntakePlace *place)
{
	for (int i = -1; i < rule->n_json; i++)
	{
		const char *text = i < 0 ? rule->body : rule->json[i].value;
		const char *start = text ? strstr(text, "{hmac") : NULL;
		char *argument;
		IntakeLocation location;
		const char *why;

		if (start == NULL || (start = strchr(start, '(')) == NULL)
			continue;
		argument = pstrdup(start + 1);
		argument[strcspn(argument, ")")] = '\0';
		if (!intake_location_parse(argument, &location, &why))
			abort();
		*place = location.places[0];
		return place->kind == INTAKE_QUERY;
	}
	return false;
}

/* The challenge that a preset answers with the signature of an event, or NULL. */
const char *
resplit_challenge(const FuzzPreset *preset)
{
	static const char *const challenges[] = {
		"true",
		"1",
		"null",
		"\"a\"",
		"[]",
		"{}",
		"[1]",
		"{\"a\":1}",
		"abc",
		"=",
		"20f9f8ed05f77439fe955c977e4c8a53",
		"dGVzdCB0aGUgcGF5bG9hZCBvZiBhIG5vdGlmaWNhdGlvbiB0aGF0IGlz\n",
		"v0:1700000100:{}",
		"1700000100.{}",
		"1700000100{}",
		"{}1700000100",
		"hmacsha256={}",
		"hmacsha256=a",
		"POST{}",
		"a=b",
		"a"};
	Resplit resplit = {.preset = preset,
					   .base = "https://example.com/hooks/in",
					   .text = intake_slice_cstr("text")};
	Attack *a = malloc(sizeof(Attack));
	const char *found = NULL;

	attack_begin(a, &resplit);
	for (int i = 0; i < preset->n_handshakes; i++)
	{
		const char *error = NULL;
		IntakePlace place;
		IntakeHandshake *rule = intake_handshake_compile(&preset->handshakes[i], &error);

		for (size_t j = 0; j < sizeof(challenges) / sizeof(challenges[0]); j++)
			if (!rule->after_verification && find_argument(&preset->handshakes[i], &place) &&
				answers(a, rule, &place, intake_slice_cstr(challenges[j])) &&
				makes_event(a, intake_slice_cstr(challenges[j])))
				found = challenges[j];
		intake_handshake_release(rule);
	}
	attack_end(a);
	free(a);
	return found;
}
