/*
 * by_url.h
 *		Workflows with a URL: what they send.
 */
#ifndef INTAKE_BY_URL_H
#define INTAKE_BY_URL_H

#include "postgres.h"

#include "utils/array.h"

#include "config/workflow.h"

extern ArrayType *intake_by_url_requests(const IntakeWorkflow *workflow, bool whole,
										 Datum returned);

#endif
