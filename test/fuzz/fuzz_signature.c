/*
 * Verification by every preset. Input: a byte that chooses the preset, lines for the secret, the
 * URL and the timestamp of now, a byte for the length of the headers, headers and body. What we
 * sign verifies; another body does not, where the scheme says that it binds the body; and nothing
 * costs more work or memory than it may.
 */
#include "read/form.h"
#include "read/work.h"
#include "verify/fingerprint.h"
#include "verify/sign.h"
#include "verify/signature.h"
#include "fuzz.h"
#include "measure.h"
#include "presets.h"

static IntakeReason
verify(IntakeScheme *scheme, const IntakeRequest *request, IntakeKey *key, IntakeVerdict *verdict)
{
	IntakeKey *keys[1] = {key};
	size_t size = request->headers.len + request->query.len + request->url.len + request->body.len;
	size_t before;

	memory_peak = 0;
	pfree(palloc(1));
	before = memory_peak;
	intake_signature_verify(scheme, request, intake_slice_cstr("token"), keys, 1, verdict);
	/* What a request may cost; a round that began within it may end behind it. */
	PROMISE(intake_work.spent <= intake_work.limit + 16 * size);
	PROMISE(memory_peak - before <= 3 * size + 32 * INTAKE_FIELDS_MAX + 131072);
	return verdict->reason;
}

/* Whether everything that is signed comes from what intake_sign makes up. */
static bool
is_predictable(const IntakeScheme *scheme, const IntakeRequest *request)
{
	return request->headers.len == 0 && scheme->each == NULL &&
		   !(scheme->has_timestamp && scheme->timestamp.kind == INTAKE_JSON);
}

static void
sign_and_verify(const FuzzPreset *preset, IntakeScheme *scheme, IntakeRequest request,
				IntakeKey *key)
{
	IntakeSigner signer = {.scheme = scheme,
						   .key = key,
						   .token = intake_slice_cstr("token"),
						   .id = intake_slice_cstr("id-of-the-request")};
	IntakeLocation location;
	IntakeVerdict verdict;
	const char *why = "";
	const IntakeScheme *variant = intake_scheme_for(scheme, &request);
	bool predictable = is_predictable(variant, &request);
	IntakeDigest digest;
	IntakeDigest *guards;
	char *body;

	if (preset->key_from != NULL && intake_location_parse_key(preset->key_from, &location, &why))
		signer.event_key = &location;
	if (!intake_sign(&signer, &request, &request.headers, &why) || !predictable ||
		variant->kind == INTAKE_UNSIGNED)
		return;
	if (verify(scheme, &request, key, &verdict) != INTAKE_OK)
	{
		/* The rest of what a scheme requires may stand in the query or in the body. */
		PROMISE(verdict.reason == INTAKE_REQUIREMENT || verdict.reason == INTAKE_NO_URL);
		return;
	}
	(void) intake_signature_content(&verdict, &request, signer.token, verdict.timestamp);
	PROMISE(intake_fingerprint_key(&verdict, &request, signer.token, &digest));
	if (variant->message != NULL || variant->kind == INTAKE_JWT)
		PROMISE(intake_fingerprint_guards(&verdict, &request, signer.token, &guards) > 0);
	if (request.body.len == 0 || variant->verified != INTAKE_VERIFIED_SIGNATURE)
		return;
	body = palloc(request.body.len);
	memcpy(body, request.body.data, request.body.len);
	body[request.body.len / 2] ^= 0x40;
	request.body.data = body;
	/* Forms that differ may be the same form. */
	if (intake_scheme_for(scheme, &request) == variant &&
		!(variant->message != NULL && intake_template_uses(variant->message, "form_sorted")))
		PROMISE(verify(scheme, &request, key, &verdict) != INTAKE_OK);
}

/* A URL is an operator's text: its bytes are printable. */
static IntakeSlice
fuzz_url(IntakeSlice *input)
{
	char *url = fuzz_text(input);

	for (char *c = url; *c != '\0'; c++)
		if (*c < 0x21 || *c > 0x7e)
			*c = 'x';
	return intake_slice_cstr(url);
}

void
fuzz(IntakeSlice input)
{
	const FuzzPreset *preset;
	IntakeScheme *scheme;
	IntakeRequest request = {0};
	IntakeVerdict verdict;
	IntakeSlice secret;
	IntakeSlice query;
	IntakeKey key;
	const char *why = "";
	size_t length;

	if (input.len < 2)
		return;
	preset = &fuzz_presets[(unsigned char) input.data[0] % fuzz_n_presets];
	length = (size_t) (unsigned char) input.data[1] * 8;
	input = intake_slice_after(input, 2);
	secret = fuzz_line(&input);
	request.url = fuzz_url(&input);
	request.now = atoll(fuzz_text(&input)) % INT64_C(9999999999) * 1000000;
	(void) intake_slice_cut(request.url, "?", &query);
	request.query = query.data ? query : intake_slice_cstr("");
	request.method = intake_slice_cstr("POST");
	length = length < input.len ? length : input.len;
	request.headers = (IntakeSlice){input.data, length};
	request.body = intake_slice_after(input, length);

	scheme = fuzz_scheme(preset);
	if (intake_signing_key_prepare(scheme, secret, &key, &why))
	{
		(void) verify(scheme, &request, &key, &verdict);
		if (request.now >= INT64_C(1000000000) * 1000000) /* ten digits of seconds */
			sign_and_verify(preset, scheme, request, &key);
	}
	intake_signing_key_release(&key);
	fuzz_scheme_release(scheme);
}
