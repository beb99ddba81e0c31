/*
 * workflow_row.h
 *		A row of the table of workflows, as a workflow.
 */
#ifndef INTAKE_WORKFLOW_ROW_H
#define INTAKE_WORKFLOW_ROW_H

#include "postgres.h"

#include "access/htup_details.h"

#include "config/workflow.h"

/* What reading rows of one table takes. */
typedef struct IntakeWorkflowRow
{
	AttrNumber *numbers; /* of the columns; 0: there is no such column */
	AttrNumber id;       /* that of two of them */
	AttrNumber source;
	Datum *values; /* the row that is read, all its columns */
	bool *nulls;
} IntakeWorkflowRow;

extern IntakeWorkflowRow *intake_workflow_row_make(TupleDesc shape);
extern bool intake_workflow_row_read(IntakeWorkflowRow *row, HeapTuple tuple, TupleDesc shape,
									 IntakeWorkflow *workflow);
extern IntakeWorkflow *intake_workflow_pack(const IntakeWorkflow *loose, MemoryContext context);

#endif
