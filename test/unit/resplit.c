/*
 * resplit.c
 *		The attack of who has one genuine request: he knows what was signed, but no secret, and
 *		cuts it into other parts.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/memory.h"

#include "attack.h"
#include "common/scratch.h"

#define MOST_TRIED 1500 /* requests of one content and variant */

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
	if (attack_verify(a, &request, &verdict) && attack_content_fits(&verdict, &request))
	{
		if (!verdict.scheme->loose && !has_same_parts(a))
			report(a, "other parts verify:");
		else if (attack_is_news(a, &verdict, &request))
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
	s->text = intake_slice_cstr(ATTACK_BODY);
	s->time = intake_slice_cstr(sketch_time(s->scheme, true));
	for (int i = 0; i < s->count; i++)
		if (attack_is_time(s, &s->segments[i]) && s->values[i].data != NULL)
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
			s->form = intake_slice_cstr(ATTACK_BODY);
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

	if (attack_is_time(&a->forged, segment))
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
			return intake_slice_cstr(ATTACK_SECRET);
		case SEGMENT_TOKEN:
			return a->forged.token;
		case SEGMENT_URL:
		case SEGMENT_ENDPOINT:
			return endpoint;
		case SEGMENT_PATH:
			return intake_slice_after(endpoint, attack_path(endpoint.data) - endpoint.data);
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
void
attack_cut(Attack *a)
{
	for (int row = 0; row < a->preset.n_rows && a->resplit->problem[0] == '\0'; row++)
	{
		attack_sketch(a, &a->forged, row);
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
	static const char *const suffixes[] = {"", ATTACK_BODY, " ", "}", "&a=b", "]"};
	const IntakeScheme *scheme = a->original.scheme;
	IntakeSlice content = a->content;

	a->extended = true;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
	{
		a->content =
			extended_content(content, scheme->algorithm == INTAKE_SHA512 ? 128 : 64, suffixes[i]);
		a->signature = attack_sign(a, scheme, a->content);
		attack_cut(a);
	}
}

/* Lets a sender sign one request, and an attacker do what he can with it. */
void
resplit_run(Resplit *resplit)
{
	Attack *a = malloc(sizeof(Attack));

	attack_begin(a, resplit);
	resplit->tried = 0;
	resplit->problem[0] = '\0';
	resplit->genuine = attack_make_original(a);
	if (resplit->genuine)
	{
		attack_cut(a);
		if (a->original.scheme->kind == INTAKE_HASH &&
			a->original.segments[a->original.count - 1].kind != SEGMENT_SECRET)
			extend(a);
	}
	attack_end(a);
	free(a);
}
