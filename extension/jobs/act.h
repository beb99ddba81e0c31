/*
 * act.h
 *		What comes after a step.
 */
#ifndef INTAKE_ACT_H
#define INTAKE_ACT_H

#include "postgres.h"

#include "jobs/step.h"

extern void intake_act_send(const IntakeJobStep *step, const IntakeReturned *returned);
extern void intake_act_do(const IntakeJobStep *step, const IntakeReturned *returned);

#endif
