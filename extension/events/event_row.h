/*
 * event_row.h
 *		Reading a stored event; the last one is kept for the jobs of it that come next.
 */
#ifndef INTAKE_EVENT_ROW_H
#define INTAKE_EVENT_ROW_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

/* An event as it is stored. */
typedef struct IntakeStoredEvent
{
	int64 id;
	int32 source_id;
	TimestampTz received_at;
	const char *source;
	const char *key;
	const char *type; /* or NULL */
	Jsonb *headers;
	Datum body;        /* a bytea; a large one is where it is stored, and is read when it is used */
	int64 delivery_id; /* that it came in with others; 0: it came alone */
	int position;      /* in that delivery, from 1; 0: it is the delivery */
} IntakeStoredEvent;

extern bool intake_event_row_read(int64 id, IntakeStoredEvent *event);
extern bool intake_event_row_read_for_job(int64 id, bool more, IntakeStoredEvent *event,
										  Jsonb **payload);

#endif
