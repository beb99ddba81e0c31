/*
 * handler.h
 *		Calling the handler of a workflow.
 */
#ifndef INTAKE_HANDLER_H
#define INTAKE_HANDLER_H

#include "postgres.h"

#include "config/workflow.h"

extern void intake_handler_call(const IntakeWorkflow *workflow, Oid type, Datum job);

#endif
