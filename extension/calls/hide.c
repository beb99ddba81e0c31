/*
 * hide.c
 *		What an answer must not show of the secret that its call was made with. Pure; what is made is
 *		palloc'ed.
 *
 * Hosts give back what they were sent: a page that says what it has not found, a redirect to the same
 * path with a slash more, a message about a key that is wrong. The first bytes of that become an error,
 * which the log, views and events show. So wherever the secret stands in an answer, as it was sent or as
 * JSON writes it, there are stars instead, as many as it had bytes. A host that turns it into something
 * else cannot be kept from that.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include <string.h>

#include "common/memory.h"

#include "calls/hide.h"
#include "read/encoding.h"

#define SHORTEST 8          /* bytes: fewer stand in answers by chance */
#define SHORTEST_SEGMENT 16 /* of a path or a query: what is shorter is a word, mostly */

/* ---- what is hidden ---- */

static void
add(IntakeHidden *hidden, IntakeSlice text, size_t shortest)
{
	char *copy;

	if (text.data == NULL || text.len < shortest || hidden->count == INTAKE_HIDDEN_MOST)
		return;
	for (int i = 0; i < hidden->count; i++)
		if (intake_slice_equal(hidden->texts[i], text))
			return;
	copy = palloc(text.len);
	memcpy(copy, text.data, text.len);
	hidden->texts[hidden->count++] = (IntakeSlice){copy, text.len};
}

/* A text as JSON writes it; with SLASHES those are escaped, too, as some do. */
static void
add_escaped(IntakeHidden *hidden, IntakeSlice text, bool slashes, size_t shortest)
{
	char *copy = palloc(2 * text.len + 1);
	size_t length = 0;

	for (size_t i = 0; i < text.len; i++)
	{
		char c = text.data[i];

		if (c == '"' || c == '\\' || (slashes && c == '/'))
			copy[length++] = '\\';
		copy[length++] = c;
	}
	add(hidden, (IntakeSlice){copy, length}, shortest);
	explicit_bzero(copy, length);
	pfree(copy);
}

static void
add_all(IntakeHidden *hidden, IntakeSlice text, size_t shortest)
{
	add(hidden, text, shortest);
	add_escaped(hidden, text, false, shortest);
	add_escaped(hidden, text, true, shortest);
}

/* The target of a URL, and its longer parts, which others may show without what is around them. */
static void
add_url(IntakeHidden *hidden, IntakeSlice secret)
{
	IntakeCallUrl url;
	IntakeSlice target;
	size_t start = 0;

	if (intake_call_url_parse(secret, &url) != NULL)
		return;
	target = url.target;
	if (target.len > 0 && target.data[target.len - 1] == '/')
		target.len--;
	add_all(hidden, target, SHORTEST);
	for (size_t i = 0; i <= target.len; i++)
		if (i == target.len || memchr("/?&=", target.data[i], 4) != NULL)
		{
			add_all(hidden, (IntakeSlice){target.data + start, i - start}, SHORTEST_SEGMENT);
			start = i + 1;
		}
}

/* Adds what stands in a text behind a MARK, up to the end of its line. */
static void
add_behind(IntakeHidden *hidden, IntakeSlice text, const char *mark)
{
	IntakeSlice rest;

	(void) intake_slice_cut(text, mark, &rest);
	if (rest.data != NULL)
		add_all(hidden, intake_slice_cut(rest, "\r\n", &rest), SHORTEST);
}

/* Adds a text in base64, and percent-encoded: as those show it who have decoded, or encode, what they got. */
static void
add_encoded(IntakeHidden *hidden, IntakeSlice text)
{
	const IntakeSecretPlace query = {INTAKE_PLACE_QUERY, {"k", 1}};
	char *out = palloc(intake_encoding_size(text.len));
	size_t length = intake_encoding_encode(INTAKE_BASE64, text, out);

	while (length > 0 && out[length - 1] == '=')
		length--;
	add_all(hidden, (IntakeSlice){out, length}, SHORTEST);
	explicit_bzero(out, length);
	pfree(out);
	add_behind(hidden, intake_secret_place_target(&query, text, intake_slice_cstr("/")), "=");
}

/* Adds to what is hidden a secret, and what it looks like where it is sent. */
void
intake_hide_learn(IntakeHidden *hidden, const IntakeSecretPlace *place, IntakeSlice secret)
{
	const IntakePresented nothing = {{NULL, 0}, {NULL, 0}, 0};

	if (place->kind == INTAKE_PLACE_URL)
		add_url(hidden, secret);
	add_all(hidden, secret, SHORTEST);
	if (place->kind == INTAKE_PLACE_BASIC)
	{
		add_behind(hidden, intake_secret_place_headers(place, secret, &nothing), "Basic ");
		add_behind(hidden, secret, ":");
	}
	if (place->kind == INTAKE_PLACE_QUERY)
		add_behind(hidden, intake_secret_place_target(place, secret, intake_slice_cstr("/")), "=");
	add_encoded(hidden, secret);
}

/* Clears what is hidden out of memory. */
void
intake_hide_forget(IntakeHidden *hidden)
{
	for (int i = 0; i < hidden->count; i++)
	{
		explicit_bzero((char *) hidden->texts[i].data, hidden->texts[i].len);
		pfree((char *) hidden->texts[i].data);
	}
	hidden->count = 0;
}

/* ---- hiding ---- */

/* BYTES, or a copy of them where something in them is hidden. */
IntakeSlice
intake_hide(const IntakeHidden *hidden, IntakeSlice bytes)
{
	char *copy = NULL;

	for (int i = 0; i < hidden->count && bytes.data != NULL; i++)
	{
		IntakeSlice text = hidden->texts[i];
		size_t at = 0;
		const char *found;

		while ((found = memmem(bytes.data + at, bytes.len - at, text.data, text.len)) != NULL)
		{
			at = (size_t) (found - bytes.data);
			if (copy == NULL)
			{
				copy = palloc(bytes.len);
				memcpy(copy, bytes.data, bytes.len);
				bytes.data = copy;
			}
			memset(copy + at, '*', text.len);
			at += text.len;
		}
	}
	return bytes;
}
