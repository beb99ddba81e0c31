/*
 * next.h
 *		What a handler returns to say what comes next: a row of type intake.next.
 */
#ifndef INTAKE_NEXT_H
#define INTAKE_NEXT_H

#include "postgres.h"

#include "utils/array.h"
#include "utils/jsonb.h"

/* The row, read and not judged. All of it is palloc'ed. */
typedef struct IntakeNext
{
	const char *act;  /* or NULL */
	const char *step; /* or NULL */
	Jsonb *state;     /* NULL, unless keep_state: what the job kept is to go */
	bool keep_state;
	Jsonb *args;         /* or NULL */
	ArrayType *requests; /* of intake.request, or NULL */
} IntakeNext;

extern Oid intake_next_type(const char *name);
extern Datum intake_next_form(const char *type, const NullableDatum *columns, int count);
extern void intake_next_read(Datum row, IntakeNext *next);
extern const char *intake_next_argument(const IntakeNext *next, const char *name);

#endif
