/*
 * resplit_token.c
 *		The same where the signature is a JSON Web Token: it is sent again with other bodies and
 *		keys.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/memory.h"

#include "attack.h"
#include "verify/sign.h"

/* The token that a sender would send with a body, or absent. */
static IntakeSlice
token_for(Attack *a, const IntakeRequest *request)
{
	static const char *const place = "header:x-token";
	const IntakeScheme *of = intake_scheme_for(a->scheme, request);
	IntakeSchemeRow row;
	IntakeScheme *scheme;
	IntakeSigner signer = {.key = &a->key,
						   .token = intake_slice_cstr(ATTACK_TOKEN),
						   .id = intake_slice_cstr("id-of-the-token")};
	IntakeLocation location;
	IntakeSlice headers;
	IntakeSlice token = INTAKE_ABSENT;
	const char *why = "";
	const char *error = NULL;
	int number = 0;

	while (attack_scheme(a, number) != of)
		number++;
	row = a->rows[number];
	row.signature_from = &place;
	row.n_signature_from = 1;
	row.prefix = NULL;
	scheme = intake_scheme_compile(&row, &error);
	signer.scheme = scheme;
	if (intake_sign(&signer, request, &headers, &why) &&
		intake_location_parse(place, &location, &why))
	{
		IntakeRequest signed_request = {.headers = headers};

		token = intake_location_read(&location, &signed_request);
	}
	intake_scheme_release(scheme);
	return token;
}

/* A request with a token; ID stands where the key is not signed. */
static IntakeRequest
request_with(Attack *a, IntakeSlice token, IntakeSlice body, const char *id)
{
	const IntakeScheme *scheme = a->scheme;
	IntakeRequest request;
	Sketch sketch;
	Draft headers = {0};
	IntakeLocation key;
	const char *why;

	attack_sketch(a, &sketch, a->preset.n_rows - 1);
	sketch.form = body;
	request = sketch_request(&sketch);
	request.now = SKETCH_NOW * 1000000;
	if (scheme->signatures[0].kind == INTAKE_BODY && token.data != NULL)
		request.body = token;
	else if (token.data != NULL)
	{
		draft_add(&headers, scheme->signatures[0].name);
		draft_put(&headers, ": ");
		draft_add(&headers, scheme->prefix);
		draft_add(&headers, token);
		draft_put(&headers, "\r\n");
	}
	if (a->preset.key_from != NULL && intake_location_parse_key(a->preset.key_from, &key, &why) &&
		key.places[0].kind == INTAKE_HEADER)
	{
		draft_add(&headers, key.places[0].name);
		draft_put(&headers, ": ");
		draft_put(&headers, id);
		draft_put(&headers, "\r\n");
	}
	request.headers = draft_slice(&headers);
	return request;
}

static IntakeSlice
body_with_id(const Attack *a, const char *id)
{
	Sketch sketch;

	attack_sketch(a, &sketch, a->preset.n_rows - 1);
	sketch.id = intake_slice_cstr(id);
	return sketch_body(&sketch);
}

/*
 * The same for schemes whose signature is a token: other bodies and keys, with the same token. One
 * that says nothing of the body is good for any while it lasts, as a password is: providers send
 * it with many requests, and it proves no more than the origin.
 */
void
resplit_run_token(Resplit *resplit)
{
	Attack *a = malloc(sizeof(Attack));
	IntakeRequest request;
	IntakeVerdict verdict;
	IntakeSlice token;
	IntakeSlice body;

	attack_begin(a, resplit);
	resplit->problem[0] = '\0';
	body = body_with_id(a, "its-id");
	request = request_with(a, INTAKE_ABSENT, body, "its-id");
	token = token_for(a, &request);
	request = request_with(a, token, body, "its-id");
	resplit->genuine =
		attack_verify(a, &request, &verdict) && attack_content_fits(&verdict, &request);
	if (resplit->genuine)
	{
		request.claims = verdict.claims;
		a->original_key = attack_key(a, &verdict, &request);
		a->n_original_guards = attack_guards(a, &verdict, &request, &a->original_guards);
	}
	for (int i = 0; i < 4 && resplit->genuine; i++)
	{
		if (verdict.scheme->verified == INTAKE_VERIFIED_ORIGIN)
			break;
		request = request_with(a, token, i & 1 ? body_with_id(a, "another-id") : body,
							   i & 2 ? "another-id" : "its-id");
		resplit->tried++;
		if (!attack_verify(a, &request, &verdict) || !attack_content_fits(&verdict, &request))
			continue;
		request.claims = verdict.claims;
		if (attack_is_news(a, &verdict, &request))
			snprintf(resplit->problem, sizeof(resplit->problem),
					 "the token again is news: %s body, %s header", i & 1 ? "other" : "its",
					 i & 2 ? "other" : "its");
	}
	attack_end(a);
	free(a);
}
