/*
 * glob.c
 *		Matching of source and type patterns. Pure.
 */
#include "read/glob.h"

#include <string.h>

/*
 * Bytes of the character that begins at TEXT. A byte that begins none is one by itself, and
 * a character that the end cuts off is as long as there is text.
 */
static size_t
character(const char *text, size_t length)
{
	unsigned char first = (unsigned char) text[0];
	size_t size = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

	return size < length ? size : length;
}

/*
 * Whether TEXT, in UTF-8, matches PATTERN: * stands for any run of characters, ? for one, any
 * other byte for itself. What follows a star is tried at each character once, and only for the
 * last star that was met: at most length * pattern_length steps.
 */
bool
intake_glob_match(const char *pattern, size_t pattern_length, const char *text, size_t length)
{
	size_t p = 0;
	size_t t = 0;
	size_t star = 0;   /* behind the last star */
	size_t resume = 0; /* where that star is tried next */
	bool starred = false;

	while (t < length)
	{
		if (p < pattern_length && pattern[p] == '*')
		{
			starred = true;
			star = ++p;
			resume = t;
		}
		else if (p < pattern_length && pattern[p] == '?')
		{
			p++;
			t += character(text + t, length - t);
		}
		else if (p < pattern_length && pattern[p] == text[t])
		{
			p++;
			t++;
		}
		else if (starred)
		{
			p = star;
			resume += character(text + resume, length - resume);
			t = resume;
		}
		else
			return false;
	}
	while (p < pattern_length && pattern[p] == '*')
		p++;
	return p == pattern_length;
}

/* The first bytes of a text, as a number; zeros where it is shorter. */
uint64_t
intake_glob_head(IntakeSlice text)
{
	uint64_t head = 0;

	if (text.len > 0)
		memcpy(&head, text.data, text.len < sizeof(head) ? text.len : sizeof(head));
	return head;
}

/*
 * Looks at a pattern once. A text can match only if (intake_glob_head(text) & mask) == head, which
 * says no to most texts without a look at them.
 */
IntakeGlob
intake_glob_read(const char *pattern)
{
	IntakeGlob glob = {.pattern = pattern, .length = strlen(pattern)};
	size_t literal = strcspn(pattern, "*?");
	unsigned char bits[sizeof(glob.mask)] = {0};

	glob.any = strcmp(pattern, "*") == 0;
	glob.wild = literal < glob.length;
	glob.head = intake_glob_head((IntakeSlice){pattern, literal});
	memset(bits, 0xff, literal < sizeof(bits) ? literal : sizeof(bits));
	memcpy(&glob.mask, bits, sizeof(glob.mask));
	return glob;
}

/* Whether a text, which may be absent, matches. What is absent matches "*" alone. */
bool
intake_glob_matches(const IntakeGlob *glob, IntakeSlice text)
{
	if (glob->any)
		return true;
	if (text.data == NULL)
		return false;
	if (!glob->wild)
		return intake_slice_equal((IntakeSlice){glob->pattern, glob->length}, text);
	return intake_glob_match(glob->pattern, glob->length, text.data, text.len);
}
