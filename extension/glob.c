/*
 * glob.c
 *		Matching of source and type patterns. Pure.
 */
#include "glob.h"

/*
 * Whether TEXT matches PATTERN: * stands for any run of bytes, ? for one, any other byte for
 * itself. At most length * pattern_length steps.
 */
bool
intake_glob_match(const char *pattern, size_t pattern_length, const char *text, size_t length)
{
	size_t p = 0;
	size_t t = 0;
	size_t star = pattern_length; /* behind the last star; the end: none yet */
	size_t resume = 0;            /* where that star is tried next */
	bool starred = false;

	while (t < length)
	{
		if (p < pattern_length && pattern[p] == '*')
		{
			starred = true;
			star = ++p;
			resume = t;
		}
		else if (p < pattern_length && (pattern[p] == '?' || pattern[p] == text[t]))
		{
			p++;
			t++;
		}
		else if (starred)
		{
			p = star;
			t = ++resume;
		}
		else
			return false;
	}
	while (p < pattern_length && pattern[p] == '*')
		p++;
	return p == pattern_length;
}
