/*
 * word.h
 *		Words that stand for the values of an enum, in the order of the enum. Pure.
 */
#ifndef INTAKE_WORD_H
#define INTAKE_WORD_H

#include <stdbool.h>
#include <string.h>

/* Finds a word among COUNT, and sets *VALUE to its place. Returns false where it is none of them. */
static inline bool
intake_word_find(const char *word, const char *const *words, int count, int *value)
{
	for (int i = 0; i < count; i++)
		if (strcmp(word, words[i]) == 0)
		{
			*value = i;
			return true;
		}
	return false;
}

#endif
