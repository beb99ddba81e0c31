/*
 * sketch.c
 *		Requests drawn from the parts of what is signed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/memory.h"

#include "read/location.h"
#include "verify/template.h"
#include "sketch.h"

/* ---- text ---- */

void
draft_add(Draft *draft, IntakeSlice more)
{
	if (more.len == 0)
		return;
	if (draft->len + more.len >= draft->room)
	{
		char *old = draft->data;

		draft->room = 2 * (draft->len + more.len) + 256;
		draft->data = palloc(draft->room);
		if (draft->len > 0)
			memcpy(draft->data, old, draft->len);
	}
	memcpy(draft->data + draft->len, more.data, more.len);
	draft->len += more.len;
}

void
draft_put(Draft *draft, const char *more)
{
	draft_add(draft, intake_slice_cstr(more));
}

/* Adds a text as a form has it; what need not be escaped is not. */
void
draft_put_encoded(Draft *draft, IntakeSlice text)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:;|,/";

	for (size_t i = 0; i < text.len; i++)
	{
		char escape[4];

		snprintf(escape, sizeof(escape), "%%%02X", (unsigned char) text.data[i]);
		if (memchr(plain, text.data[i], sizeof(plain) - 1) != NULL)
			draft_add(draft, (IntakeSlice){text.data + i, 1});
		else
			draft_put(draft, escape);
	}
}

/* Adds a text as a string of JSON. */
static void
put_string(Draft *draft, IntakeSlice text)
{
	draft_put(draft, "\"");
	for (size_t i = 0; i < text.len; i++)
	{
		unsigned char byte = (unsigned char) text.data[i];
		char escape[8];

		snprintf(escape, sizeof(escape), "\\u%04x", byte);
		if (byte < 0x20)
			draft_put(draft, escape);
		else
		{
			if (byte == '"' || byte == '\\')
				draft_put(draft, "\\");
			draft_add(draft, (IntakeSlice){text.data + i, 1});
		}
	}
	draft_put(draft, "\"");
}

IntakeSlice
draft_slice(const Draft *draft)
{
	return (IntakeSlice){draft->data ? draft->data : "", draft->len};
}

/* ---- templates ---- */

static bool
is(IntakeSlice text, const char *word)
{
	return intake_slice_equal(text, intake_slice_cstr(word));
}

static void
read_variable(IntakeSlice name, Segment *segment)
{
	static const char *const names[] = {"body",        "timestamp",  "method", "url",
										"endpoint",    "path",       "secret", "token",
										"form_sorted", "crc32(body)"};
	IntakeSlice rest;
	IntakeLocation location;
	const char *why;
	char *text;

	name = intake_slice_cut(name, "|lower", &rest);
	segment->lower = rest.data != NULL;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (is(name, names[i]))
		{
			segment->kind = (SegmentKind) (SEGMENT_BODY + i);
			return;
		}
	segment->kind = SEGMENT_LIST;
	if (intake_slice_starts(name, intake_slice_cstr("header_list:")))
	{
		segment->text = intake_slice_after(name, strlen("header_list:"));
		return;
	}
	text = palloc(name.len + 1);
	memcpy(text, name.data, name.len);
	segment->kind = SEGMENT_PLACE;
	/* A preset with a variable that this file does not know yet: teach it. */
	if (!intake_location_parse(text, &location, &why))
		abort();
	segment->place = location.places[0];
}

static void
read_template(const char *text, Sketch *sketch)
{
	while (*text != '\0')
	{
		Segment *segment = &sketch->segments[sketch->count++];
		const char *start = text;

		memset(segment, 0, sizeof(*segment));
		if (*text == '{')
		{
			text = strchr(text, '}');
			read_variable((IntakeSlice){start + 1, text - start - 1}, segment);
			text++;
		}
		else if (*text == '[' || *text == ']')
			segment->kind = *text++ == '[' ? SEGMENT_OPEN : SEGMENT_CLOSE;
		else if (*text == '\\')
		{
			segment->text = text[1] == 'n' ? intake_slice_cstr("\n") : (IntakeSlice){text + 1, 1};
			text += 2;
		}
		else
		{
			text += strcspn(text, "{[]\\");
			segment->text = (IntakeSlice){start, text - start};
		}
	}
}

/* Begins a sketch of what a row of a preset signs, without values. */
void
sketch_begin(Sketch *sketch, const FuzzPreset *preset, int row, const IntakeScheme *scheme)
{
	memset(sketch, 0, sizeof(*sketch));
	sketch->preset = preset;
	sketch->row = &preset->rows[row];
	sketch->scheme = scheme;
	if (sketch->row->message != NULL)
		read_template(sketch->row->message, sketch);
}

/* When a request is signed, or a while later, as the sender would write it. */
const char *
sketch_time(const IntakeScheme *scheme, bool later)
{
	static const char *const times[][2] = {
		{"1700000000", "1700000100"},
		{"1700000000123", "1700000100123"},
		{"2023-11-14T22:13:20.123456789Z", "2023-11-14T22:15:00.123456789Z"},
		{"2023-11-14T22:13:20.123456789", "2023-11-14T22:15:00.123456789"},
		{"Tue, 14 Nov 2023 22:13:20 GMT", "Tue, 14 Nov 2023 22:15:00 GMT"}};

	return times[scheme->unit][later];
}

/* ---- JSON ---- */

#define MEMBERS_MAX 64

typedef struct Member
{
	IntakePath path;
	IntakeSlice value;
} Member;

typedef struct Members
{
	Member list[MEMBERS_MAX];
	int count;
} Members;

static void
add_member(Members *members, const IntakePath *above, const IntakePath *path, IntakeSlice value)
{
	Member *member = &members->list[members->count++];

	if (members->count > MEMBERS_MAX)
		abort();
	member->path.count = 0;
	for (int i = 0; above != NULL && i < above->count; i++)
		member->path.steps[member->path.count++] = above->steps[i];
	for (int i = 0; i < path->count; i++)
		member->path.steps[member->path.count++] = path->steps[i];
	member->value = value;
}

static bool
is_place_in_array(const IntakeStep *step)
{
	return step->any || is(step->name, "0");
}

/* Puts the value of those members that share the first DEPTH steps with one of them. */
static void
put_value(Draft *out, const Members *members, const bool *open, int depth)
{
	bool done[MEMBERS_MAX] = {0};
	bool array = false;
	int puts = 0;

	for (int i = 0; i < members->count; i++)
	{
		bool group[MEMBERS_MAX] = {0};
		const IntakePath *path = &members->list[i].path;

		if (!open[i] || done[i])
			continue;
		if (path->count == depth)
		{
			put_string(out, members->list[i].value);
			return;
		}
		array = is_place_in_array(&path->steps[depth]);
		draft_put(out, puts++ > 0 ? "," : array ? "[" : "{");
		for (int j = i; j < members->count; j++)
		{
			const IntakePath *other = &members->list[j].path;

			group[j] =
				open[j] && other->count > depth &&
				(array ? is_place_in_array(&other->steps[depth])
					   : intake_slice_equal(other->steps[depth].name, path->steps[depth].name));
			done[j] |= group[j];
		}
		if (!array)
		{
			put_string(out, path->steps[depth].name);
			draft_put(out, ":");
		}
		put_value(out, members, group, depth + 1);
	}
	draft_put(out, array ? "]" : "}");
}

static IntakeSlice
json_of(const Members *members)
{
	bool open[MEMBERS_MAX];
	Draft out = {0};

	memset(open, true, sizeof(open));
	put_value(&out, members, open, 0);
	return draft_slice(&out);
}

/* The members that a scheme signs or reads by places of their own. */
static void
collect_members(const Sketch *s, Members *members)
{
	const IntakeScheme *scheme = s->scheme;
	const IntakePath *each = scheme->each;
	IntakeValues values = {.token = s->token};
	IntakeLocation key;
	const char *why;

	for (int i = 0; i < s->count; i++)
		if (s->segments[i].kind == SEGMENT_PLACE && s->segments[i].place.kind == INTAKE_JSON &&
			s->values[i].data != NULL)
			add_member(members, each, &s->segments[i].place.path, s->values[i]);
	if (scheme->n_signatures > 0 && scheme->signatures[0].kind == INTAKE_JSON)
		add_member(members, each, &scheme->signatures[0].path, s->signature);
	if (scheme->has_timestamp && scheme->timestamp.kind == INTAKE_JSON)
		add_member(members, each, &scheme->timestamp.path, s->time);
	for (int i = 0; i < scheme->n_require + scheme->n_when; i++)
	{
		const IntakeRequirement *requirement =
			i < scheme->n_require ? &scheme->require[i] : &scheme->when[i - scheme->n_require];

		if (requirement->location.places[0].kind == INTAKE_JSON &&
			requirement->test == INTAKE_EQUAL)
			add_member(members, NULL, &requirement->location.places[0].path,
					   intake_template_text(requirement->templates[0], &values));
		else if (requirement->location.places[0].kind == INTAKE_JSON)
			add_member(members, NULL, &requirement->location.places[0].path,
					   intake_slice_cstr("https://sns.us-east-1.amazonaws.com/a.pem"));
	}
	if (s->preset->key_from != NULL && intake_location_parse_key(s->preset->key_from, &key, &why) &&
		key.places[0].kind == INTAKE_JSON)
		add_member(members, NULL, &key.places[0].path, s->id);
}

static IntakeSlice
json_body(const Sketch *s, const char *before, const char *after)
{
	Members members = {0};
	Draft out = {0};
	IntakePath path = {.count = 1};

	collect_members(s, &members);
	if (members.count > 0 && is_place_in_array(&members.list[0].path.steps[0]))
		path.steps[path.count - 1].name = intake_slice_cstr("0"), path.count++;
	path.steps[path.count - 1].name = intake_slice_cstr("text");
	add_member(&members, NULL, &path, s->text);
	draft_put(&out, before);
	draft_add(&out, json_of(&members));
	draft_put(&out, after);
	return draft_slice(&out);
}

/* ---- bodies ---- */

static void
put_field(Draft *out, IntakeSlice name, IntakeSlice value)
{
	if (out->len > 0)
		draft_put(out, "&");
	draft_put_encoded(out, name);
	draft_put(out, "=");
	draft_put_encoded(out, value);
}

static IntakeSlice
form_body(const Sketch *s)
{
	const IntakeScheme *scheme = s->scheme;
	Draft out = {0};
	IntakeLocation key;
	const char *why;
	bool has_places = false;

	if (scheme->n_signatures > 0 && scheme->signatures[0].kind == INTAKE_FORM)
	{
		IntakeSlice name = intake_slice_cstr("key|");
		Draft dressed = {0};

		draft_add(&dressed, scheme->format == INTAKE_KV ? name : intake_slice_cstr(""));
		draft_add(&dressed, s->signature);
		put_field(&out, scheme->signatures[0].name, draft_slice(&dressed));
	}
	for (int i = 0; i < s->count; i++)
		if (s->segments[i].kind == SEGMENT_PLACE && s->segments[i].place.kind == INTAKE_FORM &&
			s->values[i].data != NULL)
		{
			put_field(&out, s->segments[i].place.name, s->values[i]);
			has_places = true;
		}
	if (s->preset->key_from != NULL && intake_location_parse_key(s->preset->key_from, &key, &why) &&
		key.places[0].kind == INTAKE_FORM)
		put_field(&out, key.places[0].name, s->id);
	if (!has_places)
	{
		IntakeSlice name = intake_slice_cstr(scheme->n_fields > 0 ? scheme->fields[0] : "Body");

		if (scheme->n_fields == 0)
			put_field(&out, intake_slice_cstr("AccountSid"), intake_slice_cstr("AC00"));
		put_field(&out, name, s->text);
	}
	return draft_slice(&out);
}

static bool
signs_places(const Sketch *s, IntakePlaceKind kind)
{
	for (int i = 0; i < s->count; i++)
		if (s->segments[i].kind == SEGMENT_PLACE && s->segments[i].place.kind == kind)
			return true;
	return s->scheme->each != NULL && kind == INTAKE_JSON;
}

/* A body with the customer's text. */
IntakeSlice
sketch_body(const Sketch *s)
{
	Draft out = {0};

	if (signs_places(s, INTAKE_FORM))
		return form_body(s);
	if (signs_places(s, INTAKE_JSON))
		return json_body(s, "", "");
	switch (s->style)
	{
		case 0:
			return json_body(s, "", "");
		case 1:
			return json_body(s, "\n ", " \n");
		case 2:
			return form_body(s);
		case 3:
			return s->text;
		default:
			draft_put(&out, "000.");
			draft_add(&out, s->text);
			draft_put(&out, "17000000");
			return draft_slice(&out);
	}
}

static IntakeSlice
twice(IntakeSlice body)
{
	Draft out = {0};
	IntakeSlice rest;
	IntakeSlice head = intake_slice_cut(body, "[", &rest);
	size_t end = rest.len;

	while (end > 0 && rest.data[end - 1] != ']')
		end--;
	draft_add(&out, head);
	draft_put(&out, "[");
	draft_add(&out, (IntakeSlice){rest.data, end - 1});
	draft_put(&out, ",");
	draft_add(&out, (IntakeSlice){rest.data, end - 1});
	draft_add(&out, intake_slice_after(rest, end - 1));
	return draft_slice(&out);
}

static IntakeSlice
body_of(const Sketch *s)
{
	IntakeSlice body;

	if (s->form.data != NULL)
		return s->form;
	for (int i = 0; i < s->count; i++)
		if (s->segments[i].kind == SEGMENT_BODY)
			return s->values[i];
	body = sketch_body(s);
	return s->twice ? twice(body) : body;
}

/* ---- the query ---- */

/* What the query must have besides that of public_url. */
IntakeSlice
sketch_query(const Sketch *s, IntakeSlice body)
{
	const IntakeScheme *scheme = s->scheme;
	IntakeRequest request = {.body = body};
	IntakeValues values = {.request = &request, .token = s->token};
	Draft out = {0};

	for (int i = 0; i < s->count; i++)
		if (s->segments[i].kind == SEGMENT_PLACE && s->segments[i].place.kind == INTAKE_QUERY &&
			s->values[i].data != NULL)
			put_field(&out, s->segments[i].place.name, s->values[i]);
	for (int i = 0; i < scheme->n_require; i++)
		if (scheme->require[i].location.places[0].kind == INTAKE_QUERY &&
			scheme->require[i].test == INTAKE_EQUAL)
			put_field(&out, scheme->require[i].location.places[0].name,
					  intake_template_text(scheme->require[i].templates[0], &values));
	return draft_slice(&out);
}

/* The URL that a sender calls, whose query has more than that of public_url. */
IntakeSlice
sketch_url(const char *base, IntakeSlice query)
{
	Draft out = {0};

	draft_put(&out, base);
	if (query.len > 0)
		draft_put(&out, strchr(base, '?') ? "&" : "?");
	draft_add(&out, query);
	return draft_slice(&out);
}

static IntakeSlice
url_of(const Sketch *s, IntakeSlice body)
{
	for (int i = 0; i < s->count; i++)
	{
		IntakeSlice rest;
		Draft out = {0};

		if (s->segments[i].kind == SEGMENT_URL)
			return s->values[i];
		if (s->segments[i].kind != SEGMENT_PATH)
			continue;
		draft_add(&out, intake_slice_cut(intake_slice_cstr(s->base), "/hooks", &rest));
		draft_add(&out, s->values[i]);
		return draft_slice(&out);
	}
	return sketch_url(s->base, sketch_query(s, body));
}

/* ---- headers ---- */

static bool
has_header(const Draft *block, IntakeSlice name)
{
	IntakeRequest request = {.headers = draft_slice(block)};
	IntakePlace place = {.kind = INTAKE_HEADER, .name = name};
	IntakeSlice value;

	return intake_location_all(&place, &request, INTAKE_ABSENT, &value, 1) > 0;
}

static void
put_header(Draft *block, IntakeSlice name, IntakeSlice value)
{
	if (value.data == NULL || has_header(block, name))
		return;
	draft_add(block, name);
	draft_put(block, ": ");
	draft_add(block, value);
	draft_put(block, "\r\n");
}

/* The headers that a list of them has, and the one that names them. */
static void
put_list(Draft *block, IntakeSlice header, IntakeSlice value)
{
	Draft names = {0};

	while (value.data != NULL)
	{
		IntakeSlice pair = intake_slice_cut(value, "\x01", &value);
		IntakeSlice content;
		IntakeSlice name = intake_slice_cut(pair, ":", &content);

		draft_put(&names, names.len > 0 ? "," : "");
		draft_add(&names, name);
		put_header(block, name, content);
	}
	put_header(block, header, draft_slice(&names));
}

static IntakeSlice
dressed_signature(const Sketch *s)
{
	const IntakeScheme *scheme = s->scheme;
	bool timed = scheme->has_timestamp && scheme->timestamp.kind == INTAKE_SIGNATURE_ITEM;
	Draft out = {0};

	draft_add(&out, scheme->prefix);
	if (timed)
	{
		draft_add(&out,
				  scheme->format == INTAKE_KV ? scheme->timestamp.name : intake_slice_cstr(""));
		draft_put(&out, scheme->format == INTAKE_KV ? scheme->kv_sep : "");
		draft_add(&out, s->time);
		draft_put(&out, scheme->item_sep);
	}
	if (scheme->format == INTAKE_KV)
	{
		draft_put(&out, scheme->tag ? scheme->tag : "key");
		draft_put(&out, scheme->kv_sep);
	}
	draft_add(&out, s->signature);
	return draft_slice(&out);
}

static IntakeSlice
headers_of(const Sketch *s)
{
	const IntakeScheme *scheme = s->scheme;
	IntakeValues values = {.token = s->token};
	IntakeLocation key;
	const char *why;
	Draft block = {0};

	for (int i = 0; i < s->count; i++)
		if (s->segments[i].kind == SEGMENT_PLACE && s->segments[i].place.kind == INTAKE_HEADER)
			put_header(&block, s->segments[i].place.name, s->values[i]);
		else if (s->segments[i].kind == SEGMENT_LIST)
			put_list(&block, s->segments[i].text, s->values[i]);
	if (scheme->has_timestamp && scheme->timestamp.kind == INTAKE_HEADER)
		put_header(&block, scheme->timestamp.name, s->time);
	for (int i = 0; i < scheme->n_require; i++)
		if (scheme->require[i].location.places[0].kind == INTAKE_HEADER &&
			scheme->require[i].test == INTAKE_EQUAL)
			put_header(&block, scheme->require[i].location.places[0].name,
					   intake_template_text(scheme->require[i].templates[0], &values));
		else if (scheme->require[i].location.places[0].kind == INTAKE_HEADER &&
				 (scheme->require[i].test == INTAKE_PRESENT ||
				  scheme->require[i].test == INTAKE_PATTERN))
			put_header(&block, scheme->require[i].location.places[0].name, intake_slice_cstr("x"));
	if (scheme->n_signatures > 0 && scheme->signatures[0].kind <= INTAKE_HEADERS)
	{
		Draft name = {0};

		draft_add(&name, scheme->signatures[0].name);
		draft_put(&name, scheme->signatures[0].kind == INTAKE_HEADERS ? "1" : "");
		put_header(&block, draft_slice(&name), dressed_signature(s));
	}
	if (s->preset->key_from != NULL && intake_location_parse_key(s->preset->key_from, &key, &why) &&
		key.places[0].kind == INTAKE_HEADER)
		put_header(&block, key.places[0].name, s->id);
	return draft_slice(&block);
}

/* The request of a sketch: every value where the scheme reads it. */
IntakeRequest
sketch_request(const Sketch *s)
{
	IntakeRequest request = {.method = intake_slice_cstr("POST"),
							 .public_url = intake_slice_cstr(s->base)};

	request.body = body_of(s);
	request.headers = headers_of(s);
	(void) intake_slice_cut(url_of(s, request.body), "?", &request.query);
	if (request.query.data == NULL)
		request.query = intake_slice_cstr("");
	/* As the product makes it up: the configured URL, with the query that arrived, if any. */
	request.url = intake_slice_cstr(s->base);
	if (request.query.len > 0)
	{
		Draft url = {0};
		IntakeSlice rest;

		draft_add(&url, intake_slice_cut(request.url, "?", &rest));
		draft_put(&url, "?");
		draft_add(&url, request.query);
		request.url = draft_slice(&url);
	}
	return request;
}
