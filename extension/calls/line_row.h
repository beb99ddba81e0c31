/*
 * line_row.h
 *		The rows of lines.
 */
#ifndef INTAKE_LINE_ROW_H
#define INTAKE_LINE_ROW_H

#include "postgres.h"

#include "calls/desk.h"

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

extern void intake_line_row_open(IntakeLines *lines, IntakeDesk *desk);
extern IntakeLine *intake_line_row_get(IntakeLines *lines, int64 line_id);
extern bool intake_line_row_store(IntakeLine *line, TimestampTz now);

#endif
