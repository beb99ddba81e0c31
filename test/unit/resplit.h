/*
 * resplit.h
 *		The attack of who has one genuine request: the bytes that were signed, cut into other
 *		parts, in another variant, with another body where that is not signed.
 */
#ifndef RESPLIT_H
#define RESPLIT_H

#include "presets.h"

typedef struct Resplit
{
	const FuzzPreset *preset;
	int row;           /* the variant that the sender uses */
	int style;         /* of the body: below SKETCH_STYLES */
	bool bare;         /* without the optional parts */
	const char *base;  /* public_url */
	IntakeSlice text;  /* that the sender's customer chose; absent: resplit_text() */
	IntakeSlice moves; /* bytes that choose the cuts; absent: all of them */
	/* What came of it. */
	int tried;
	bool genuine;      /* the request of the sender is accepted */
	char problem[200]; /* what else would be stored as news, or empty */
} Resplit;

extern IntakeSlice resplit_text(const FuzzPreset *preset);
extern void resplit_run(Resplit *attack);
extern void resplit_run_token(Resplit *attack);
extern const char *resplit_challenge(const FuzzPreset *preset);

#endif
