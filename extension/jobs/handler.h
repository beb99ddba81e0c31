/*
 * handler.h
 *		Calling the handler of a workflow.
 */
#ifndef INTAKE_HANDLER_H
#define INTAKE_HANDLER_H

#include "postgres.h"

#include "config/workflow.h"

/* What a handler returns that matters. */
typedef enum IntakeReturns
{
	INTAKE_RETURNS_NOTHING, /* or what is ignored */
	INTAKE_RETURNS_RESULT,  /* jsonb */
	INTAKE_RETURNS_NEXT,    /* intake.next */
	INTAKE_RETURNS_REQUEST  /* intake.request */
} IntakeReturns;

typedef struct IntakeReturned
{
	IntakeReturns kind;
	bool null;
	Datum value; /* palloc'ed */
} IntakeReturned;

extern void intake_handler_call(const IntakeWorkflow *workflow, Oid type, Datum job,
								IntakeReturned *returned);

#endif
