/*
 * attack.c
 *		A source, its genuine request, and what the product would make of another one.
 *
 * Private keys would take long and change nothing: whoever signs by one signs by HMAC here.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/memory.h"

#include "attack.h"
#include "verify/content.h"
#include "verify/coverage.h"
#include "verify/fingerprint.h"
#include "verify/key_parts.h"

/* ---- what is attacked ---- */

static void
copy_preset(Attack *a, const FuzzPreset *preset)
{
	a->preset = *preset;
	for (int i = 0; i < preset->n_rows; i++)
	{
		IntakeSchemeRow *row = &a->rows[i];

		*row = preset->rows[i];
		if (strcmp(row->kind, "jwt") == 0)
			row->algorithm = "HS256";
		else if (strcmp(row->kind, "ed25519") == 0 || strcmp(row->kind, "ecdsa") == 0 ||
				 strcmp(row->kind, "rsa") == 0)
		{
			row->kind = "hmac";
			row->algorithm = row->algorithm ? row->algorithm : "sha256";
		}
		if (row->format != NULL && strcmp(row->format, "json") == 0)
			row->format = NULL;
		row->key = "raw";
	}
	a->preset.rows = a->rows;
}

const IntakeScheme *
attack_scheme(const Attack *a, int row)
{
	const IntakeScheme *scheme = a->scheme;

	while (row-- > 0)
		scheme = scheme->next;
	return scheme;
}

void
attack_begin(Attack *a, Resplit *resplit)
{
	const char *why = "";

	memset(a, 0, sizeof(*a));
	a->resplit = resplit;
	copy_preset(a, resplit->preset);
	a->scheme = fuzz_scheme(&a->preset);
	if (!intake_signing_key_prepare(a->scheme, intake_slice_cstr(ATTACK_SECRET), &a->key, &why))
		abort();
}

void
attack_end(Attack *a)
{
	intake_signing_key_release(&a->key);
	fuzz_scheme_release(a->scheme);
}

void
attack_sketch(const Attack *a, Sketch *sketch, int row)
{
	const Resplit *resplit = a->resplit;

	sketch_begin(sketch, &a->preset, row, attack_scheme(a, row));
	sketch->style = resplit->style;
	sketch->text = resplit->text.data ? resplit->text : resplit_text(resplit->preset);
	sketch->base = resplit->base;
	sketch->token = intake_slice_cstr(ATTACK_TOKEN);
	sketch->time = intake_slice_cstr(sketch_time(sketch->scheme, false));
	sketch->id = intake_slice_cstr("its-id");
}

/* ---- a customer's text ---- */

static void
put_hex_digest(Draft *out, const char *body)
{
	IntakeSlice text = intake_slice_cstr(body);
	IntakeDigest digest;
	char hex[2 * INTAKE_DIGEST_MAX + 1];

	(void) intake_digest_plain(INTAKE_SHA256, &text, 1, &digest);
	intake_encoding_hex(digest.bytes, digest.len, hex);
	draft_put(out, hex);
}

/* Something that could stand at a segment of a message. */
static void
put_lure(Draft *out, const Segment *segment, const IntakeScheme *scheme)
{
	if (segment->kind == SEGMENT_LITERAL)
		draft_add(out, segment->text);
	else if (segment->kind == SEGMENT_TIME)
		draft_put(out, sketch_time(scheme, true));
	else if (segment->kind == SEGMENT_LIST)
		draft_put(out, "x-forged:1;x-contentful-timestamp:1700000100123");
	else if (segment->kind == SEGMENT_BODY)
		draft_put(out, ATTACK_BODY);
	else if (segment->kind == SEGMENT_METHOD)
		draft_put(out, "POST");
	else if (segment->kind == SEGMENT_CRC)
		draft_put(out, "305419896");
	else if (segment->kind == SEGMENT_PLACE)
		draft_put(out, "Bob");
}

/* A text that looks like whatever the preset signs, and like what others do. */
IntakeSlice
resplit_text(const FuzzPreset *preset)
{
	Draft out = {0};
	IntakeScheme *schemes = fuzz_scheme(preset);
	const IntakeScheme *scheme = schemes;

	draft_put(&out, "&bodySHA256=");
	put_hex_digest(&out, ATTACK_BODY);
	draft_put(&out, "&c=d");
	for (int row = 0; row < preset->n_rows; row++, scheme = scheme->next)
	{
		Sketch sketch;

		sketch_begin(&sketch, preset, row, scheme);
		for (int i = 0; i < 2 * sketch.count; i++)
			put_lure(&out, &sketch.segments[i % sketch.count], scheme);
	}
	draft_put(&out, "\nMessageId\nBob\nTimestamp\n2023-11-14T22:15:00Z\n.1700000100.{\"a\":1}"
					"1700000100123:[1]2023-11-14T22:15:00.5|1700000100|2023-11-14T22:15:00+01:00;"
					"a:b;=[{\"a\":\"b\"}],{\"c\":\"}1700000100");
	fuzz_scheme_release(schemes);
	return draft_slice(&out);
}

/* ---- verifying, and what the product would do then ---- */

bool
attack_verify(Attack *a, IntakeRequest *request, IntakeVerdict *verdict)
{
	IntakeKey *keys[1] = {&a->key};

	intake_signature_verify(a->scheme, request, intake_slice_cstr(ATTACK_TOKEN), keys, 1, verdict);
	return verdict->reason == INTAKE_OK;
}

/* Whether the body is what the scheme asks for; a source may ask for more. */
bool
attack_content_fits(const IntakeVerdict *verdict, IntakeRequest *request)
{
	return intake_content_problem(verdict->scheme, verdict->scheme->content, request) == NULL;
}

static IntakeSlice
content_digest(const IntakeVerdict *verdict, const IntakeRequest *request)
{
	IntakeDigest digest;
	char *out;

	if (!intake_fingerprint_key(verdict, request, intake_slice_cstr(ATTACK_TOKEN), &digest))
		return INTAKE_ABSENT;
	out = palloc(intake_encoding_size(digest.len));
	return (IntakeSlice){out,
						 intake_encoding_encode(INTAKE_HEX, intake_digest_slice(&digest), out)};
}

/* The key of an event; absent where it would be refused for having none. */
IntakeSlice
attack_key(const Attack *a, const IntakeVerdict *verdict, const IntakeRequest *request)
{
	IntakeLocation location;
	IntakeKeyParts parts;
	const char *why;

	if (a->preset.key_from != NULL &&
		intake_location_parse_key(a->preset.key_from, &location, &why) &&
		intake_key_parts_read(&location, request, INTAKE_ABSENT, &parts))
	{
		if (intake_key_parts_have_digest(&parts))
			intake_key_parts_put_digest(&parts, content_digest(verdict, request));
		return intake_key_parts_join(parts.values, parts.count);
	}
	return a->preset.digest_key ? content_digest(verdict, request) : INTAKE_ABSENT;
}

/* What the product remembers of what was signed, besides the key; returns how many. */
int
attack_guards(const Attack *a, const IntakeVerdict *verdict, const IntakeRequest *request,
			  IntakeDigest **guards)
{
	IntakeLocation location;
	const char *why;
	bool has_key = a->preset.key_from != NULL &&
				   intake_location_parse_key(a->preset.key_from, &location, &why);

	if (!intake_coverage_needs_guard(verdict->scheme, has_key ? &location : NULL,
									 a->preset.digest_key))
		return 0;
	return intake_fingerprint_guards(verdict, request, intake_slice_cstr(ATTACK_TOKEN), guards);
}

static bool
has_guard(const Attack *a, const IntakeDigest *guard)
{
	for (int i = 0; i < a->n_original_guards; i++)
		if (intake_slice_equal(intake_digest_slice(guard),
							   intake_digest_slice(&a->original_guards[i])))
			return true;
	return false;
}

/* Whether a request that verified becomes an event beside that of the genuine one. */
bool
attack_is_news(const Attack *a, const IntakeVerdict *verdict, const IntakeRequest *request)
{
	IntakeSlice key = attack_key(a, verdict, request);
	IntakeDigest *guards;
	int count;

	if (key.data == NULL || intake_slice_equal(key, a->original_key))
		return false;
	count = attack_guards(a, verdict, request, &guards);
	for (int i = 0; i < count; i++)
		if (!has_guard(a, &guards[i]))
			return true;
	return count == 0;
}

/* ---- the genuine request ---- */

/* What the sender puts at places; the first that its scheme takes there. */
static const char *const honest[] = {
	"Bob.1700000100.Bob:1700000100|id;7",
	"msg_2Lh9KRb0pzN4LePd3XiA4v9Aj",
	"f47ac10b-58cc-4372-a567-0e02b2c3d479",
	"1700000000",
	"2023-11-14T22:13:20.123Z",
	"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37",
	ATTACK_TOKEN,
	"Notification",
	"ABCDEFGH12345678",
	"TestMerchant",
	"EUR",
	"true",
	"AUTHORISATION",
	"dGVzdCB0aGUgcGF5bG9hZCBvZiBhIG5vdGlmaWNhdGlvbiB0aGF0IGlzIGxvbmcgZW5vdWdo\nZQ==\n",
};

static bool
is_taken(const Sketch *sketch, const IntakePlace *place, IntakeSlice text)
{
	for (int i = 0; i < sketch->scheme->n_require; i++)
	{
		const IntakeRequirement *requirement = &sketch->scheme->require[i];
		Sketch only = *sketch;
		IntakeRequest request;
		IntakeValues values = {.token = sketch->token};

		if (!intake_place_equal(&requirement->location.places[0], place) ||
			requirement->test == INTAKE_PRESENT)
			continue;
		only.count = 1;
		only.segments[0] = (Segment){.kind = SEGMENT_PLACE, .place = *place};
		only.values[0] = text;
		request = sketch_request(&only);
		values.request = &request;
		if (!intake_requirement_meets(requirement, &values))
			return false;
	}
	return true;
}

static IntakeSlice
honest_value(const Sketch *sketch, const IntakePlace *place)
{
	IntakeSlice text = sketch->text;

	/* Headers and queries are the sender's own. */
	if (place->kind != INTAKE_HEADER && place->kind != INTAKE_QUERY &&
		is_taken(sketch, place, text))
		return text;
	for (size_t i = 0; i < sizeof(honest) / sizeof(honest[0]); i++)
		if (is_taken(sketch, place, intake_slice_cstr(honest[i])))
			return intake_slice_cstr(honest[i]);
	return intake_slice_cstr("?");
}

static IntakeSlice
honest_list(const Sketch *sketch, IntakeSlice header)
{
	Draft out = {0};

	draft_add(&out, header);
	draft_put(&out, ":");
	draft_add(&out, header);
	draft_put(&out, ",x-topic,");
	draft_add(&out, sketch->scheme->timestamp.name);
	draft_put(&out, "\x01x-topic:a,b:c=d x-contentful-timestamp:1700000100123\x01");
	draft_add(&out, sketch->scheme->timestamp.name);
	draft_put(&out, ":");
	draft_add(&out, sketch->time);
	return draft_slice(&out);
}

bool
attack_is_time(const Sketch *s, const Segment *segment)
{
	return segment->kind == SEGMENT_TIME ||
		   (segment->kind == SEGMENT_PLACE && s->scheme->has_timestamp &&
			intake_place_equal(&segment->place, &s->scheme->timestamp));
}

const char *
attack_path(const char *url)
{
	return strchr(strstr(url, "://") + 3, '/');
}

/* Gives every segment but the URL its value. */
static void
fill_in(Sketch *s, bool bare)
{
	bool optional = false;

	for (int i = 0; i < s->count; i++)
	{
		const Segment *segment = &s->segments[i];

		optional = segment->kind == SEGMENT_OPEN || (optional && segment->kind != SEGMENT_CLOSE);
		s->values[i] = INTAKE_ABSENT;
		if (optional && bare)
			continue;
		if (attack_is_time(s, segment))
			s->values[i] = s->time;
		else if (segment->kind == SEGMENT_METHOD)
			s->values[i] = intake_slice_cstr("POST");
		else if (segment->kind == SEGMENT_SECRET)
			s->values[i] = intake_slice_cstr(ATTACK_SECRET);
		else if (segment->kind == SEGMENT_TOKEN)
			s->values[i] = s->token;
		else if (segment->kind == SEGMENT_BODY)
			s->values[i] = sketch_body(s);
		else if (segment->kind == SEGMENT_LIST)
			s->values[i] = honest_list(s, segment->text);
		else if (segment->kind == SEGMENT_PLACE)
			s->values[i] = honest_value(s, &segment->place);
	}
}

/* Completes the values by those that depend on others. */
static void
fill_in_rest(Sketch *s)
{
	IntakeSlice body = sketch_body(s);
	IntakeSlice url = sketch_url(s->base, sketch_query(s, body));
	IntakeRequest request = {.body = body, .url = url};
	IntakeValues values = {.request = &request, .url = url};
	const char *error = NULL;

	for (int i = 0; i < s->count; i++)
	{
		const Segment *segment = &s->segments[i];
		IntakeSlice rest;

		if (segment->kind == SEGMENT_URL)
			s->values[i] = url;
		else if (segment->kind == SEGMENT_ENDPOINT)
			s->values[i] = intake_slice_cut(url, "?", &rest);
		else if (segment->kind == SEGMENT_PATH)
			s->values[i] = intake_slice_cstr(attack_path(url.data));
		else if (segment->kind == SEGMENT_FORM)
		{
			s->form = body;
			s->values[i] =
				intake_template_text(intake_template_compile("{form_sorted}", &error), &values);
		}
		else if (segment->kind == SEGMENT_CRC)
			s->values[i] =
				intake_template_text(intake_template_compile("{crc32(body)}", &error), &values);
	}
}

static bool
is_left_out(const Sketch *s, int open)
{
	for (int i = open; s->segments[i].kind != SEGMENT_CLOSE; i++)
		if (s->segments[i].kind == SEGMENT_PLACE && s->values[i].data == NULL)
			return true;
	return false;
}

/* What a sketch signs. In lists of headers a byte 1 stands for ; here. */
static IntakeSlice
content_of(const Sketch *s)
{
	Draft out = {0};

	for (int i = 0; i < s->count; i++)
	{
		const Segment *segment = &s->segments[i];
		IntakeSlice value = segment->kind == SEGMENT_LITERAL ? segment->text : s->values[i];

		if (segment->kind == SEGMENT_OPEN && is_left_out(s, i))
			while (s->segments[i].kind != SEGMENT_CLOSE)
				i++;
		else
			for (size_t j = 0; j < value.len; j++)
			{
				char byte = value.data[j];

				byte = segment->lower && byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
				byte = segment->kind == SEGMENT_LIST && byte == 1 ? ';' : byte;
				draft_add(&out, (IntakeSlice){&byte, 1});
			}
	}
	return draft_slice(&out);
}

IntakeSlice
attack_sign(Attack *a, const IntakeScheme *scheme, IntakeSlice content)
{
	IntakeDigest digest;
	char *out = palloc(intake_encoding_size(INTAKE_DIGEST_MAX));

	if (scheme->kind == INTAKE_HASH)
		(void) intake_digest_plain(scheme->algorithm, &content, 1, &digest);
	else
		(void) intake_digest_mac(intake_signing_key_mac(&a->key, scheme->algorithm), &content, 1,
								 &digest);
	return (IntakeSlice){
		out, intake_encoding_encode(scheme->encoding, intake_digest_slice(&digest), out)};
}

/* Makes the request of the sender, and returns whether it is accepted. */
bool
attack_make_original(Attack *a)
{
	Sketch *s = &a->original;
	IntakeRequest request;
	IntakeVerdict verdict;

	attack_sketch(a, s, a->resplit->row);
	fill_in(s, a->resplit->bare);
	fill_in_rest(s);
	a->content = content_of(s);
	s->signature = a->signature = attack_sign(a, s->scheme, a->content);
	request = sketch_request(s);
	request.now = SKETCH_NOW * 1000000;
	if (!attack_verify(a, &request, &verdict) || !attack_content_fits(&verdict, &request))
	{
		snprintf(a->resplit->problem, sizeof(a->resplit->problem), "%s (%.100s)",
				 intake_reason_name(verdict.reason), verdict.detail);
		return false;
	}
	a->original_key = attack_key(a, &verdict, &request);
	a->n_original_guards = attack_guards(a, &verdict, &request, &a->original_guards);
	return a->original_key.data != NULL;
}
