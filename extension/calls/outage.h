/*
 * outage.h
 *		Lines that wait because the other side asked for it, or is out.
 */
#ifndef INTAKE_OUTAGE_H
#define INTAKE_OUTAGE_H

#include "postgres.h"

#include "calls/line_row.h"
#include "calls/outcome.h"

extern bool intake_outage_judge(IntakeLines *lines, IntakeCall *call, IntakeOutcome *outcome,
								const char *error);
extern TimestampTz intake_outage_blocked(const IntakeLine *line, TimestampTz now);
extern bool intake_outage_probe(IntakeLines *lines, IntakeLine *line);
extern void intake_outage_close(IntakeLines *lines);

#endif
