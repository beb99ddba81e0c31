/*
 * match.h
 *		Which workflows an event is for.
 */
#ifndef INTAKE_MATCH_H
#define INTAKE_MATCH_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "events/event.h"

extern List *intake_match_workflows(const IntakeEvent *event);

#endif
