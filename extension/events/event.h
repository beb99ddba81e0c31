/*
 * event.h
 *		Storing events, each once, with one job for each matching workflow.
 */
#ifndef INTAKE_EVENT_H
#define INTAKE_EVENT_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

#include "common/slice.h"
#include "read/json.h"
#include "verify/digest.h"
#include "verify/volatile.h"

/* What stands for a source and a key in the table event_key. */
typedef struct IntakeEventKey
{
	int64 head;
	pg_uuid_t digest;
} IntakeEventKey;

#define INTAKE_FOR_EVER (-1)

/* A part of a delivery that is an event by itself. */
typedef struct IntakeItem
{
	IntakeSlice body;
	IntakeSlice key; /* as it is shown; absent: the key of its delivery, and its place there */
	IntakeEventKey stored_key; /* where it has one */
	int64 key_window;          /* likewise: how long it stands, as in IntakeEvent */
	IntakeSlice type;          /* valid text, or absent */
} IntakeItem;

typedef struct IntakeEvent
{
	int32 source_id;
	const char *source_name;
	bool keyless;    /* its key is made of its id, so nothing is a repetition of it */
	IntakeSlice key; /* as it is shown: valid text; set by intake_event_store where keyless */
	IntakeEventKey stored_key;       /* unless keyless */
	int64 key_window;                /* how long its key stands for it: microseconds, or for ever */
	const IntakeDigest *guards;      /* of what was signed, each once; a replay has no new one */
	int n_guards;                    /* 0: it is known by its key alone */
	int64 guard_window;              /* how long they stand, as key_window */
	bool typed;                      /* its type is not signed, so that a guard is for each */
	bool shared;                     /* others are signed alike: a guard is for each key */
	bool varies;                     /* signed again, it has other guards */
	const IntakeVolatile *volatiles; /* what of its body may differ when it comes again */
	IntakeSlice type;                /* valid text, or absent */
	int32 secret_id;                 /* 0: none */
	char verified;                   /* IntakeVerified */
	Jsonb *headers;
	Datum body;                           /* a bytea; of an item see intake_event_body */
	IntakeJson json;                      /* what it is, where that is known */
	TimestampTz run_at;                   /* of its jobs; 0: now */
	bool replay_dead;                     /* a duplicate re-arms dead jobs */
	const IntakeVolatile *item_volatiles; /* the same of its items */
	const IntakeItem *items; /* that are events instead of it, or NULL; it has no jobs then */
	int n_items;
	struct IntakeEvent *delivery; /* that it is an item of, or NULL */
	int position;                 /* in that delivery, from 1 */
	/* Set by intake_event_store: */
	int64 id;
	bool fresh;         /* stored now, not before */
	bool replayed;      /* not stored: its guards are those of other events */
	int64 other_id;     /* the event that has the key of an item, and another body; 0: none */
	int other_position; /* of that item */
} IntakeEvent;

extern IntakeSlice intake_event_body(const IntakeEvent *event);
extern bool intake_event_store(IntakeEvent **events, int count, bool optimistic);
extern void intake_event_check_sizes(IntakeSlice type, IntakeSlice key);
extern int64 intake_event_emit(const char *type, Jsonb *payload, IntakeSlice key,
							   TimestampTz run_at);

#endif
