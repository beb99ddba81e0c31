/*
 * rearm.h
 *		Dead jobs of events that came again.
 */
#ifndef INTAKE_REARM_H
#define INTAKE_REARM_H

#include "events/event.h"
#include "ground/table.h"

extern void intake_rearm_repeated(IntakeTable *queue, IntakeEvent **events, int count);

#endif
