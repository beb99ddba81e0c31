/*
 * desk.h
 *		The rooms of calls, and the moves between them.
 */
#ifndef INTAKE_DESK_H
#define INTAKE_DESK_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

#include "common/slice.h"
#include "ground/table.h"

/* A call, as it stands in call_queue or in call_held. */
typedef struct IntakeCall
{
	int64 call_id;
	int64 job_id;
	int64 line_id;
	int32 workflow_id;
	int32 attempts; /* charged */
	bool options;   /* its request says something about answers: it has some, or a secret */
	int64 courier;  /* who makes it; 0: nobody */
	TimestampTz taken_at;
	TimestampTz until;
} IntakeCall;

/* How an attempt of a call has ended. */
typedef struct IntakeCallEnd
{
	int status;        /* 0: no answer */
	const char *error; /* NULL: the call was accepted */
	Jsonb *headers;    /* of the answer, or NULL */
	Datum body;        /* likewise, a bytea, or 0 */
	int64 duration;    /* microseconds; below 0: it was not made */
} IntakeCallEnd;

typedef struct IntakeCallOfJob
{
	int64 job_id;
	int64 call_id;
} IntakeCallOfJob;

typedef enum IntakeDeskTable
{
	INTAKE_DESK_QUEUE, /* of calls */
	INTAKE_DESK_HELD,
	INTAKE_DESK_RESPONSE,
	INTAKE_DESK_ATTEMPT,
	INTAKE_DESK_CALLING,
	INTAKE_DESK_JOBS, /* the queue of jobs */
	INTAKE_DESK_TABLES
} IntakeDeskTable;

/* What is open while calls are moved. */
typedef struct IntakeDesk
{
	TimestampTz now;
	MemoryContext context; /* what is put into tables stays there until the desk is closed */
	IntakeTable tables[INTAKE_DESK_TABLES];
	bool open[INTAKE_DESK_TABLES];
	IntakeCallOfJob *ended; /* whose jobs are to be looked at */
	int n_ended;
	int room;
} IntakeDesk;

extern void intake_desk_open(IntakeDesk *desk);
extern IntakeTable *intake_desk_table(IntakeDesk *desk, IntakeDeskTable table);
extern void intake_desk_close(IntakeDesk *desk);

extern void intake_desk_read_queue(const IntakeScan *scan, IntakeCall *call);
extern void intake_desk_read_held(const Datum *row, IntakeCall *call);
extern void intake_desk_queue(IntakeDesk *desk, const IntakeCall *call, TimestampTz due);
extern void intake_desk_hold(IntakeDesk *desk, const IntakeCall *call);
extern void intake_desk_attempt(IntakeDesk *desk, const IntakeCall *call, const IntakeCallEnd *end);
extern void intake_desk_end(IntakeDesk *desk, const IntakeCall *call, const IntakeCallEnd *end);
extern void intake_desk_give_back(IntakeDesk *desk, const IntakeCall *call, TimestampTz due);

#endif
