/*
 * event_key.h
 *		One event per source and key.
 */
#ifndef INTAKE_EVENT_KEY_H
#define INTAKE_EVENT_KEY_H

#include "events/event.h"

extern bool intake_event_key_take(IntakeEvent **events, int count, bool optimistic);

#endif
