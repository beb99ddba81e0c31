/*
 * outline.h
 *		Where the containers of a JSON text end, and how many elements they have. Pure.
 */
#ifndef INTAKE_OUTLINE_H
#define INTAKE_OUTLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"

/* What is noted of a container: offsets in the text, of its first byte and behind its last one. */
typedef struct IntakeNote
{
	uint32_t start;
	uint32_t end;
	uint32_t commas; /* its own */
} IntakeNote;

typedef struct IntakeOutline
{
	const char *text;
	const char *end;
	IntakeNote *notes; /* in the order of their starts */
	int count;
	int room;
	int next; /* the one that is probably looked for */
} IntakeOutline;

extern void intake_outline_make(IntakeOutline *outline, IntakeSlice text);
extern IntakeNote intake_outline_look(IntakeOutline *outline, const char *at);

#endif
