/*
 * fuzz.h
 *		What the targets share. Each target is a file that defines fuzz(): what it does with one
 *		input. A broken promise is an abort.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "common/memory.h"

#include "common/slice.h"

#define PROMISE(condition)                                                                         \
	((condition)                                                                                   \
		 ? (void) 0                                                                                \
		 : (fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition), abort()))

extern void fuzz(IntakeSlice input);

/* Takes what stands before the next line feed off the input; all of it where there is none. */
static inline IntakeSlice
fuzz_line(IntakeSlice *input)
{
	IntakeSlice line = intake_slice_cut(*input, "\n", input);

	if (input->data == NULL)
		*input = (IntakeSlice){line.data + line.len, 0};
	return line;
}

/* The same as a text that ends in NUL. */
static inline char *
fuzz_text(IntakeSlice *input)
{
	IntakeSlice line = fuzz_line(input);
	char *text = palloc(line.len + 1);

	memcpy(text, line.data, line.len);
	text[line.len] = '\0';
	return text;
}

#endif
