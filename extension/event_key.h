/*
 * event_key.h
 *		One event per source and key.
 */
#ifndef INTAKE_EVENT_KEY_H
#define INTAKE_EVENT_KEY_H

#include "postgres.h"

#include "utils/uuid.h"

#include "slice.h"

struct IntakeEvent;

/* What stands for a source and a key in the table event_key. */
typedef struct IntakeEventKey
{
	int64 head;
	pg_uuid_t digest;
} IntakeEventKey;

extern bool intake_event_key_take(struct IntakeEvent **events, int count, bool hasty);

#endif
