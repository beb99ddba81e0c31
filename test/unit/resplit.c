/*
 * resplit.c
 *		The attack of who has one genuine request. It knows what was signed, but no secret.
 *
 * Private keys would take long and change nothing: whoever signs by one signs by HMAC here.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/memory.h"

#include "common/scratch.h"
#include "read/json.h"
#include "resplit.h"
#include "sketch.h"
#include "verify/content.h"
#include "verify/coverage.h"
#include "verify/fingerprint.h"
#include "verify/sign.h"
#include "verify/signature.h"

#define SECRET "user:secret-of-the-source"
#define TOKEN "arn:aws:sns:us-east-1:123456789012:topic"
#define FORGED_BODY "{\"forged\":true,\"id\":\"another-id\"}"
#define ROWS_MAX 4
#define MOST_TRIED 1500 /* requests of one content and variant */

typedef struct Attack
{
	Resplit *resplit;
	IntakeSchemeRow rows[ROWS_MAX]; /* those of the preset, but signed by HMAC */
	FuzzPreset preset;
	IntakeScheme *scheme;
	IntakeKey key;
	Sketch original;
	IntakeSlice original_key;
	IntakeDigest *original_guards;
	int n_original_guards;
	IntakeSlice content; /* that was signed */
	IntakeSlice signature;
	bool extended; /* the content is more than what the sender signed */
	bool moved;    /* the fields of a form are */
	Sketch forged;
	int left; /* requests to try */
} Attack;

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

static const IntakeScheme *
scheme_of(const Attack *a, int row)
{
	const IntakeScheme *scheme = a->scheme;

	while (row-- > 0)
		scheme = scheme->next;
	return scheme;
}

static void
begin(Attack *a, Resplit *resplit)
{
	const char *why = "";

	memset(a, 0, sizeof(*a));
	a->resplit = resplit;
	copy_preset(a, resplit->preset);
	a->scheme = fuzz_scheme(&a->preset);
	if (!intake_signing_key_prepare(a->scheme, intake_slice_cstr(SECRET), &a->key, &why))
		abort();
}

static void
end(Attack *a)
{
	intake_signing_key_release(&a->key);
	fuzz_scheme_release(a->scheme);
}

static void
begin_sketch(const Attack *a, Sketch *sketch, int row)
{
	const Resplit *resplit = a->resplit;

	sketch_begin(sketch, &a->preset, row, scheme_of(a, row));
	sketch->style = resplit->style;
	sketch->text = resplit->text.data ? resplit->text : resplit_text(resplit->preset);
	sketch->base = resplit->base;
	sketch->token = intake_slice_cstr(TOKEN);
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
		draft_put(out, FORGED_BODY);
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
	put_hex_digest(&out, FORGED_BODY);
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

static bool
verify(Attack *a, IntakeRequest *request, IntakeVerdict *verdict)
{
	IntakeKey *keys[1] = {&a->key};

	intake_signature_verify(a->scheme, request, intake_slice_cstr(TOKEN), keys, 1, verdict);
	return verdict->reason == INTAKE_OK;
}

/* Whether the body is what the scheme asks for; a source may ask for more. */
static bool
content_is_asked_for(const IntakeVerdict *verdict, IntakeRequest *request)
{
	return intake_content_problem(verdict->scheme, verdict->scheme->content, request) == NULL;
}

/* The key of an event; absent where it would be refused for having none. */
static IntakeSlice
key_of(const Attack *a, const IntakeVerdict *verdict, const IntakeRequest *request)
{
	IntakeLocation location;
	IntakeSlice key = INTAKE_ABSENT;
	IntakeDigest digest;
	const char *why;
	char *out;

	if (a->preset.key_from != NULL && intake_location_parse(a->preset.key_from, &location, &why))
		key = intake_location_read(&location, request);
	if (key.len > 0 || !a->preset.digest_key)
		return key.len > 0 ? key : INTAKE_ABSENT;
	if (!intake_fingerprint_key(verdict, request, intake_slice_cstr(TOKEN), &digest))
		return INTAKE_ABSENT;
	out = palloc(intake_encoding_size(digest.len));
	return (IntakeSlice){out,
						 intake_encoding_encode(INTAKE_HEX, intake_digest_slice(&digest), out)};
}

/* What the product remembers of what was signed, besides the key; returns how many. */
static int
guards_of(const Attack *a, const IntakeVerdict *verdict, const IntakeRequest *request,
		  IntakeDigest **guards)
{
	IntakeLocation location;
	const char *why;
	bool has_key =
		a->preset.key_from != NULL && intake_location_parse(a->preset.key_from, &location, &why);

	if (!intake_coverage_needs_guard(verdict->scheme, has_key ? &location : NULL))
		return 0;
	return intake_fingerprint_guards(verdict, request, intake_slice_cstr(TOKEN), guards);
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
static bool
is_news(const Attack *a, const IntakeVerdict *verdict, const IntakeRequest *request)
{
	IntakeSlice key = key_of(a, verdict, request);
	IntakeDigest *guards;
	int count;

	if (key.data == NULL || intake_slice_equal(key, a->original_key))
		return false;
	count = guards_of(a, verdict, request, &guards);
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
	TOKEN,
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

static bool
is_time(const Sketch *s, const Segment *segment)
{
	return segment->kind == SEGMENT_TIME ||
		   (segment->kind == SEGMENT_PLACE && s->scheme->has_timestamp &&
			intake_place_equal(&segment->place, &s->scheme->timestamp));
}

static const char *
path_of(const char *url)
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
		if (is_time(s, segment))
			s->values[i] = s->time;
		else if (segment->kind == SEGMENT_METHOD)
			s->values[i] = intake_slice_cstr("POST");
		else if (segment->kind == SEGMENT_SECRET)
			s->values[i] = intake_slice_cstr(SECRET);
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
	char *error = NULL;

	for (int i = 0; i < s->count; i++)
	{
		const Segment *segment = &s->segments[i];
		IntakeSlice rest;

		if (segment->kind == SEGMENT_URL)
			s->values[i] = url;
		else if (segment->kind == SEGMENT_ENDPOINT)
			s->values[i] = intake_slice_cut(url, "?", &rest);
		else if (segment->kind == SEGMENT_PATH)
			s->values[i] = intake_slice_cstr(path_of(url.data));
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

static IntakeSlice
sign(Attack *a, const IntakeScheme *scheme, IntakeSlice content)
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
static bool
make_original(Attack *a)
{
	Sketch *s = &a->original;
	IntakeRequest request;
	IntakeVerdict verdict;

	begin_sketch(a, s, a->resplit->row);
	fill_in(s, a->resplit->bare);
	fill_in_rest(s);
	a->content = content_of(s);
	s->signature = a->signature = sign(a, s->scheme, a->content);
	request = sketch_request(s);
	request.now = SKETCH_NOW * 1000000;
	if (!verify(a, &request, &verdict) || !content_is_asked_for(&verdict, &request))
	{
		snprintf(a->resplit->problem, sizeof(a->resplit->problem), "%s (%.100s)",
				 intake_reason_name(verdict.reason), verdict.detail);
		return false;
	}
	a->original_key = key_of(a, &verdict, &request);
	a->n_original_guards = guards_of(a, &verdict, &request, &a->original_guards);
	return a->original_key.data != NULL;
}

/* ---- forging ---- */

static void
report(Attack *a, const char *what)
{
	Draft out = {0};

	draft_put(&out, what);
	for (int i = 0; i < a->forged.count; i++)
	{
		IntakeSlice value = a->forged.values[i];
		char part[60];

		if (a->forged.segments[i].kind == SEGMENT_LITERAL || value.data == NULL)
			continue;
		snprintf(part, sizeof(part), " [%.*s%s]", (int) (value.len < 30 ? value.len : 30),
				 value.data, value.len < 30 ? "" : "...");
		draft_put(&out, part);
	}
	snprintf(a->resplit->problem, sizeof(a->resplit->problem), "%.*s",
			 (int) (out.len < 199 ? out.len : 199), out.data);
}

static bool
values_equal(const Segment *segment, IntakeSlice a, IntakeSlice b)
{
	if ((a.data == NULL) != (b.data == NULL))
		return false;
	return segment->lower ? intake_slice_equal_nocase(a, b) : intake_slice_equal(a, b);
}

/* Whether the forged request has the parts of the genuine one. */
static bool
has_same_parts(const Attack *a)
{
	bool same = a->forged.row == a->original.row && !a->extended && !a->moved;

	for (int i = 0; i < a->forged.count && same; i++)
		same = a->forged.segments[i].kind == SEGMENT_LITERAL ||
			   values_equal(&a->forged.segments[i], a->forged.values[i], a->original.values[i]);
	return same;
}

/* Sends the forged request, at the time that it claims to have. */
static void
send(Attack *a)
{
	Sketch *s = &a->forged;
	int scratch = intake_scratch_begin();
	IntakeRequest request = sketch_request(s);
	IntakeVerdict verdict;
	int64_t time;

	a->resplit->tried++;
	a->left--;
	if (s->scheme->has_timestamp && intake_timestamp_read(s->scheme->unit, s->time, &time))
		request.now = time;
	if (verify(a, &request, &verdict) && content_is_asked_for(&verdict, &request))
	{
		if (!verdict.scheme->loose && !has_same_parts(a))
			report(a, "other parts verify:");
		else if (is_news(a, &verdict, &request))
			report(a, "the same again is news:");
	}
	intake_scratch_end(scratch);
}

static bool
is_done(const Attack *a)
{
	return a->left <= 0 || a->resplit->problem[0] != '\0';
}

/* Puts the fields of a text behind a form: FIRST of NAME bytes and so on. */
static void
put_form_field(Draft *form, IntakeSlice text, size_t name, size_t end)
{
	draft_put(form, form->len > 0 ? "&" : "");
	draft_put_encoded(form, (IntakeSlice){text.data, name});
	draft_put(form, "=");
	draft_put_encoded(form, (IntakeSlice){text.data + name, end - name});
}

/* Sends forms that are the same text when they are sorted: one field, and two. */
static void
send_forms(Attack *a, IntakeSlice text)
{
	size_t step = text.len / 60 + 1;

	for (size_t name = 1; name < text.len && !is_done(a); name++)
	{
		Draft form = {0};

		put_form_field(&form, text, name, text.len);
		a->forged.form = draft_slice(&form);
		if (!intake_slice_equal(a->forged.form, a->original.form))
			send(a);
		for (size_t next = name; next < text.len && name < 30 && !is_done(a); next += step)
		{
			Draft two = {0};

			put_form_field(&two, text, name, next);
			put_form_field(&two, intake_slice_after(text, next), 1, text.len - next);
			a->forged.form = draft_slice(&two);
			send(a);
		}
	}
}

/* A body of JSON with the CRC-32 that is wanted: one letter in each of many places has two forms. */
static uint32_t
crc32_of(const char *data, size_t length)
{
	uint32_t crc = 0xFFFFFFFFu;

	for (size_t i = 0; i < length; i++)
	{
		crc ^= (unsigned char) data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
	}
	return crc ^ 0xFFFFFFFFu;
}

#define FREE_LETTERS 64

static IntakeSlice
body_with_crc(uint32_t wanted)
{
	static const char head[] = "{\"id\":\"another-id\",\"pad\":\"";
	size_t start = sizeof(head) - 1;
	size_t length = start + FREE_LETTERS + 2;
	char *body = palloc(length + 1);
	uint32_t rows[32] = {0}; /* by their highest bit: differences, */
	uint64_t letters[32];    /* and the letters that make them */
	uint32_t base;

	snprintf(body, length + 1, "%s%*s\"}", head, FREE_LETTERS, "");
	memset(body + start, 'a', FREE_LETTERS);
	base = crc32_of(body, length);
	for (int i = 0; i < FREE_LETTERS; i++)
	{
		uint64_t made = UINT64_C(1) << i;
		uint32_t difference;

		body[start + i] = 'c';
		difference = crc32_of(body, length) ^ base;
		body[start + i] = 'a';
		for (int bit = 31; bit >= 0 && difference != 0; bit--)
		{
			if ((difference >> bit & 1) == 0)
				continue;
			if (rows[bit] == 0)
			{
				rows[bit] = difference;
				letters[bit] = made;
				break;
			}
			difference ^= rows[bit];
			made ^= letters[bit];
		}
	}
	wanted ^= base;
	for (int bit = 31; bit >= 0; bit--)
		if (wanted >> bit & 1)
		{
			wanted ^= rows[bit];
			for (int i = 0; rows[bit] != 0 && i < FREE_LETTERS; i++)
				if (letters[bit] >> i & 1)
					body[start + i] ^= 'a' ^ 'c';
		}
	return (IntakeSlice){body, length};
}

/* Sends what the cuts have given, with all that nobody signed as the attacker wants it. */
static void
send_cut(Attack *a)
{
	Sketch *s = &a->forged;

	s->id = intake_slice_cstr("another-id");
	s->signature = a->signature;
	s->form = INTAKE_ABSENT;
	s->text = intake_slice_cstr(FORGED_BODY);
	s->time = intake_slice_cstr(sketch_time(s->scheme, true));
	for (int i = 0; i < s->count; i++)
		if (is_time(s, &s->segments[i]) && s->values[i].data != NULL)
			s->time = s->values[i];
	for (int i = 0; i < s->count; i++)
		if (s->segments[i].kind == SEGMENT_FORM)
		{
			s->form = has_same_parts(a) ? a->original.form : intake_slice_cstr("");
			if (s->form.len > 0)
				send(a);
			a->moved = true;
			send_forms(a, s->values[i]);
			a->moved = false;
			return;
		}
		else if (s->segments[i].kind == SEGMENT_CRC)
			s->form = body_with_crc((uint32_t) strtoul(s->values[i].data, NULL, 10));
		else if (s->segments[i].kind == SEGMENT_URL && a->scheme->next != NULL)
			s->form = intake_slice_cstr(FORGED_BODY);
	send(a);
	if (s->scheme->each != NULL && !is_done(a))
	{
		s->twice = true;
		send(a);
		s->twice = false;
	}
}

/* ---- cutting ---- */

static void cut(Attack *a, int segment, size_t at);

/* Whether a value can be sent at all, and has a chance. */
static bool
is_plausible(const Attack *a, const Segment *segment, IntakeSlice value)
{
	IntakeSlice trimmed = intake_slice_trim(value);
	int64_t time;

	if (is_time(&a->forged, segment))
		return value.len <= INTAKE_TIMESTAMP_MAX &&
			   intake_timestamp_read(a->forged.scheme->unit, value, &time);
	switch (segment->kind)
	{
		case SEGMENT_CRC:
			for (size_t i = 0; i < value.len; i++)
				if (value.data[i] < '0' || value.data[i] > '9')
					return false;
			return value.len > 0 && value.len <= 10;
		case SEGMENT_LIST:
			return trimmed.len == value.len && value.len > 0;
		case SEGMENT_PLACE:
			return segment->place.kind != INTAKE_HEADER ||
				   (trimmed.len == value.len && value.len > 0 &&
					memchr(value.data, '\n', value.len) == NULL &&
					memchr(value.data, '\r', value.len) == NULL);
		case SEGMENT_FORM:
			return value.len > 0;
		default:
			return true;
	}
}

/* The text that a segment has whoever sends, or begins with. */
static IntakeSlice
known_text(const Attack *a, const Segment *segment)
{
	IntakeSlice rest;
	IntakeSlice endpoint = intake_slice_cut(intake_slice_cstr(a->forged.base), "?", &rest);

	switch (segment->kind)
	{
		case SEGMENT_LITERAL:
			return segment->text;
		case SEGMENT_METHOD:
			return intake_slice_cstr("POST");
		case SEGMENT_SECRET:
			return intake_slice_cstr(SECRET);
		case SEGMENT_TOKEN:
			return a->forged.token;
		case SEGMENT_URL:
		case SEGMENT_ENDPOINT:
			return endpoint;
		case SEGMENT_PATH:
			return intake_slice_after(endpoint, path_of(endpoint.data) - endpoint.data);
		default:
			return INTAKE_ABSENT;
	}
}

static bool
has_more_than_known(const Segment *segment)
{
	return segment->kind == SEGMENT_URL || segment->kind == SEGMENT_PATH;
}

/* Reads a list of headers in every way: each ; may be one of a value. */
static void
cut_list(Attack *a, int segment, IntakeSlice value, size_t end)
{
	int found = 0;

	for (size_t i = 0; i < value.len; i++)
		found += value.data[i] == ';';
	for (unsigned which = 0; which < 1u << (found < 6 ? found : 6) && !is_done(a); which++)
	{
		char *copy = palloc(value.len + 1);
		int number = 0;

		memcpy(copy, value.data, value.len);
		for (size_t i = 0; i < value.len; i++)
			if (copy[i] == ';' && (number++ >= 6 || (which >> (number - 1) & 1) == 0))
				copy[i] = 1;
		a->forged.values[segment] = (IntakeSlice){copy, value.len};
		cut(a, segment + 1, end);
	}
}

static void
take(Attack *a, int index, size_t at, size_t end)
{
	const Segment *segment = &a->forged.segments[index];
	IntakeSlice value = {a->content.data + at, end - at};

	if (!is_plausible(a, segment, value))
		return;
	if (segment->kind == SEGMENT_LIST)
	{
		cut_list(a, index, value, end);
		return;
	}
	a->forged.values[index] = value;
	cut(a, index + 1, end);
}

/* Tries every end of a segment that begins at AT; or those that the moves choose. */
static void
take_all(Attack *a, int index, size_t at, size_t least)
{
	IntakeSlice *moves = &a->resplit->moves;
	size_t length = a->content.len;

	if (index + 1 == a->forged.count)
		take(a, index, at, length);
	else if (moves->data == NULL)
		for (size_t end = least; end <= length && !is_done(a); end++)
			take(a, index, at, end);
	else
		for (int i = 0; i < 3 && moves->len >= 2; i++)
		{
			size_t move = (unsigned char) moves->data[0] << 8 | (unsigned char) moves->data[1];

			*moves = intake_slice_after(*moves, 2);
			take(a, index, at, least + move % (length - least + 1));
		}
}

/* Leaves out an optional part. */
static void
cut_without(Attack *a, int index, size_t at)
{
	while (a->forged.segments[index].kind != SEGMENT_CLOSE)
		a->forged.values[index++] = INTAKE_ABSENT;
	cut(a, index, at);
}

/* Cuts the content from AT on into segments from INDEX on, and sends what fits. */
static void
cut(Attack *a, int index, size_t at)
{
	const Segment *segment = &a->forged.segments[index];
	IntakeSlice rest = intake_slice_after(a->content, at);
	IntakeSlice known;

	if (is_done(a))
		return;
	if (index == a->forged.count)
	{
		if (rest.len == 0)
			send_cut(a);
		return;
	}
	known = known_text(a, segment);
	if (segment->kind == SEGMENT_OPEN)
	{
		cut(a, index + 1, at);
		cut_without(a, index, at);
	}
	else if (segment->kind == SEGMENT_CLOSE)
		cut(a, index + 1, at);
	else if (known.data == NULL)
		take_all(a, index, at, at);
	else if (intake_slice_starts(rest, known))
	{
		take(a, index, at, at + known.len);
		/* A URL goes on with a query only. */
		if (has_more_than_known(segment) && rest.len > known.len && rest.data[known.len] == '?')
			take_all(a, index, at, at + known.len + 1);
	}
}

/* ---- the whole ---- */

/* Cuts the content as every variant has it. */
static void
cut_as_all(Attack *a)
{
	for (int row = 0; row < a->preset.n_rows && a->resplit->problem[0] == '\0'; row++)
	{
		begin_sketch(a, &a->forged, row);
		a->left = MOST_TRIED;
		if (a->forged.row->message != NULL)
			cut(a, 0, 0);
	}
}

/* What a digest of the content would be continued with: its padding and SUFFIX. */
static IntakeSlice
extended_content(IntakeSlice content, size_t block, const char *suffix)
{
	Draft out = {0};
	uint64_t bits = (uint64_t) content.len * 8;

	draft_add(&out, content);
	draft_add(&out, (IntakeSlice){"\x80", 1});
	while (out.len % block != block - 8)
		draft_add(&out, (IntakeSlice){"", 1});
	for (int i = 7; i >= 0; i--)
	{
		char byte = (char) (bits >> (8 * i));

		draft_add(&out, (IntakeSlice){&byte, 1});
	}
	draft_put(&out, suffix);
	return draft_slice(&out);
}

/* Who has the digest of the secret and a text has that of a longer text, too. */
static void
extend(Attack *a)
{
	static const char *const suffixes[] = {"", FORGED_BODY, " ", "}", "&a=b", "]"};
	const IntakeScheme *scheme = a->original.scheme;
	IntakeSlice content = a->content;

	a->extended = true;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
	{
		a->content =
			extended_content(content, scheme->algorithm == INTAKE_SHA512 ? 128 : 64, suffixes[i]);
		a->signature = sign(a, scheme, a->content);
		cut_as_all(a);
	}
}

/* Lets a sender sign one request, and an attacker do what he can with it. */
void
resplit_run(Resplit *resplit)
{
	Attack *a = malloc(sizeof(Attack));

	begin(a, resplit);
	resplit->tried = 0;
	resplit->problem[0] = '\0';
	resplit->genuine = make_original(a);
	if (resplit->genuine)
	{
		cut_as_all(a);
		if (a->original.scheme->kind == INTAKE_HASH &&
			a->original.segments[a->original.count - 1].kind != SEGMENT_SECRET)
			extend(a);
	}
	end(a);
	free(a);
}

/* ---- JSON Web Tokens ---- */

/* The token that a sender would send with a body, or absent. */
static IntakeSlice
token_for(Attack *a, const IntakeRequest *request)
{
	static const char *const place = "header:x-token";
	const IntakeScheme *of = intake_scheme_for(a->scheme, request);
	IntakeSchemeRow row;
	IntakeScheme *scheme;
	IntakeSigner signer = {.key = &a->key,
						   .token = intake_slice_cstr(TOKEN),
						   .id = intake_slice_cstr("id-of-the-token")};
	IntakeLocation location;
	IntakeSlice headers;
	IntakeSlice token = INTAKE_ABSENT;
	const char *why = "";
	char *error = NULL;
	int number = 0;

	while (scheme_of(a, number) != of)
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

	begin_sketch(a, &sketch, a->preset.n_rows - 1);
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
	if (a->preset.key_from != NULL && intake_location_parse(a->preset.key_from, &key, &why) &&
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

	begin_sketch(a, &sketch, a->preset.n_rows - 1);
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

	begin(a, resplit);
	resplit->problem[0] = '\0';
	body = body_with_id(a, "its-id");
	request = request_with(a, INTAKE_ABSENT, body, "its-id");
	token = token_for(a, &request);
	request = request_with(a, token, body, "its-id");
	resplit->genuine = verify(a, &request, &verdict) && content_is_asked_for(&verdict, &request);
	if (resplit->genuine)
	{
		request.claims = verdict.claims;
		a->original_key = key_of(a, &verdict, &request);
		a->n_original_guards = guards_of(a, &verdict, &request, &a->original_guards);
	}
	for (int i = 0; i < 4 && resplit->genuine; i++)
	{
		if (verdict.scheme->verified == INTAKE_VERIFIED_ORIGIN)
			break;
		request = request_with(a, token, i & 1 ? body_with_id(a, "another-id") : body,
							   i & 2 ? "another-id" : "its-id");
		resplit->tried++;
		if (!verify(a, &request, &verdict) || !content_is_asked_for(&verdict, &request))
			continue;
		request.claims = verdict.claims;
		if (is_news(a, &verdict, &request))
			snprintf(resplit->problem, sizeof(resplit->problem),
					 "the token again is news: %s body, %s header", i & 1 ? "other" : "its",
					 i & 2 ? "other" : "its");
	}
	end(a);
	free(a);
}

/* ---- challenges ---- */

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
	IntakeMac *mac = intake_signing_key_mac(&a->key, a->scheme->algorithm);
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
	if (!intake_handshake_answer(rule, 1, &request, intake_slice_cstr(TOKEN), mac, false,
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
	a->signature = sign(a, a->scheme, content);
	a->extended = true;
	a->resplit->problem[0] = '\0';
	a->resplit->moves = INTAKE_ABSENT;
	cut_as_all(a);
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

	begin(a, &resplit);
	for (int i = 0; i < preset->n_handshakes; i++)
	{
		char *error = NULL;
		IntakePlace place;
		IntakeHandshake *rule = intake_handshake_compile(&preset->handshakes[i], &error);

		for (size_t j = 0; j < sizeof(challenges) / sizeof(challenges[0]); j++)
			if (!rule->after_verification && find_argument(&preset->handshakes[i], &place) &&
				answers(a, rule, &place, intake_slice_cstr(challenges[j])) &&
				makes_event(a, intake_slice_cstr(challenges[j])))
				found = challenges[j];
		intake_handshake_release(rule);
	}
	end(a);
	free(a);
	return found;
}
