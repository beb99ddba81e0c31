/*
 * workflow.h
 *		Workflows: which events they are for, and how their jobs run.
 */
#ifndef INTAKE_WORKFLOW_H
#define INTAKE_WORKFLOW_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/jsonpath.h"

#include "config/binding.h"
#include "read/glob.h"

#define INTAKE_MOST_STEPS 100000 /* that max_steps may be */

/* Whether a filter may raise an error. */
typedef enum IntakeRisk
{
	INTAKE_RISK_UNKNOWN,
	INTAKE_RISK_NONE,
	INTAKE_RISK_SOME
} IntakeRisk;

/* A row, in one piece of memory with all that it points to. */
typedef struct IntakeWorkflow
{
	int32 id;
	const char *name;
	const char *problem; /* why its jobs wait, or NULL */
	Oid owner;           /* InvalidOid in a restored copy */
	Oid handler;         /* the function, as owner */
	const char *url;     /* what that makes goes there; NULL: it does the work itself */
	const char *auth;    /* the secret for that, or NULL */
	Jsonb *limits;       /* of these calls, or NULL */
	IntakeGlob source;   /* which its events come from */
	IntakeGlob type;     /* which they have */
	JsonPath *filter;    /* or NULL */
	int32 max_attempts;
	int64 backoff;     /* microseconds */
	int64 backoff_max; /* microseconds */
	int64 timeout;     /* milliseconds */
	int32 jobs_per_transaction;
	int32 max_steps;
	int64 expires; /* microseconds; 0: never */
	bool replay_safe;
	bool here; /* owner and handler are those of this database */
	bool paused;
	bool active;                 /* no problem, and not paused */
	bool blocked;                /* not paused, and with a problem that may go by itself */
	const char *fault;           /* what is wrong with the row itself, or NULL */
	IntakeBinding binding;       /* how owner and handler were at the last look */
	IntakeRisk filter_risk;      /* for match.c */
	int64 job_time;              /* microseconds, a moving average in this process; 0: not known */
	int32 room;                  /* for calls/backlog.c: how many jobs may begin */
	int64 room_until;            /* likewise: milliseconds until when that holds */
	uint64 reading;              /* a number that no other reading of a row has, in this process */
	size_t size;                 /* bytes, with all that it points to */
	struct IntakeWorkflow *next; /* for workflows.c */
} IntakeWorkflow;

extern IntakeWorkflow *intake_workflow_read(int32 id, MemoryContext context);
extern List *intake_workflow_read_source(const char *source, MemoryContext context);
extern List *intake_workflow_read_patterns(MemoryContext context);

extern bool intake_workflow_is_looked_at(const IntakeWorkflow *workflow);
extern void intake_workflow_look(IntakeWorkflow *workflow);
extern Oid intake_workflow_role(IntakeWorkflow *workflow);

#endif
