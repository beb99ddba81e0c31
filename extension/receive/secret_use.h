/*
 * secret_use.h
 *		What requests do to secrets: use them, and teach them.
 */
#ifndef INTAKE_SECRET_USE_H
#define INTAKE_SECRET_USE_H

#include "receive/judge.h"

extern void intake_secret_use_note(IntakeDelivery *deliveries, int count);
extern void intake_secret_use_learn(IntakeDelivery *delivery);

#endif
