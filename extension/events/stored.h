/*
 * stored.h
 *		Events that are stored already, as what comes in is compared with them.
 */
#ifndef INTAKE_STORED_H
#define INTAKE_STORED_H

#include "events/event.h"

/* What is known of a stored event without its body. */
typedef struct IntakeGlance
{
	TimestampTz received_at;
	char verified;    /* IntakeVerified */
	IntakeSlice type; /* or absent */
} IntakeGlance;

extern bool intake_stored_received_at(int64 id, TimestampTz *received_at);
extern bool intake_stored_glance(int64 id, IntakeGlance *glance);
extern bool intake_stored_compare(int64 id, const IntakeEvent *event, bool *same);
extern bool intake_stored_differs(const IntakeEvent *event);

#endif
