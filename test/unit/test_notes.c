/*
 * test_notes.c
 *		What is noted of the containers of a text is true, and little.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

#include "read/json.h"
#include "read/outline.h"
#include "check.h"

#define MOST_TEXT 200000

static char text[MOST_TEXT + 1];
static size_t length;
static uint32_t chance = 23;

static uint32_t
below(uint32_t bound)
{
	chance = chance * 1664525 + 1013904223;
	return (chance >> 8) % bound;
}

static void
put(const char *piece)
{
	memcpy(text + length, piece, strlen(piece));
	length += strlen(piece);
}

/* Puts a value: mostly containers, one in the other, with little between them. */
static void
put_value(int depth)
{
	int count = below(20) == 0 ? (int) below(60) : (int) below(3);

	if (depth == 0 || length > MOST_TEXT / 2 || below(6) == 0)
	{
		put(below(10) == 0
				? "\"a string, of [more] than {sixty-four} bytes, with \\\"quotes\\\" in it\""
				: "1");
		return;
	}
	put("[");
	for (int i = 0; i < count; i++)
	{
		put(i > 0 ? "," : "");
		put_value(depth - 1);
	}
	put("]");
}

/* Whether what is said of the container at AT is so; counts it. */
static bool
is_true(IntakeOutline *outline, const char *at, int *containers)
{
	IntakeNote note = intake_outline_look(outline, at);
	const char *end = intake_json_end(at, text + length);
	uint32_t commas = 0;

	(*containers)++;
	for (const char *inside = at + 1; inside < end - 1;)
	{
		inside = intake_json_end(inside, end);
		if (inside < end - 1 && *inside++ == ',')
			commas++;
	}
	return note.start == at - text && note.end == end - text && note.commas == commas;
}

/* Reads all containers, in order, or from the last one backward. */
static bool
all_are_true(IntakeOutline *outline, bool backward)
{
	int containers = 0;
	bool good = true;
	bool in_string = false;

	for (size_t i = 0; i < length && !backward; i++)
	{
		if (text[i] == '"' && (i == 0 || text[i - 1] != '\\'))
			in_string = !in_string;
		if (text[i] == '[' && !in_string)
			good = is_true(outline, text + i, &containers) && good;
	}
	for (size_t i = length; i-- > 0 && backward;)
	{
		if (text[i] == '"' && (i == 0 || text[i - 1] != '\\'))
			in_string = !in_string;
		if (text[i] == '[' && !in_string)
			good = is_true(outline, text + i, &containers) && good;
	}
	return good;
}

static void
check_text(void)
{
	IntakeOutline outline;

	intake_outline_make(&outline, (IntakeSlice){text, length});
	CHECK((size_t) outline.count <= length / 64);
	CHECK(all_are_true(&outline, false));
	CHECK(all_are_true(&outline, true));
	pfree(outline.notes);
}

/* Chains of containers, each of which is all that is in the one around it. */
static void
test_chains(void)
{
	IntakeOutline outline;

	length = 0;
	put("[");
	for (int chain = 0; chain < 90; chain++)
	{
		put(chain > 0 ? "," : "");
		memset(text + length, '[', 999);
		memset(text + length + 999, ']', 999);
		length += 1998;
	}
	put("]");
	intake_outline_make(&outline, (IntakeSlice){text, length});
	CHECK((size_t) outline.count <= length / 64);
	CHECK(outline.room <= 4 * outline.count + 2048);
	pfree(outline.notes);
}

void
test_notes(void)
{
	for (int i = 0; i < 400; i++)
	{
		length = 0;
		put_value(i % 2 == 0 ? 6 : 40);
		if (length < 20000)
			check_text();
	}
	test_chains();
}
