/*
 * workflow.h
 *		Workflows: which events they are for, and how their jobs run.
 */
#ifndef INTAKE_WORKFLOW_H
#define INTAKE_WORKFLOW_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/jsonpath.h"

#include "ground/slot.h"

/* Whether a filter may raise an error. */
typedef enum IntakeRisk
{
	INTAKE_RISK_UNKNOWN,
	INTAKE_RISK_NONE,
	INTAKE_RISK_SOME
} IntakeRisk;

typedef struct IntakeWorkflow
{
	int32 id;
	const char *name;
	const char *problem; /* why its jobs wait, or NULL */
	IntakeWorkerKind served_by;
	Oid owner;          /* InvalidOid in a restored copy */
	Oid handler;        /* the function, as owner */
	const char *source; /* glob */
	const char *type;   /* glob */
	JsonPath *filter;   /* or NULL */
	int32 max_attempts;
	int64 backoff;     /* microseconds */
	int64 backoff_max; /* microseconds */
	int64 timeout;     /* milliseconds */
	int32 jobs_per_transaction;
	bool replay_safe;
	bool active;  /* no problem, and not paused */
	bool blocked; /* not paused, and with a problem that may go by itself */
	/* What this process has seen of a filter that failed, for match.c. */
	IntakeRisk filter_risk;
	TimestampTz filter_slow_in; /* the transaction, by its start, in which that was */
	int64 filter_slow;          /* milliseconds that slow tries have taken there */
	int64 filter_failures;      /* since they were recorded last */
	int64 filter_recorded_at;   /* by intake_clock_ms; 0: never */
	char filter_error[200];
	char filter_source[104]; /* of the last event */
} IntakeWorkflow;

extern void intake_workflow_read_all(List **list, MemoryContext context);

#endif
