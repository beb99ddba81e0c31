/*
 * used_text.h
 *		A text that gives its memory back while it is read.
 */
#ifndef INTAKE_USED_TEXT_H
#define INTAKE_USED_TEXT_H

#include "postgres.h"

#define INTAKE_USED_AT_ONCE (1024 * 1024) /* bytes that are given back at once */

typedef struct IntakeUsedText
{
	const char *text;
	uint32 given_back; /* offset: what is before it is gone, or is needed later */
	uint32 needed;     /* the least offset that is read later; UINT32_MAX: none; 0: all is kept */
} IntakeUsedText;

extern void intake_used_text_drop(IntakeUsedText *used, uint32 end);

/* Gives back the text before AT, as far as it is not needed: nobody may read it any more. */
static inline void
intake_used_text_give_back(IntakeUsedText *used, const char *at)
{
	uint32 end = Min((uint32) (at - used->text), used->needed);

	if (end >= used->given_back && end - used->given_back >= INTAKE_USED_AT_ONCE)
		intake_used_text_drop(used, end);
}

#endif
