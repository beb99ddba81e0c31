/*
 * outage.h
 *		Lines that wait because the other side asked for it, or is out.
 */
#ifndef INTAKE_OUTAGE_H
#define INTAKE_OUTAGE_H

#include "postgres.h"

#include "calls/desk.h"
#include "calls/outcome.h"

/* A line, as its row says; where there is none, nothing is the matter with it. */
typedef struct IntakeLine
{
	int64 id;
	int32 workflow_id;
	const char *host;         /* and port; NULL: there is no row yet */
	int32 secret_id;          /* 0: none */
	TimestampTz held_until;   /* 0: it is not held */
	TimestampTz suspended_at; /* 0: it is not suspended */
	TimestampTz probe_at;     /* where it is */
	int probes;
	const char *kind;  /* how calls fail; NULL: they do not */
	const char *error; /* the last such failure */
	int64 *jobs;       /* whose calls have failed so */
	int64 *calls;      /* and which; 0: it was not charged */
	int n;             /* of both */
	int room;
	bool stored; /* there is a row, at tid */
	ItemPointerData tid;
	bool changed;
	bool suspends; /* now */
	bool resumes;  /* now */
} IntakeLine;

/* The lines that a process has to do with in a transaction. */
typedef struct IntakeLines
{
	IntakeDesk *desk;
	IntakeLine **lines;
	int count;
	int room;
} IntakeLines;

extern void intake_outage_open(IntakeLines *lines, IntakeDesk *desk);
extern IntakeLine *intake_outage_line(IntakeLines *lines, int64 line_id);
extern bool intake_outage_judge(IntakeLines *lines, IntakeCall *call, IntakeOutcome *outcome,
								const char *error);
extern TimestampTz intake_outage_blocked(const IntakeLine *line, TimestampTz now);
extern bool intake_outage_probe(IntakeLines *lines, IntakeLine *line);
extern void intake_outage_close(IntakeLines *lines);

#endif
