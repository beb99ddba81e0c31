/*
 * line.h
 *		The language of a template, as a line of cells that read one byte each. Pure.
 *
 * The parts of a template stand behind each other in the line. Some cells may be left out, some
 * may repeat; numbers of repetitions above 128 are taken for any number.
 *
 * Three kinds of part are blocks, whose end is known from where they begin: JSON, which ends with
 * the bracket that closes it; and what this side knows and no sender chooses, such as the URL.
 */
#ifndef INTAKE_LINE_H
#define INTAKE_LINE_H

#include "verify/scheme.h"

#define INTAKE_LINE_MOST 1000 /* cells */

typedef enum
{
	INTAKE_NO_BLOCK,
	INTAKE_BLOCK_FIXED,
	INTAKE_BLOCK_JSON
} IntakeBlock;

typedef struct IntakeCell
{
	IntakeBytes set;
	bool optional;
	int behind; /* of an optional cell: the one behind all that may be left out with it */
	bool repeats;
	IntakeBlock block;
	int variable; /* of a fixed block: which */
	int part;     /* of the template, from 1 */
	int skip_to;  /* of the first cell of parts in brackets: the cell behind them; else 0 */
} IntakeCell;

typedef struct IntakeLine
{
	IntakeCell *cells; /* cells[0] reads nothing: the start */
	int count;
	bool too_long;
	int part; /* the last one */
} IntakeLine;

extern IntakeLine intake_line_make(const IntakeScheme *scheme, const IntakeTemplate *message);

#endif
